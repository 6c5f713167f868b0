#include "data/tokenizer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/vocabulary.h"

enum {
    MAX_TOKENS = 1 << 24,
    MAX_ENTRY_BYTES = 1 << 16,
};
#define MAX_TEXT_BYTES ((size_t)1 << 30)     /* offsets are 32-bit, a space may take 3 bytes */

static bool grow_tokens(Tokens *tokens)
{
    size_t capacity = tokens->capacity ? tokens->capacity * 2 : 64;
    uint32_t *ids = mem_try_grow(tokens->ids, capacity, sizeof *ids);
    tokens->ids = ids ? ids : tokens->ids;
    uint8_t *supervised = ids ? mem_try_grow(tokens->supervised, capacity, 1) : NULL;
    tokens->supervised = supervised ? supervised : tokens->supervised;
    tokens->exhausted = !supervised;
    tokens->capacity = supervised ? capacity : tokens->capacity;
    return !tokens->exhausted;
}

void tokens_push(Tokens *tokens, uint32_t id, bool supervised)
{
    if (tokens->exhausted || (tokens->count == tokens->capacity && !grow_tokens(tokens)))
        return;
    tokens->ids[tokens->count] = id;
    tokens->supervised[tokens->count++] = supervised;
}

void tokens_finish(Tokens *tokens)
{
    free(tokens->ids);
    free(tokens->supervised);
    *tokens = (Tokens){0};
}

/* ---- loading ------------------------------------------------------------ */

static tmb_status copy_texts(Tokenizer *tokenizer, const Gguf *gguf, GgufArray tokens)
{
    GgufArray again = tokens;
    const char *data;
    size_t bytes, total = 0, at = 0;
    while (gguf_array_next(&again, &data, &bytes)) {
        if (bytes > MAX_ENTRY_BYTES)
            return fail(TMB_BAD_INPUT, "%s: a token of %zu bytes is longer than any model has; "
                        "the file is damaged", gguf_path(gguf), bytes);
        total += bytes + 1;
    }
    tokenizer->text = mem_try(total, 1);
    tokenizer->entries = mem_try((size_t)tokens.count, sizeof *tokenizer->entries);
    if (!tokenizer->text || !tokenizer->entries)
        return fail(TMB_OUT_OF_HOST, "%s: no memory for a vocabulary of %" PRIu64 " tokens",
                    gguf_path(gguf), tokens.count);
    TRY(bytemap_init(&tokenizer->index, (size_t)tokens.count));
    tokenizer->count = (uint32_t)tokens.count;
    for (uint32_t id = 0; gguf_array_next(&tokens, &data, &bytes); id++) {
        char *text = tokenizer->text + at;
        if (bytes)
            memcpy(text, data, bytes);
        at += bytes + 1;
        tokenizer->entries[id] =
            (VocabularyEntry){.text = text, .bytes = (uint32_t)bytes, .kind = TOKEN_NORMAL};
        bytemap_set(&tokenizer->index, text, bytes, id);
    }
    return TMB_OK;
}

/* One number per token, or none at all. */
static tmb_status token_numbers(const Tokenizer *tokenizer, const Gguf *gguf, const char *key,
                                GgufArray *out)
{
    *out = (GgufArray){0};
    if (!gguf_has(gguf, key))
        return TMB_OK;
    TRY(gguf_number_array(gguf, key, out));
    if (out->count != tokenizer->count)
        return fail(TMB_BAD_INPUT, "%s: %s has %" PRIu64 " values for %u tokens; the file is "
                    "damaged", gguf_path(gguf), key, out->count, tokenizer->count);
    return TMB_OK;
}

static tmb_status load_vocabulary(Tokenizer *tokenizer, const Gguf *gguf)
{
    GgufArray tokens, kinds, scores;
    TRY(gguf_string_array(gguf, "tokenizer.ggml.tokens", &tokens));
    if (tokens.count < 1 || tokens.count > MAX_TOKENS)
        return fail(TMB_BAD_INPUT, "%s: a vocabulary of %" PRIu64 " tokens is not possible; the "
                    "file is damaged", gguf_path(gguf), tokens.count);
    TRY(copy_texts(tokenizer, gguf, tokens));
    TRY(token_numbers(tokenizer, gguf, "tokenizer.ggml.token_type", &kinds));
    TRY(token_numbers(tokenizer, gguf, "tokenizer.ggml.scores", &scores));
    if (tokenizer->sentencepiece && !scores.count)
        return fail(TMB_BAD_INPUT, "%s: metadata key tokenizer.ggml.scores is missing",
                    gguf_path(gguf));
    for (uint32_t id = 0; id < tokenizer->count; id++) {
        VocabularyEntry *entry = &tokenizer->entries[id];
        double kind = kinds.count ? gguf_array_number(&kinds, id) : TOKEN_NORMAL;
        if (kind >= TOKEN_NORMAL && kind <= TOKEN_BYTE)    /* else: taken as ordinary text */
            entry->kind = (uint8_t)kind;
        if (scores.count)
            entry->score = (float)gguf_array_number(&scores, id);
    }
    return TMB_OK;
}

static tmb_status load_id(const Tokenizer *tokenizer, const Gguf *gguf, const char *key,
                          uint32_t fallback, uint32_t *out)
{
    TRY(gguf_u32_or(gguf, key, fallback < tokenizer->count ? fallback : NO_TOKEN, out));
    if (*out != NO_TOKEN && *out >= tokenizer->count)
        return fail(TMB_BAD_INPUT, "%s: %s is %u, the vocabulary has %u tokens; the file is "
                    "damaged", gguf_path(gguf), key, *out, tokenizer->count);
    return TMB_OK;
}

static tmb_status load_ids(Tokenizer *tokenizer, const Gguf *gguf)
{
    bool spm = tokenizer->sentencepiece;     /* its customary ids where the file is silent */
    TRY(load_id(tokenizer, gguf, "tokenizer.ggml.bos_token_id", spm ? 1 : NO_TOKEN,
                &tokenizer->bos));
    TRY(load_id(tokenizer, gguf, "tokenizer.ggml.eos_token_id", spm ? 2 : NO_TOKEN,
                &tokenizer->eos));
    TRY(load_id(tokenizer, gguf, "tokenizer.ggml.unknown_token_id", spm ? 0 : NO_TOKEN,
                &tokenizer->unknown));
    TRY(load_id(tokenizer, gguf, "tokenizer.ggml.eot_token_id", NO_TOKEN, &tokenizer->eot));
    TRY(gguf_bool_or(gguf, "tokenizer.ggml.add_bos_token", tokenizer->add_bos,
                     &tokenizer->add_bos));
    return gguf_bool_or(gguf, "tokenizer.ggml.add_space_prefix", spm,
                        &tokenizer->add_space_prefix);
}

/* Some files mark "<|im_end|>" as user-defined, which user text could then spell. What
 * ends a turn or looks like a control token is one. */
static void mark_controls(Tokenizer *tokenizer)
{
    static const char *const names[] = {
        "<s>", "</s>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]",
    };
    for (uint32_t id = 0; id < tokenizer->count; id++) {
        VocabularyEntry *entry = &tokenizer->entries[id];
        bool named = entry->bytes > 4 && memcmp(entry->text, "<|", 2) == 0 &&
                     memcmp(entry->text + entry->bytes - 2, "|>", 2) == 0;
        for (size_t i = 0; i < COUNT_OF(names); i++)
            named |= strcmp(entry->text, names[i]) == 0;
        bool mark = id == tokenizer->bos || id == tokenizer->eos || id == tokenizer->eot;
        if (mark || (entry->kind == TOKEN_USER && named))
            entry->kind = TOKEN_CONTROL;
    }
}

static bool contains_phi3(const char *name)
{
    char lower[256];
    size_t bytes = strlen(name) < sizeof lower ? strlen(name) : sizeof lower - 1;
    for (size_t i = 0; i < bytes; i++)
        lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
    lower[bytes] = '\0';
    return strstr(lower, "phi-3") || strstr(lower, "phi3");
}

/* GGUF does not say which tokens swallow white space; llama.cpp knows Phi-3 by name. */
static tmb_status mark_strips(Tokenizer *tokenizer, const Gguf *gguf)
{
    static const char *const keeps[] = {"<unk>", "<s>", "<|endoftext|>"};
    const char *name;
    TRY(gguf_string_or(gguf, "general.name", "", &name));
    if (!contains_phi3(name))
        return TMB_OK;
    for (size_t i = 0; i < tokenizer->special_count; i++) {
        VocabularyEntry *entry = &tokenizer->entries[tokenizer->specials[i]];
        entry->strip_right = true;
        for (size_t j = 0; j < COUNT_OF(keeps); j++)
            if (strcmp(entry->text, keeps[j]) == 0)
                entry->strip_right = false;
    }
    return TMB_OK;
}

typedef struct SpecialName {
    uint32_t id, bytes;
} SpecialName;

static int longer_first(const void *left, const void *right)
{
    const SpecialName *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void list_specials(Tokenizer *tokenizer)
{
    SpecialName *names = mem_new(tokenizer->count, sizeof *names);
    size_t count = 0;
    for (uint32_t id = 0; id < tokenizer->count; id++) {
        const VocabularyEntry *entry = &tokenizer->entries[id];
        if (entry->bytes && (entry->kind == TOKEN_CONTROL || entry->kind == TOKEN_USER ||
                             entry->kind == TOKEN_UNKNOWN))
            names[count++] = (SpecialName){id, entry->bytes};
    }
    qsort(names, count, sizeof *names, longer_first);
    tokenizer->specials = mem_new(count, sizeof *tokenizer->specials);
    tokenizer->special_count = count;
    for (size_t i = 0; i < count; i++)
        tokenizer->specials[i] = names[i].id;
    free(names);
}

static tmb_status load(Tokenizer *tokenizer, const Gguf *gguf)
{
    const char *model;
    TRY(gguf_string(gguf, "tokenizer.ggml.model", &model));
    tokenizer->sentencepiece = strcmp(model, "llama") == 0;
    if (!tokenizer->sentencepiece && strcmp(model, "gpt2") != 0)
        return fail(TMB_UNSUPPORTED, "%s: the tokenizer model \"%.64s\" is not supported; gpt2 "
                    "(byte-level BPE) and llama (SentencePiece) are", gguf_path(gguf), model);
    TRY(load_vocabulary(tokenizer, gguf));
    tokenizer->add_bos = tokenizer->sentencepiece;
    if (tokenizer->sentencepiece)
        spm_load(tokenizer);
    else
        TRY(bpe_load(tokenizer, gguf));
    TRY(load_ids(tokenizer, gguf));
    mark_controls(tokenizer);
    list_specials(tokenizer);
    return mark_strips(tokenizer, gguf);
}

tmb_status tokenizer_load(const Gguf *gguf, Tokenizer **out)
{
    *out = MEM_NEW(Tokenizer);
    tmb_status status = load(*out, gguf);
    if (status != TMB_OK)
        tokenizer_destroy(out);
    return status;
}

void tokenizer_destroy(Tokenizer **tokenizer)
{
    if (!*tokenizer)
        return;
    bpe_unload(*tokenizer);
    bytemap_finish(&(*tokenizer)->index);
    free((*tokenizer)->entries);
    free((*tokenizer)->text);
    free((*tokenizer)->specials);
    free((*tokenizer)->kind);
    free(*tokenizer);
    *tokenizer = NULL;
}

/* ---- encoding ----------------------------------------------------------- */

static tmb_status encode_joined(const Tokenizer *tokenizer, const char *text,
                                const TextRun *runs, size_t count, Tokens *out)
{
    FragmentList list;
    bool after_special = true;
    tmb_status status = split_specials(tokenizer, text, runs, count, &list);
    for (size_t i = 0; i < list.count && status == TMB_OK; i++) {
        const Fragment *item = &list.items[i];
        size_t bytes = item->end - item->begin;
        if (item->token != NO_TOKEN) {
            tokens_push(out, item->token, item->supervised);
        } else if (tokenizer->sentencepiece) {
            bool prefix = tokenizer->add_space_prefix && after_special;
            status = spm_encode(tokenizer, text + item->begin, bytes, prefix, item->supervised,
                                out);
        } else {
            status = bpe_encode(tokenizer, text + item->begin, bytes, item->supervised, out);
        }
        after_special = item->token != NO_TOKEN;
    }
    free(list.items);
    if (status == TMB_OK && out->exhausted)
        return fail(TMB_OUT_OF_HOST, "no memory for more than %zu tokens; use less text at once",
                    out->count);
    return status;
}

tmb_status tokenizer_encode_runs(const Tokenizer *tokenizer, const TextRun *runs, size_t count,
                                 Tokens *out)
{
    Text joined = {0};
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (runs[i].bytes >= MAX_TEXT_BYTES - bytes)
            return fail(TMB_BAD_INPUT, "a text of 1 GiB or more cannot be tokenized at once; "
                        "split it");
        bytes += runs[i].bytes;
    }
    if (!bytes)
        return TMB_OK;
    if (count == 1)
        return encode_joined(tokenizer, runs[0].text, runs, count, out);
    if (!text_try_reserve(&joined, bytes))
        return fail(TMB_OUT_OF_HOST, "no memory to tokenize a text of %zu bytes", bytes);
    for (size_t i = 0; i < count; i++)
        text_append(&joined, runs[i].text, runs[i].bytes);
    tmb_status status = encode_joined(tokenizer, joined.data, runs, count, out);
    text_finish(&joined);
    return status;
}

tmb_status tokenizer_encode(const Tokenizer *tokenizer, const char *text, size_t bytes,
                            bool special, Tokens *out)
{
    TextRun run = {text, bytes, special, false};
    return tokenizer_encode_runs(tokenizer, &run, 1, out);
}

/* ---- facts -------------------------------------------------------------- */

uint32_t tokenizer_count(const Tokenizer *tokenizer)
{
    return tokenizer->count;
}

const char *tokenizer_kind(const Tokenizer *tokenizer)
{
    return tokenizer->kind;
}

uint32_t tokenizer_bos(const Tokenizer *tokenizer)
{
    return tokenizer->bos;
}

uint32_t tokenizer_eos(const Tokenizer *tokenizer)
{
    return tokenizer->eos;
}

uint32_t tokenizer_eot(const Tokenizer *tokenizer)
{
    return tokenizer->eot;
}

bool tokenizer_adds_bos(const Tokenizer *tokenizer)
{
    return tokenizer->add_bos && tokenizer->bos != NO_TOKEN;
}

uint32_t tokenizer_special(const Tokenizer *tokenizer, const char *name)
{
    uint32_t id;
    if (!bytemap_find(&tokenizer->index, name, strlen(name), &id))
        return NO_TOKEN;
    uint8_t kind = tokenizer->entries[id].kind;
    return kind == TOKEN_CONTROL || kind == TOKEN_USER ? id : NO_TOKEN;
}

const char *tokenizer_entry(const Tokenizer *tokenizer, uint32_t id)
{
    return id < tokenizer->count ? tokenizer->entries[id].text : NULL;
}
