/* Looking at data as training will see it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "data/bytemap.h"
#include "data/dataset.h"

/* ---- show --------------------------------------------------------------- */

static const char colour_on[] = "\x1b[32m", colour_off[] = "\x1b[0m";

static void show_tokens(const Tokenizer *tokenizer, const Tokens *tokens, bool colour, Text *out)
{
    Text span = {0};
    for (size_t i = 0; i < tokens->count;) {
        bool supervised = tokens->supervised[i];
        text_clear(&span);
        for (; i < tokens->count && tokens->supervised[i] == supervised; i++)
            tokenizer_piece(tokenizer, tokens->ids[i], true, &span);
        if (supervised)
            text_print(out, "%s", colour ? colour_on : "[[");
        text_append_visible(out, span.data, span.bytes);
        if (supervised)
            text_print(out, "%s", colour ? colour_off : "]]");
    }
    text_finish(&span);
}

static uint64_t count_supervised(const Tokens *tokens)
{
    uint64_t count = 0;
    for (size_t i = 0; i < tokens->count; i++)
        count += tokens->supervised[i];
    return count;
}

static void show_text(const Example *example, const Tokenizer *tokenizer, const Tokens *tokens,
                      bool colour, Text *out)
{
    text_print(out, "%s%s: line %zu: %zu token%s, %" PRIu64 " supervised\n", out->bytes ? "\n" : "",
               example->file, example->line, tokens->count, plural(tokens->count),
               count_supervised(tokens));
    show_tokens(tokenizer, tokens, colour, out);
    if (out->data[out->bytes - 1] != '\n')
        text_append(out, "\n", 1);
}

static void show_json(const Example *example, const Tokenizer *tokenizer, const Tokens *tokens,
                      Text *out)
{
    TokenStream stream = {0};
    Text piece = {0};
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "file", example->file);
    cJSON_AddNumberToObject(object, "line", (double)example->line);
    cJSON_AddNumberToObject(object, "weight", example->weight);
    cJSON_AddNumberToObject(object, "supervised", (double)count_supervised(tokens));
    cJSON *list = cJSON_AddArrayToObject(object, "tokens");
    for (size_t i = 0; i < tokens->count; i++) {
        cJSON *token = cJSON_CreateObject();
        text_clear(&piece);
        token_stream_push(&stream, tokenizer, tokens->ids[i], true, &piece);
        cJSON_AddNumberToObject(token, "id", tokens->ids[i]);
        cJSON_AddStringToObject(token, "text", piece.bytes ? piece.data : "");
        cJSON_AddBoolToObject(token, "supervised", tokens->supervised[i]);
        cJSON_AddItemToArray(list, token);
    }
    char *line = cJSON_PrintUnformatted(object);
    text_print(out, "%s\n", line ? line : "{}");
    cJSON_free(line);
    cJSON_Delete(object);
    token_stream_finish(&stream, &piece);
    text_finish(&piece);
}

tmb_status dataset_show(const Dataset *dataset, const Tokenizer *tokenizer,
                        const ChatTemplate *chat, size_t limit, DataStyle style, Text *out)
{
    for (size_t i = 0; i < dataset->count && (!limit || i < limit); i++) {
        const Example *example = &dataset->examples[i];
        Tokens tokens = {0};
        tmb_status status = example_encode(example, tokenizer, chat, false, &tokens);
        if (status == TMB_OK && style == DATA_JSON)
            show_json(example, tokenizer, &tokens, out);
        else if (status == TMB_OK)
            show_text(example, tokenizer, &tokens, style == DATA_COLOURED, out);
        tokens_finish(&tokens);
        if (status != TMB_OK)
            return fail_in(status, "%s: line %zu: ", example->file, example->line);
    }
    return TMB_OK;
}

/* ---- check -------------------------------------------------------------- */

bool example_is_empty(const Example *example)
{
    const char *reply = example->messages[example->count - 1].content;
    return reply[strspn(reply, " \t\r\n")] == '\0';
}

/* Counts one example; cut off as batch_pack does. */
static void check_example(const Example *example, const Tokens *tokens, uint32_t row_tokens,
                          DataReport *report)
{
    report->examples++;
    report->tokens += tokens->count;
    report->supervised += count_supervised(tokens);
    if (tokens->count > report->longest) {
        report->longest = tokens->count;
        report->longest_line = example->line;
    }
    size_t needed = tokens->count;       /* what follows the last supervised token is not read */
    while (needed && !tokens->supervised[needed - 1])
        needed--;
    if (needed && needed - 1 > row_tokens) {
        report->truncated++;
        log_warning("%s: line %zu: %zu tokens, those beyond %u will be cut off; raise --row-tokens "
                    "or shorten it", example->file, example->line, needed - 1, row_tokens);
    }
    if (example_is_empty(example)) {
        report->empty_replies++;
        log_warning("%s: line %zu: the reply is empty", example->file, example->line);
    }
}

tmb_status tokens_find_repeats(const Tokens *tokens, size_t count, uint32_t *earlier)
{
    ByteMap seen;
    TRY(bytemap_init(&seen, count));
    for (size_t i = 0; i < count; i++) {
        const char *key = (const char *)tokens[i].ids;
        size_t bytes = tokens[i].count * sizeof *tokens[i].ids;
        earlier[i] = (uint32_t)i;
        if (!bytemap_add(&seen, key, bytes, (uint32_t)i) && !bytemap_find(&seen, key, bytes, &earlier[i]))
            earlier[i] = (uint32_t)i;
    }
    bytemap_finish(&seen);
    return TMB_OK;
}

static tmb_status check_repeats(const Dataset *dataset, const Tokens *tokens, DataReport *report)
{
    const Example *examples = dataset->examples;
    uint32_t *earlier = mem_try(dataset->count, sizeof *earlier);
    if (!earlier)
        return fail(TMB_OUT_OF_HOST, "no memory to compare %zu examples", dataset->count);
    tmb_status status = tokens_find_repeats(tokens, dataset->count, earlier);
    for (size_t i = 0; i < dataset->count && status == TMB_OK; i++) {
        if (earlier[i] == i)
            continue;
        report->duplicates++;
        log_warning("%s: line %zu: the same as %s: line %zu", examples[i].file, examples[i].line,
                    examples[earlier[i]].file, examples[earlier[i]].line);
    }
    free(earlier);
    return status;
}

tmb_status dataset_check(const Dataset *dataset, const Tokenizer *tokenizer,
                         const ChatTemplate *chat, uint32_t row_tokens, DataReport *out)
{
    Tokens *tokens = mem_new(dataset->count, sizeof *tokens);
    *out = (DataReport){0};
    tmb_status status = dataset_encode(dataset, tokenizer, chat, tokens);
    if (status == TMB_OK) {
        for (size_t i = 0; i < dataset->count; i++)
            check_example(&dataset->examples[i], &tokens[i], row_tokens, out);
        status = check_repeats(dataset, tokens, out);
        for (size_t i = 0; i < dataset->count; i++)
            tokens_finish(&tokens[i]);
    }
    free(tokens);
    return status;
}
