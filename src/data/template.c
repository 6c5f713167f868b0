/* Recognising a chat template by what it writes. */
#include "data/template.h"

#include <stdlib.h>
#include <string.h>

#include "data/chat_style.h"

#define CONTENT "message[\"content\"]"

/* ---- reading the canonical form ----------------------------------------- */

static bool take(const char **at, const char *text)
{
    size_t bytes = strlen(text);
    if (strncmp(*at, text, bytes) != 0)
        return false;
    *at += bytes;
    return true;
}

/* A literal: its value into the arena. Nothing is taken when there is none. */
static bool take_literal(const char **at, Arena *arena, const char **value)
{
    const char *end = **at == '"' ? strchr(*at + 1, '"') : NULL;
    if (!end)
        return false;
    char *copy = arena_string_n(arena, *at + 1, (size_t)(end - *at - 1));
    for (char *c = copy; *c; c++)
        *c = *c == '\2' ? '"' : *c;
    *value = copy;
    *at = end + 1;
    return true;
}

static bool take_trim(const char **at)
{
    return take(at, "|trim") || take(at, ".strip()");
}

static bool has(const char *code, const char *text)
{
    return strstr(code, text) != NULL;
}

/* What shows that a template says more than the forms below. */
static const char *const additions[] = {
    "<think>", "enable_thinking", "[THINK]", "reasoning_content", "default_system_message",
};

/* ---- ChatML ------------------------------------------------------------- */

/* "<|im_start|>system\n…<|im_end|>" in one literal is what the template says when the
 * conversation has no system message. */
static void find_default_system(ChatTemplate *chat, const char *code)
{
    static const char open[] = "\"<|im_start|>system\n";
    const char *text, *end, *quote;
    for (const char *at = code; (at = strstr(at, open)); at++) {
        text = at + strlen(open);
        end = strstr(text, "<|im_end|>\n");
        quote = strchr(text, '"');
        if (!end || !quote || end > quote)
            continue;
        char *copy = arena_string_n(&chat->arena, text, (size_t)(end - text));
        for (char *c = copy; *c; c++)
            *c = *c == '\2' ? '"' : *c;
        chat->default_system = copy;
        return;
    }
}

static bool read_chatml(ChatTemplate *chat, const char *code, const char *bos, const char *eos)
{
    static const char open[] = "{{\"<|im_start|>\"+message[\"role\"]+\"\n\"+" CONTENT;
    const char *at = strstr(code, open);
    (void)eos;
    if (!at || !has(code, "\"<|im_start|>assistant\n\""))
        return false;
    at += strlen(open);
    bool trim = take_trim(&at);
    if (!take(&at, "+\"<|im_end|>\n\"}}"))
        return false;
    bool first = strncmp(code, "{{bos_token", 11) == 0 || has(code, "{%ifloop.first%}{{bos_token");
    if (has(code, "bos_token") && !first)
        return false;
    chat->begin = first ? bos : "";
    chat->system = (ChatWriting){"<|im_start|>system\n", "<|im_end|>\n", trim};
    chat->user = (ChatWriting){"<|im_start|>user\n", "<|im_end|>\n", trim};
    chat->prompt = "<|im_start|>assistant\n";
    chat->assistant = (ChatWriting){"", "", trim};
    chat->end = "<|im_end|>";
    chat->after_end = "\n";
    find_default_system(chat, code);
    return true;
}

/* ---- Llama 3 ------------------------------------------------------------ */

#define HEADER(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"

/* Llama 3.1 and later open with a dated system message, theirs or ours. Where the
 * template would take today's date we take the one it falls back to: the same text
 * every day. */
static bool read_dated_system(ChatTemplate *chat, const char *code)
{
    static const char assign[] = "date_string=\"";
    const char *date = strstr(code, assign);
    const char *at = date ? date + strlen(assign) - 1 : NULL, *day;
    if (!at || !take_literal(&at, &chat->arena, &day) ||
        !has(code, "\"Cutting Knowledge Date: December 2023\nToday Date: \"+date_string+\"\n\n\"") ||
        !has(code, "{{\"" HEADER("system") "\"}}"))
        return false;
    chat->system.head = arena_format(&chat->arena, HEADER("system")
                                     "Cutting Knowledge Date: December 2023\n"
                                     "Today Date: %s\n\n", day);
    chat->default_system = "";
    return true;
}

static bool read_llama3(ChatTemplate *chat, const char *code, const char *bos, const char *eos)
{
    static const char open[] =
        "\"<|start_header_id|>\"+message[\"role\"]+\"<|end_header_id|>\n\n\"+" CONTENT;
    const char *at = strstr(code, open);
    (void)eos;
    if (!at || !has(code, "\"" HEADER("assistant") "\""))
        return false;
    at += strlen(open);
    bool trim = take_trim(&at);
    if (!take(&at, "+\"<|eot_id|>\""))
        return false;
    chat->begin = has(code, "bos_token") ? bos : "";
    chat->system = (ChatWriting){HEADER("system"), "<|eot_id|>", trim};
    chat->user = (ChatWriting){HEADER("user"), "<|eot_id|>", trim};
    chat->prompt = HEADER("assistant");
    chat->assistant = (ChatWriting){"", "", trim};
    chat->end = "<|eot_id|>";
    chat->after_end = "";
    return !has(code, "Cutting Knowledge Date") || read_dated_system(chat, code);
}

/* ---- Mistral and Llama 2 ------------------------------------------------ */

/* An output of a user message: [BOS +] "…[INST]…" + [system_message + "…" +] content +
 * "…[/INST]". Sets what it shows, and whether the system text is in it. */
static bool read_user(ChatTemplate *chat, const char *at, const char *bos, bool *with_system)
{
    const char *head, *tail;
    bool every = take(&at, "bos_token+");
    if (!take_literal(&at, &chat->arena, &head) || !has(head, "[INST]") || !take(&at, "+"))
        return false;
    *with_system = take(&at, "system_message+");
    if (*with_system && (!take_literal(&at, &chat->arena, &chat->system_between) ||
                         !take(&at, "+")))
        return false;
    if (!take(&at, CONTENT) && !take(&at, "content"))
        return false;
    bool trim = take_trim(&at);
    if (!take(&at, "+") || !take_literal(&at, &chat->arena, &tail) || !has(tail, "[/INST]") ||
        !take(&at, "}}"))
        return false;
    chat->every_turn = every ? bos : "";
    chat->user = (ChatWriting){head, tail, trim};
    return true;
}

/* An output of a reply: ["…" +] content + ["…" +] EOS [+ "…"]. */
static bool read_reply(ChatTemplate *chat, const char *at)
{
    const char *head = "", *tail = "", *after = "";
    if (take_literal(&at, &chat->arena, &head) && !take(&at, "+"))
        return false;
    if (!take(&at, CONTENT) && !take(&at, "content"))
        return false;
    bool trim = take_trim(&at);
    if (!take(&at, "+"))
        return false;
    if (take_literal(&at, &chat->arena, &tail) && !take(&at, "+"))
        return false;
    if (!take(&at, "eos_token"))
        return false;
    if (take(&at, "+") && !take_literal(&at, &chat->arena, &after))
        return false;
    chat->assistant = (ChatWriting){head, tail, trim};
    chat->after_end = after;
    return take(&at, "}}");
}

static bool read_system_place(ChatTemplate *chat, const char *code, bool shared)
{
    static const char block[] = "{{\"[SYSTEM_PROMPT] \"+" CONTENT "+\"[/SYSTEM_PROMPT]\"}}";
    static const char llama2[] =
        "content=\"<<SYS>>\n\"+system_message+\"\n<</SYS>>\n\n\"+" CONTENT;
    chat->system_place = CHAT_SYSTEM_NONE;
    if (shared) {
        bool first = has(code, "loop.firstandsystem_messageisdefined");
        chat->system_place = first ? CHAT_SYSTEM_FIRST_USER : CHAT_SYSTEM_LAST_USER;
        return first != has(code, "loop.lastandsystem_messageisdefined");
    }
    if (has(code, block)) {
        chat->system_place = CHAT_SYSTEM_MESSAGE;
        chat->system = (ChatWriting){"[SYSTEM_PROMPT] ", "[/SYSTEM_PROMPT]", false};
    } else if (has(code, llama2)) {
        chat->system_place = CHAT_SYSTEM_FIRST_USER;
        chat->system = (ChatWriting){"<<SYS>>\n", "", false};
        chat->system_between = "\n<</SYS>>\n\n";
        chat->name = "llama2";
    } else {
        return !has(code, "SYS");
    }
    return true;
}

static bool read_mistral(ChatTemplate *chat, const char *code, const char *bos, const char *eos)
{
    bool user = false, reply = false, shared = false;
    for (const char *at = code; (at = strstr(at, "{{")); at++) {
        bool with_system;
        if (read_user(chat, at + 2, bos, &with_system)) {
            user = true;
            shared |= with_system;
        } else if (!reply) {
            reply = read_reply(chat, at + 2);
        }
    }
    if (!user || !reply || !*eos)
        return false;
    chat->prompt = "";
    chat->end = eos;
    chat->begin = *chat->every_turn ? "" : has(code, "{{bos_token") ? bos : "";
    chat->alternate = has(code, "%2==0)");
    return read_system_place(chat, code, shared);
}

/* ---- the table ---------------------------------------------------------- */

typedef bool StyleRead(ChatTemplate *chat, const char *code, const char *bos, const char *eos);

static const struct {
    const char *name, *mark;
    StyleRead *read;
} styles[] = {
    {"chatml", "<|im_start|>", read_chatml},
    {"llama3", "<|start_header_id|>", read_llama3},
    {"mistral", "[INST]", read_mistral},
};

/* Templates that are not ours, so that a refusal can say what it saw. */
static const struct {
    const char *mark, *name;
} strangers[] = {
    {"<start_of_turn>", "Gemma"},
    {"<|turn>", "Gemma 4"},
    {"<|start_of_role|>", "Granite"},
    {"<|START_OF_TURN_TOKEN|>", "Command R"},
    {"<|im_start|>", "ChatML with additions such as thinking"},
    {"<|start_header_id|>", "Llama 3 with additions"},
    {"[INST]", "[INST] with additions"},
    {"<|end|>", "Phi-3"},
    {"<|user|>", "Zephyr or a relative"},
    {"### Instruction", "Alpaca"},
    {"USER:", "Vicuna"},
};

static tmb_status refuse(const char *source)
{
    const char *name = "an unknown form";
    for (size_t i = COUNT_OF(strangers); i > 0; i--)
        if (has(source, strangers[i - 1].mark))
            name = strangers[i - 1].name;
    return fail(TMB_UNSUPPORTED, "the chat template of this model (%s) is not supported; those of "
                "ChatML, Llama 3 and Mistral [INST] models are", name);
}

static bool recognise(ChatTemplate *chat, const char *code, const char *bos, const char *eos)
{
    for (size_t i = 0; i < COUNT_OF(additions); i++)
        if (has(code, additions[i]))
            return false;
    for (size_t i = 0; i < COUNT_OF(styles); i++)
        if (has(code, styles[i].mark)) {
            chat->name = styles[i].name;
            return styles[i].read(chat, code, bos, eos);
        }
    return false;
}

tmb_status chat_template_parse(const char *source, const char *bos, const char *eos,
                               ChatTemplate **out)
{
    ChatTemplate *chat = MEM_NEW(ChatTemplate);
    *chat = (ChatTemplate){.begin = "", .every_turn = "", .system = {"", "", false},
                           .system_between = "", .end_id = NO_TOKEN, .eos_id = NO_TOKEN,
                           .eot_id = NO_TOKEN};
    *out = NULL;
    bos = arena_string(&chat->arena, bos);
    eos = arena_string(&chat->arena, eos);
    char *code = template_canonical(source);
    bool known = code && recognise(chat, code, bos, eos);
    free(code);
    if (!known) {
        chat_template_destroy(&chat);
        return refuse(source);
    }
    *out = chat;
    return TMB_OK;
}

static const char *name_of(const Tokenizer *tokenizer, uint32_t id)
{
    return id == NO_TOKEN ? "" : tokenizer_entry(tokenizer, id);
}

tmb_status chat_template_load(const Gguf *gguf, const Tokenizer *tokenizer, ChatTemplate **out)
{
    const char *source;
    *out = NULL;
    TRY(gguf_string_or(gguf, "tokenizer.chat_template", "", &source));
    if (!*source)
        return fail(TMB_UNSUPPORTED, "%s: the model has no chat template "
                    "(tokenizer.chat_template); use an instruct model", gguf_path(gguf));
    tmb_status status = chat_template_parse(source, name_of(tokenizer, tokenizer_bos(tokenizer)),
                                            name_of(tokenizer, tokenizer_eos(tokenizer)), out);
    if (status != TMB_OK)
        return fail_in(status, "%s: ", gguf_path(gguf));
    ChatTemplate *chat = *out;
    chat->eos_id = tokenizer_eos(tokenizer);
    chat->eot_id = tokenizer_eot(tokenizer);
    chat->end_id = tokenizer_special(tokenizer, chat->end);
    if (chat->end_id == NO_TOKEN) {
        status = fail(TMB_UNSUPPORTED, "%s: the vocabulary has no token %s, with which the chat "
                      "template ends a turn", gguf_path(gguf), chat->end);
        chat_template_destroy(out);
    }
    return status;
}

void chat_template_destroy(ChatTemplate **chat)
{
    if (!*chat)
        return;
    arena_finish(&(*chat)->arena);
    free(*chat);
    *chat = NULL;
}

const char *chat_template_name(const ChatTemplate *chat)
{
    return chat->name;
}

uint32_t chat_template_end(const ChatTemplate *chat)
{
    return chat->end_id;
}

size_t chat_template_stops(const ChatTemplate *chat, uint32_t ids[CHAT_STOPS])
{
    size_t count = 0;
    const uint32_t wanted[CHAT_STOPS] = {chat->end_id, chat->eos_id, chat->eot_id};
    for (size_t i = 0; i < CHAT_STOPS; i++) {
        bool known = wanted[i] == NO_TOKEN;
        for (size_t j = 0; j < count; j++)
            known |= ids[j] == wanted[i];
        if (!known)
            ids[count++] = wanted[i];
    }
    return count;
}
