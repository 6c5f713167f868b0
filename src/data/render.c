/* Writing a conversation as its chat template says. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "data/chat_style.h"

static void add(Rendering *out, const char *text, size_t bytes, bool special, bool supervised)
{
    if (!bytes || out->exhausted)
        return;
    TextRun *runs = mem_try_room(out->runs, out->count, &out->capacity, sizeof *runs);
    out->exhausted = !runs;
    if (!runs)
        return;
    out->runs = runs;
    out->runs[out->count++] = (TextRun){text, bytes, special, supervised};
}

static void add_template(Rendering *out, const char *text, bool supervised)
{
    add(out, text, strlen(text), true, supervised);
}

/* White space as Python's str.strip() sees it. */
static bool is_space(uint32_t code)
{
    return (code >= 9 && code <= 13) || (code >= 28 && code <= 32) || code == 0x85 ||
           code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
           code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f ||
           code == 0x3000;
}

static void strip(const char **text, size_t *bytes, bool left, bool right)
{
    while (left && *bytes) {
        size_t length = utf8_character(*text, *bytes);
        if (!length || !is_space(utf8_decode(*text, length)))
            break;
        *text += length;
        *bytes -= length;
    }
    while (right && *bytes) {
        size_t length = 1;
        while (length < 4 && length < *bytes && ((*text)[*bytes - length] & 0xc0) == 0x80)
            length++;
        const char *last = *text + *bytes - length;
        if (utf8_character(last, length) != length || !is_space(utf8_decode(last, length)))
            break;
        *bytes -= length;
    }
}

static void add_content(Rendering *out, const char *content, bool left, bool right,
                        bool supervised)
{
    size_t bytes = strlen(content);
    strip(&content, &bytes, left, right);
    add(out, content, bytes, false, supervised);
}

static void add_message(Rendering *out, const ChatWriting *writing, const char *content)
{
    add_template(out, writing->head, false);
    add_content(out, content, writing->trim, writing->trim, false);
    add_template(out, writing->tail, false);
}

static void add_user(const ChatTemplate *chat, const char *system, const char *content,
                     Rendering *out)
{
    const ChatWriting *user = &chat->user;
    add_template(out, chat->every_turn, false);
    add_template(out, user->head, false);
    if (system) {
        add_template(out, chat->system.head, false);
        add_content(out, system, chat->system.trim, chat->system.trim, false);
        add_template(out, chat->system_between, false);
    }
    add_content(out, content, user->trim && !system, user->trim, false);
    add_template(out, user->tail, false);
}

static void add_reply(const ChatTemplate *chat, const char *content, Rendering *out)
{
    const ChatWriting *reply = &chat->assistant;
    add_template(out, chat->prompt, false);
    add_template(out, reply->head, true);
    add_content(out, content, reply->trim, reply->trim, true);
    add_template(out, reply->tail, true);
    add_template(out, chat->end, true);
    add_template(out, chat->after_end, false);
}

static tmb_status check_roles(const ChatTemplate *chat, const Message *messages, size_t count,
                              bool prompt)
{
    size_t turns = 0;
    if (!count)
        return fail(TMB_BAD_INPUT, "a conversation needs at least one message");
    for (size_t i = 0; i < count; i++) {
        const char *role = messages[i].role;
        bool user = strcmp(role, "user") == 0;
        if (strcmp(role, "system") == 0) {
            if (i)
                return fail(TMB_BAD_INPUT, "the system message is message %zu, it must be the "
                            "first", i + 1);
            if (chat->system_place == CHAT_SYSTEM_NONE)
                return fail(TMB_BAD_INPUT, "this model's chat template has no place for a system "
                            "message; put its text into the first user message");
            continue;
        }
        if (!user && strcmp(role, "assistant") != 0)
            return fail(TMB_BAD_INPUT, "message %zu has the role \"%.32s\"; system, user and "
                        "assistant are known", i + 1, role);
        if (chat->alternate && user != (turns % 2 == 0))
            return fail(TMB_BAD_INPUT, "message %zu breaks the order: with this model's chat "
                        "template user and assistant take turns, the user first", i + 1);
        turns++;
    }
    if (prompt && strcmp(messages[count - 1].role, "user") != 0)
        return fail(TMB_BAD_INPUT, "the last message is not the user's, so there is nothing to "
                    "reply to");
    return TMB_OK;
}

/* The index of the user message that carries the system text, or count. */
static size_t system_carrier(const ChatTemplate *chat, const Message *messages, size_t count)
{
    size_t carrier = count;
    for (size_t i = 0; i < count; i++)
        if (strcmp(messages[i].role, "user") == 0 &&
            (carrier == count || chat->system_place == CHAT_SYSTEM_LAST_USER))
            carrier = i;
    return carrier;
}

tmb_status chat_template_render(const ChatTemplate *chat, const Message *messages, size_t count,
                                bool prompt, Rendering *out)
{
    TRY(check_roles(chat, messages, count, prompt));
    const char *system = strcmp(messages[0].role, "system") == 0 ? messages[0].content : NULL;
    size_t carrier = count;
    add_template(out, chat->begin, false);
    if (chat->system_place == CHAT_SYSTEM_MESSAGE) {
        if (system || chat->default_system)
            add_message(out, &chat->system, system ? system : chat->default_system);
    } else if (system) {
        carrier = system_carrier(chat, messages, count);
        if (carrier == count)
            return fail(TMB_BAD_INPUT, "a system message needs a user message after it");
    }
    for (size_t i = system ? 1 : 0; i < count; i++) {
        if (strcmp(messages[i].role, "user") == 0)
            add_user(chat, i == carrier ? system : NULL, messages[i].content, out);
        else
            add_reply(chat, messages[i].content, out);
    }
    if (prompt)
        add_template(out, chat->prompt, false);
    if (out->exhausted)
        return fail(TMB_OUT_OF_HOST, "no memory for a conversation of %zu messages", count);
    return TMB_OK;
}

void rendering_text(const Rendering *rendering, Text *out)
{
    for (size_t i = 0; i < rendering->count; i++)
        text_append(out, rendering->runs[i].text, rendering->runs[i].bytes);
}

void rendering_finish(Rendering *rendering)
{
    free(rendering->runs);
    *rendering = (Rendering){0};
}

tmb_status chat_template_encode(const ChatTemplate *chat, const Tokenizer *tokenizer,
                                const Message *messages, size_t count, bool prompt, Tokens *out)
{
    Rendering rendering = {0};
    tmb_status status = chat_template_render(chat, messages, count, prompt, &rendering);
    if (status == TMB_OK) {
        if (tokenizer_adds_bos(tokenizer) && !*chat->begin && !*chat->every_turn)
            tokens_push(out, tokenizer_bos(tokenizer), false);
        status = tokenizer_encode_runs(tokenizer, rendering.runs, rendering.count, out);
    }
    rendering_finish(&rendering);
    return status;
}
