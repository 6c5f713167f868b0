#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/utf8.h"
#include "data/formats.h"
#include "data/problems.h"

/* ---- one line ----------------------------------------------------------- */

/* JSON's "\u0000": a C string would end there, and the reply would lose its rest. */
static bool has_escaped_nul(const char *text, size_t bytes)
{
    for (size_t i = 0; i + 5 < bytes; i++) {
        if (text[i] != '\\')
            continue;
        if (memcmp(text + i, "\\u0000", 6) == 0)
            return true;
        i++;                 /* an escaped character, perhaps a backslash */
    }
    return false;
}

enum { EXCERPT_BYTES = 48 };

/* The beginning of the text as far as it is well-formed and can be shown on a terminal. */
static void excerpt(const char *text, size_t bytes, char out[EXCERPT_BYTES])
{
    size_t used = 0, step;
    while (used < bytes && (unsigned char)text[used] >= 0x20 && text[used] != 0x7f &&
           (step = utf8_character(text + used, bytes - used)) > 0 && used + step < EXCERPT_BYTES)
        used += step;
    memcpy(out, text, used);
    out[used] = '\0';
}

/* cJSON tells no cause: it is memory when there is none for the tree that it could not make. */
static tmb_status not_json(const char *shown, size_t stopped, size_t bytes)
{
    void *probe = mem_try(bytes + 4096, 16);       /* about what the tree of a conversation takes */
    free(probe);
    if (!probe)
        return fail(TMB_OUT_OF_HOST, "no memory to read a line of %zu bytes", bytes);
    return fail(TMB_BAD_INPUT, "this is not valid JSON at byte %zu: %s", stopped + 1, shown);
}

/* No less than what format_read keeps of it: every text, and of every list a Message for each item
 * and one more. */
static size_t most_kept(const cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);
    size_t bytes = 2 * sizeof(Message) + (text ? strlen(text) : 0);
    for (const cJSON *child = item->child; child; child = child->next)
        bytes += sizeof(Message) + most_kept(child);
    return bytes;
}

static tmb_status read_line(Dataset *dataset, const char *text, size_t bytes, Example *out)
{
    const char *end = NULL;
    const char *nul = memchr(text, 0, bytes);
    size_t valid = utf8_valid(text, bytes);
    if (nul)
        return fail(TMB_BAD_INPUT, "byte %zu is a NUL; is this a text file?",
                    (size_t)(nul - text) + 1);
    if (valid < bytes)
        return fail(TMB_BAD_INPUT, "byte %zu is not UTF-8; save the file as UTF-8", valid + 1);
    if (has_escaped_nul(text, bytes))
        return fail(TMB_BAD_INPUT, "\\u0000 (a NUL character) cannot be part of a text");
    cJSON *object = cJSON_ParseWithLengthOpts(text, bytes, &end, false);
    size_t rest = end ? (size_t)(end - text) : 0;
    rest = rest < bytes ? rest : bytes;
    size_t stopped = rest;
    while (object && rest < bytes && strchr(" \t\r", text[rest]))
        rest++;
    char shown[EXCERPT_BYTES];
    excerpt(text + rest, bytes - rest, shown);
    tmb_status status =
        !object ? not_json(shown, stopped, bytes)
        : rest < bytes
            ? fail(TMB_BAD_INPUT, "the JSON ends at byte %zu, but the line goes on: %s", stopped, shown)
        : !arena_try_reserve(&dataset->arena, most_kept(object))
            ? fail(TMB_OUT_OF_HOST, "no memory to keep a line of %zu bytes", bytes)
            : json_check_keys("", object);
    if (status == TMB_OK)
        status = format_read(object, &dataset->arena, out);
    cJSON_Delete(object);
    return status;
}

static tmb_status add_example(Dataset *dataset, const Example *example)
{
    Example *examples = mem_try_room(dataset->examples, dataset->count, &dataset->capacity,
                                     sizeof *examples);
    if (!examples)
        return fail(TMB_OUT_OF_HOST, "no memory for more than %zu examples", dataset->count);
    dataset->examples = examples;
    dataset->examples[dataset->count++] = *example;
    dataset->pairs += example->rejected != NULL;
    return TMB_OK;
}

static bool is_blank(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

/* ---- files -------------------------------------------------------------- */

/* True when at least one line is {…}, perhaps a broken one. */
static bool has_object_line(const char *data, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        const char *end = memchr(data + at, '\n', bytes - at);
        size_t stop = end ? (size_t)(end - data) : bytes, last = stop;
        while (at < last && strchr(" \t", data[at]))
            at++;
        while (last > at && strchr(" \t\r,", data[last - 1]))
            last--;
        if (last > at + 1 && data[at] == '{' && data[last - 1] == '}')
            return true;
        at = stop + 1;
    }
    return false;
}

/* One sentence for a file of another kind, where one for each line would bury the cause. */
static tmb_status check_kind(const char *file, const char *data, size_t bytes)
{
    char shown[EXCERPT_BYTES];
    if (bytes > 1 && (!memcmp(data, "\xff\xfe", 2) || !memcmp(data, "\xfe\xff", 2)))
        return fail(TMB_BAD_INPUT, "%s: the file is UTF-16; save it as UTF-8 (the editor's \"Save "
                    "as\" has a field for the encoding)", file);
    while (bytes && strchr(" \t\r\n", *data))
        data++, bytes--;
    if (!bytes || has_object_line(data, bytes))
        return TMB_OK;
    excerpt(data, bytes, shown);
    return fail(TMB_BAD_INPUT, "%s: no line of it is an example; a .jsonl file has one on each line, "
                "{\"messages\": [{\"role\": \"user\", \"content\": \"…\"}, {\"role\": "
                "\"assistant\", \"content\": \"…\"}]}, and this begins with %s%s", file,
                *shown ? shown : "something that is not text",
                *shown == '[' ? " (jq -c '.[]' puts a list on lines)" : "");
}

static tmb_status read_file(Dataset *dataset, const char *path, Problems *problems)
{
    char *data = NULL;
    size_t bytes = 0, line = 1, lines = 0;
    TRY(os_read_file(path, &data, &bytes));
    const char *file = arena_string(&dataset->arena, strcmp(path, "-") ? path : "standard input");
    size_t at = bytes >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    tmb_status status = check_kind(file, data + at, bytes - at);
    for (; status == TMB_OK && at < bytes; line++) {
        const char *end = memchr(data + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - data) - at : bytes - at;
        if (!is_blank(data + at, length)) {
            Example example = {.file = file, .line = line};
            lines++;
            tmb_status read = read_line(dataset, data + at, length, &example);
            if (read == TMB_OK)
                read = add_example(dataset, &example);
            if (read == TMB_OUT_OF_HOST)
                status = fail_in(read, "%s: line %zu: ", file, line);
            else if (read != TMB_OK)
                problems_add(problems, file, line);
        }
        at += length + 1;
    }
    free(data);
    if (status == TMB_OK && !lines)
        return fail(TMB_BAD_INPUT, "%s: the file has no examples", file);
    return status;
}

tmb_status dataset_read(Dataset *dataset, const char *const *paths, size_t count)
{
    Problems problems = {0};
    tmb_status status = TMB_OK;
    for (size_t i = 0; i < count && status == TMB_OK; i++)
        status = read_file(dataset, paths[i], &problems);
    if (status != TMB_OK) {
        text_finish(&problems.text);
        return status;
    }
    return problems_finish(&problems, "of the data cannot be used");
}

void dataset_finish(Dataset *dataset)
{
    free(dataset->examples);
    arena_finish(&dataset->arena);
    *dataset = (Dataset){0};
}

tmb_status dataset_set_system(Dataset *dataset, const char *system)
{
    const char *text = arena_string(&dataset->arena, system);
    for (size_t i = 0; i < dataset->count; i++) {
        Example *example = &dataset->examples[i];
        if (strcmp(example->messages[0].role, "system") == 0) {
            example->messages[0].content = text;
            continue;
        }
        if (!arena_try_reserve(&dataset->arena, (example->count + 2) * sizeof(Message)))
            return fail(TMB_OUT_OF_HOST, "no memory for the system message of %zu examples",
                        dataset->count);
        Message *messages = arena_new(&dataset->arena, example->count + 1, sizeof *messages);
        memcpy(messages + 1, example->messages, example->count * sizeof *messages);
        messages[0] = (Message){"system", text};
        example->messages = messages;
        example->count++;
    }
    return TMB_OK;
}

/* ---- tokens ------------------------------------------------------------- */

tmb_status example_encode(const Example *example, const Tokenizer *tokenizer,
                          const ChatTemplate *chat, bool rejected, Tokens *out)
{
    if (!rejected)
        return chat_template_encode(chat, tokenizer, example->messages, example->count, false,
                                    out);
    if (!example->rejected)
        return fail(TMB_BAD_INPUT, "%s: line %zu has no \"rejected\" reply", example->file,
                    example->line);
    Message *messages = mem_try(example->count, sizeof *messages);
    if (!messages)
        return fail(TMB_OUT_OF_HOST, "no memory for a conversation of %zu messages", example->count);
    memcpy(messages, example->messages, example->count * sizeof *messages);
    messages[example->count - 1].content = example->rejected;
    tmb_status status = chat_template_encode(chat, tokenizer, messages, example->count, false,
                                             out);
    free(messages);
    return status;
}

static tmb_status encode_supervised(const Example *example, const Tokenizer *tokenizer,
                                    const ChatTemplate *chat, Tokens *out)
{
    TRY(example_encode(example, tokenizer, chat, false, out));
    for (size_t i = 0; i < out->count; i++)
        if (out->supervised[i])
            return TMB_OK;
    return fail(TMB_BAD_INPUT, "none of its %zu tokens is supervised", out->count);
}

tmb_status dataset_encode(const Dataset *dataset, const Tokenizer *tokenizer,
                          const ChatTemplate *chat, Tokens *out)
{
    Problems problems = {0};
    tmb_status full = TMB_OK;
    for (size_t i = 0; i < dataset->count; i++) {
        const Example *example = &dataset->examples[i];
        out[i] = (Tokens){0};
        if (full != TMB_OK)
            continue;
        tmb_status encoded = encode_supervised(example, tokenizer, chat, &out[i]);
        if (encoded == TMB_OUT_OF_HOST)
            full = fail_in(encoded, "%s: line %zu: ", example->file, example->line);
        else if (encoded != TMB_OK)
            problems_add(&problems, example->file, example->line);
    }
    if (full != TMB_OK)
        text_finish(&problems.text);
    tmb_status status = full != TMB_OK ? full
        : problems_finish(&problems, "cannot be put into the model's chat template");
    for (size_t i = 0; i < dataset->count && status != TMB_OK; i++)
        tokens_finish(&out[i]);
    return status;
}

/* ---- plain text --------------------------------------------------------- */

tmb_status text_encode_file(const Tokenizer *tokenizer, const char *path, bool by_line, bool bos,
                            Tokens *out)
{
    char *data = NULL;
    size_t bytes = 0, start = out->count;
    tmb_status status;
    TRY(os_read_file(path, &data, &bytes));
    if (memchr(data, 0, bytes))
        log_warning("%s has bytes of zero; is it a text?", path);
    if (bos && tokenizer_bos(tokenizer) != NO_TOKEN)
        tokens_push(out, tokenizer_bos(tokenizer), false);
    for (size_t at = 0; at < bytes;) {
        const char *end = by_line ? memchr(data + at, '\n', bytes - at) : NULL;
        size_t length = end ? (size_t)(end - data) - at + 1 : bytes - at;
        TRY_OR(done, status, tokenizer_encode(tokenizer, data + at, length, false, out));
        at += length;
    }
    for (size_t i = start; i < out->count; i++)
        out->supervised[i] = i > start;
    status = out->count < start + 2
                 ? fail(TMB_BAD_INPUT, "%s: a text of %zu tokens has nothing to predict", path,
                        out->count - start)
                 : TMB_OK;
done:
    free(data);
    return status;
}
