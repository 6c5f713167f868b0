#include "data/formats.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const char *const roles[] = {"system", "user", "assistant"};

static const char *type_name(const cJSON *item)
{
    if (cJSON_IsString(item))
        return "a string";
    if (cJSON_IsNumber(item))
        return "a number";
    if (cJSON_IsArray(item))
        return "a list";
    if (cJSON_IsObject(item))
        return "an object";
    return cJSON_IsBool(item) ? "true or false" : "null";
}

/* Line ends of Windows, in a text that came from a mail program, as letters in use have them. */
static void plain_line_ends(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++)
        if (from[0] != '\r' || from[1] != '\n')
            *to++ = *from;
    *to = '\0';
}

static const char *copy_text(Arena *arena, const char *text)
{
    char *copy = arena_string(arena, text);
    plain_line_ends(copy);
    return copy;
}

/* A string member, copied. `place` is for the sentence: "message 2". */
static tmb_status read_string(const cJSON *object, const char *key, const char *place,
                              Arena *arena, const char **out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!item)
        return fail(TMB_BAD_INPUT, "%s has no \"%s\"", place, key);
    if (!cJSON_IsString(item))
        return fail(TMB_BAD_INPUT, "\"%s\" of %s is %s, it must be a string", key, place,
                    type_name(item));
    *out = copy_text(arena, item->valuestring);
    return TMB_OK;
}

static tmb_status read_message(const cJSON *item, size_t number, Arena *arena, Message *out)
{
    char place[48];
    const char *role;
    snprintf(place, sizeof place, "message %zu", number);
    if (!cJSON_IsObject(item))
        return fail(TMB_BAD_INPUT, "%s is %s, it must be an object with role and content", place,
                    type_name(item));
    TRY(read_string(item, "role", place, arena, &role));
    TRY(read_string(item, "content", place, arena, &out->content));
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        if (strcmp(role, roles[i]) == 0)
            out->role = roles[i];
    if (!out->role)
        return fail(TMB_BAD_INPUT, "%s has the role \"%.32s\"; system, user and assistant are "
                    "known", place, role);
    return TMB_OK;
}

/* A list of messages, with room for one more behind them. */
static tmb_status read_list(const cJSON *list, const char *key, Arena *arena, Example *out)
{
    const cJSON *item;
    if (!cJSON_IsArray(list))
        return fail(TMB_BAD_INPUT, "\"%s\" is %s, it must be a list of messages", key,
                    type_name(list));
    size_t count = (size_t)cJSON_GetArraySize(list);
    if (!count)
        return fail(TMB_BAD_INPUT, "\"%s\" is empty", key);
    out->messages = arena_new(arena, count + 1, sizeof *out->messages);
    out->count = 0;
    cJSON_ArrayForEach(item, list) {
        TRY(read_message(item, out->count + 1, arena, &out->messages[out->count]));
        out->count++;
    }
    return TMB_OK;
}

static tmb_status read_messages(const cJSON *object, Arena *arena, Example *out)
{
    TRY(read_list(cJSON_GetObjectItemCaseSensitive(object, "messages"), "messages", arena, out));
    /* nothing after the last reply is learned or asked for */
    while (out->count && strcmp(out->messages[out->count - 1].role, "assistant") != 0)
        out->count--;
    if (!out->count)
        return fail(TMB_BAD_INPUT, "no message has the role assistant, so there is nothing to "
                    "learn");
    return TMB_OK;
}

/* "prompt" as one user message or as a list of messages; the reply is put behind it. */
static tmb_status read_prompt(const cJSON *object, const char *reply, Arena *arena, Example *out)
{
    const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(object, "prompt");
    if (cJSON_IsString(prompt)) {
        out->messages = arena_new(arena, 2, sizeof *out->messages);
        out->messages[0] = (Message){"user", copy_text(arena, prompt->valuestring)};
        out->count = 1;
    } else {
        TRY(read_list(prompt, "prompt", arena, out));
        if (strcmp(out->messages[out->count - 1].role, "user") != 0)
            return fail(TMB_BAD_INPUT, "the last message of \"prompt\" must be the user's");
    }
    out->messages[out->count++] = (Message){"assistant", reply};
    return TMB_OK;
}

/* A reply as a string or as a list of one assistant message. */
static tmb_status read_reply(const cJSON *object, const char *key, Arena *arena,
                             const char **out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    Message message = {0};
    if (!cJSON_IsArray(item))
        return read_string(object, key, "the line", arena, out);
    if (cJSON_GetArraySize(item) != 1)
        return fail(TMB_BAD_INPUT, "\"%s\" must be a string or one assistant message", key);
    TRY(read_message(cJSON_GetArrayItem(item, 0), 1, arena, &message));
    *out = message.content;
    return TMB_OK;
}

static tmb_status read_completion(const cJSON *object, Arena *arena, Example *out)
{
    const char *reply;
    TRY(read_reply(object, "completion", arena, &reply));
    return read_prompt(object, reply, arena, out);
}

static tmb_status read_pair(const cJSON *object, Arena *arena, Example *out)
{
    const char *chosen;
    TRY(read_reply(object, "chosen", arena, &chosen));
    TRY(read_reply(object, "rejected", arena, &out->rejected));
    return read_prompt(object, chosen, arena, out);
}

/* ---- the table ---------------------------------------------------------- */

typedef tmb_status FormatRead(const cJSON *object, Arena *arena, Example *out);

static const struct {
    const char *name;
    FormatRead *read;
    const char *keys[3];
} formats[] = {
#define FORMAT(name, read, first, second, third) {#name, read, {first, second, third}},
#include "data/formats.def"
#undef FORMAT
};

/* Lines that other programs learn from, by a key of theirs, and what turns them into ours. */
static const struct {
    const char *key, *filter;
} others[] = {
    {"conversations", "{messages: [.conversations[] | {role: ({human: \"user\", gpt: \"assistant\"}"
                      "[.from] // .from), content: .value}]}"},
    {"instruction", "{prompt: (.instruction + \"\\n\" + .input), completion: .output}"},
    {"output", "{prompt: (.prompt // .input), completion: .output}"},
    {"answer", "{prompt: (.prompt // .question), completion: .answer}"},
    {"response", "{prompt: (.prompt // .question), completion: .response}"},
};

/* Beyond that a step's sums leave f32: the loss would not be finite, and nobody knew why. */
static const double LEAST_WEIGHT = 1e-9, MOST_WEIGHT = 1e9;

static tmb_status read_weight(const cJSON *object, double *out)
{
    const cJSON *weight = cJSON_GetObjectItemCaseSensitive(object, "weight");
    *out = 1;
    if (!weight || cJSON_IsNull(weight))
        return TMB_OK;
    if (!cJSON_IsNumber(weight) || !(weight->valuedouble >= LEAST_WEIGHT) ||
        !(weight->valuedouble <= MOST_WEIGHT))
        return fail(TMB_BAD_INPUT, "\"weight\" must be a number from %g to %g", LEAST_WEIGHT,
                    MOST_WEIGHT);
    *out = weight->valuedouble;
    return TMB_OK;
}

tmb_status format_read(const cJSON *object, Arena *arena, Example *out)
{
    if (!cJSON_IsObject(object))
        return fail(TMB_BAD_INPUT, "this is %s, it must be a JSON object", type_name(object));
    TRY(read_weight(object, &out->weight));
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        bool all = true;
        for (size_t j = 0; j < COUNT_OF(formats[i].keys); j++)
            all &= !*formats[i].keys[j] ||
                   cJSON_GetObjectItemCaseSensitive(object, formats[i].keys[j]) != NULL;
        if (all)
            return formats[i].read(object, arena, out);
    }
    const char *first = object->child ? object->child->string : NULL;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (cJSON_GetObjectItemCaseSensitive(object, others[i].key))
            return fail(TMB_BAD_INPUT, "the line has \"%s\" where \"messages\", or \"prompt\" and "
                        "\"completion\", are wanted: jq -c '%s' FILE > NEW", others[i].key, others[i].filter);
    return fail(TMB_BAD_INPUT, "the line has none of \"messages\"; \"prompt\" and \"completion\"; "
                "\"prompt\", \"chosen\" and \"rejected\"; it begins with \"%.40s\"",
                first ? first : "");
}
