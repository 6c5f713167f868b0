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

static uint64_t count_supervised(const Tokens *tokens)
{
    uint64_t count = 0;
    for (size_t i = 0; i < tokens->count; i++)
        count += tokens->supervised[i];
    return count;
}

static void show_piece(const Text *piece, const Tokens *tokens, size_t index, bool colour, Text *out)
{
    bool supervised = tokens->supervised[index];
    bool before = index && tokens->supervised[index - 1];
    bool after = index + 1 < tokens->count && tokens->supervised[index + 1];
    if (supervised && !before)
        text_print(out, "%s", colour ? colour_on : "[[");
    text_append_visible(out, piece->data, piece->bytes);
    if (supervised && !after)
        text_print(out, "%s", colour ? colour_off : "]]");
}

static void show_piece_json(const Text *piece, const Tokens *tokens, size_t index, Text *out)
{
    cJSON *text = cJSON_CreateString(piece->bytes ? piece->data : "");
    char *quoted = cJSON_PrintUnformatted(text);
    text_print(out, "%s{\"id\":%u,\"text\":%s,\"supervised\":%s}", index ? "," : "",
               tokens->ids[index], quoted ? quoted : "\"\"",
               tokens->supervised[index] ? "true" : "false");
    cJSON_free(quoted);
    cJSON_Delete(text);
}

/* What stands before the tokens. */
static void show_head(const Example *example, const Tokens *tokens, DataStyle style, Text *out)
{
    if (style != DATA_JSON) {
        text_print(out, "%s%s: line %zu: %zu token%s, %" PRIu64 " supervised\n", out->bytes ? "\n" : "",
                   example->file, example->line, tokens->count, plural(tokens->count),
                   count_supervised(tokens));
        return;
    }
    cJSON *file = cJSON_CreateString(example->file);
    char *quoted = cJSON_PrintUnformatted(file);
    text_print(out, "{\"file\":%s,\"line\":%zu,\"weight\":%.15g,\"supervised\":%" PRIu64
               ",\"tokens\":[", quoted ? quoted : "\"\"", example->line, example->weight,
               count_supervised(tokens));
    cJSON_free(quoted);
    cJSON_Delete(file);
}

static tmb_status show_example(const Example *example, const Tokenizer *tokenizer,
                               const Tokens *tokens, DataStyle style, Text *out)
{
    TokenStream stream = {0};
    Text piece = {0};
    size_t room = 1024 + 6 * strlen(example->file);     /* "\u001b" */
    bool fits = text_try_reserve(out, room);
    if (fits)
        show_head(example, tokens, style, out);
    for (size_t i = 0; i < tokens->count && fits; i++) {
        text_clear(&piece);
        token_stream_push(&stream, tokenizer, tokens->ids[i], true, &piece);
        fits = text_try_reserve(out, 6 * piece.bytes + 128);
        if (!fits)
            break;
        if (style == DATA_JSON)
            show_piece_json(&piece, tokens, i, out);
        else
            show_piece(&piece, tokens, i, style == DATA_COLOURED, out);
    }
    text_clear(&piece);
    token_stream_finish(&stream, &piece);
    text_finish(&piece);
    if (!fits)
        return fail(TMB_OUT_OF_HOST, "no memory to show so much at once; use --limit");
    if (style == DATA_JSON)
        text_append(out, "]}\n", 3);
    else if (out->data[out->bytes - 1] != '\n')
        text_append(out, "\n", 1);
    return TMB_OK;
}

tmb_status dataset_show(const Dataset *dataset, const Tokenizer *tokenizer,
                        const ChatTemplate *chat, size_t limit, DataStyle style, Text *out)
{
    for (size_t i = 0; i < dataset->count && (!limit || i < limit); i++) {
        const Example *example = &dataset->examples[i];
        Tokens tokens = {0};
        tmb_status status = example_encode(example, tokenizer, chat, false, &tokens);
        if (status == TMB_OK)
            status = show_example(example, tokenizer, &tokens, style, out);
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
    Tokens *tokens = mem_try(dataset->count, sizeof *tokens);
    *out = (DataReport){0};
    if (!tokens)
        return fail(TMB_OUT_OF_HOST, "no memory for the tokens of %zu examples", dataset->count);
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
