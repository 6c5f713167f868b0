/* Byte-level BPE: every byte is a symbol, neighbours merge by the rank of their pair. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "data/merge.h"
#include "data/vocabulary.h"

uint32_t byte_to_character(unsigned char byte)
{
    /* the printable bytes stand for themselves, the others for U+0100 and up in order */
    if ((byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173))
        return byte;
    if (byte <= 32)
        return 256u + byte;
    if (byte <= 160)
        return 256u + 33 + (byte - 127u);
    return 256u + 33 + 34;      /* 173, the soft hyphen */
}

int character_to_byte(uint32_t code)
{
    if (code < 256)
        return byte_to_character((unsigned char)code) == code ? (int)code : -1;
    if (code <= 256 + 32)
        return (int)(code - 256);
    if (code < 256 + 33 + 34)
        return (int)(code - 256 - 33 + 127);
    return code == 256 + 33 + 34 ? 173 : -1;
}

/* ---- loading ------------------------------------------------------------ */

static MergeRule *rule_slot(const MergeRules *rules, uint64_t pair)
{
    uint64_t hash = pair * 0x9e3779b97f4a7c15u;
    size_t mask = rules->capacity - 1;
    for (size_t at = (size_t)(hash >> 20) & mask;; at = (at + 1) & mask)
        if (rules->slots[at].pair == pair || rules->slots[at].pair == UINT64_MAX)
            return &rules->slots[at];
}

static tmb_status rules_init(MergeRules *rules, uint64_t count)
{
    rules->capacity = 16;
    while (rules->capacity / 2 < count)
        rules->capacity *= 2;
    rules->slots = mem_try(rules->capacity, sizeof *rules->slots);
    if (!rules->slots)
        return fail(TMB_OUT_OF_HOST, "no memory for %" PRIu64 " merges", count);
    for (size_t i = 0; i < rules->capacity; i++)
        rules->slots[i].pair = UINT64_MAX;
    return TMB_OK;
}

/* Gives strings numbers: a token's is its id, others are counted on from there. Some
 * vocabularies merge through strings that are no tokens. */
typedef struct StringNumbers {
    Tokenizer *tokenizer;
    ByteMap extra;
} StringNumbers;

static tmb_status number_of(StringNumbers *numbers, const char *text, size_t bytes,
                            uint32_t *out)
{
    if (bytemap_find(&numbers->tokenizer->index, text, bytes, out) ||
        bytemap_find(&numbers->extra, text, bytes, out))
        return TMB_OK;
    if (numbers->extra.count + 1 >= numbers->extra.capacity / 2) {
        ByteMap larger;
        TRY(bytemap_init(&larger, numbers->extra.capacity));
        for (size_t i = 0; i < numbers->extra.capacity; i++) {
            const ByteMapSlot *slot = &numbers->extra.slots[i];
            if (slot->key)
                bytemap_add(&larger, slot->key, slot->bytes, slot->value);
        }
        bytemap_finish(&numbers->extra);
        numbers->extra = larger;
    }
    const char *copy = arena_string_n(&numbers->tokenizer->merge_strings, text, bytes);
    *out = numbers->tokenizer->count + (uint32_t)numbers->extra.count;
    bytemap_add(&numbers->extra, copy, bytes, *out);
    return TMB_OK;
}

/* One line of the merges, "left right": a space may be part of neither side. */
static tmb_status add_rule(StringNumbers *numbers, const char *path, const char *line,
                           size_t bytes, uint32_t rank)
{
    char joined[512];
    const char *space = bytes > 2 ? memchr(line + 1, ' ', bytes - 1) : NULL;
    if (!space || space + 1 == line + bytes || bytes > sizeof joined)
        return fail(TMB_BAD_INPUT, "%s: merge %u of the tokenizer is no pair of strings; the "
                    "file is damaged", path, rank);
    size_t left_bytes = (size_t)(space - line), right_bytes = bytes - left_bytes - 1;
    uint32_t left, right, result;
    memcpy(joined, line, left_bytes);
    memcpy(joined + left_bytes, space + 1, right_bytes);
    TRY(number_of(numbers, line, left_bytes, &left));
    TRY(number_of(numbers, space + 1, right_bytes, &right));
    TRY(number_of(numbers, joined, left_bytes + right_bytes, &result));
    uint64_t pair = (uint64_t)left << 32 | right;
    MergeRule *rule = rule_slot(&numbers->tokenizer->rules, pair);
    if (rule->pair == UINT64_MAX)            /* the first of equal merges counts */
        *rule = (MergeRule){pair, rank, result};
    return TMB_OK;
}

static tmb_status load_merges(Tokenizer *tokenizer, const Gguf *gguf, StringNumbers *numbers)
{
    GgufArray merges;
    const char *line;
    size_t bytes;
    TRY(gguf_string_array(gguf, "tokenizer.ggml.merges", &merges));
    if (merges.count > 1u << 24)
        return fail(TMB_BAD_INPUT, "%s: %" PRIu64 " merges in the tokenizer are more than any "
                    "model has; the file is damaged", gguf_path(gguf), merges.count);
    TRY(rules_init(&tokenizer->rules, merges.count));
    TRY(bytemap_init(&numbers->extra, 256));
    for (uint32_t rank = 0; gguf_array_next(&merges, &line, &bytes); rank++)
        TRY(add_rule(numbers, gguf_path(gguf), line, bytes, rank));
    for (unsigned byte = 0; byte < 256; byte++) {
        char character[2];
        size_t length = utf8_encode_short(byte_to_character((unsigned char)byte), character);
        if (!bytemap_find(&tokenizer->index, character, length, &tokenizer->byte_string[byte]) &&
            !bytemap_find(&numbers->extra, character, length, &tokenizer->byte_string[byte]))
            tokenizer->byte_string[byte] = NO_TOKEN;
    }
    return TMB_OK;
}

tmb_status bpe_load(Tokenizer *tokenizer, const Gguf *gguf)
{
    const char *name;
    StringNumbers numbers = {.tokenizer = tokenizer};
    TRY(gguf_string_or(gguf, "tokenizer.ggml.pre", "", &name));
    if (!*name)
        return fail(TMB_UNSUPPORTED, "%s: the file does not name its pre-tokenizer "
                    "(tokenizer.ggml.pre); convert the model again with a current llama.cpp",
                    gguf_path(gguf));
    tmb_status status = pretokenizer_create(name, &tokenizer->pretokenizer);
    if (status != TMB_OK)
        return fail_in(status, "%s: ", gguf_path(gguf));
    tokenizer->add_bos = pretokenizer_adds_bos(tokenizer->pretokenizer);
    Text kind = {0};
    text_print(&kind, "BPE %s", name);
    tokenizer->kind = kind.data;
    status = load_merges(tokenizer, gguf, &numbers);
    bytemap_finish(&numbers.extra);
    return status;
}

void bpe_unload(Tokenizer *tokenizer)
{
    pretokenizer_destroy(&tokenizer->pretokenizer);
    free(tokenizer->rules.slots);
    arena_finish(&tokenizer->merge_strings);
}

/* ---- encoding ----------------------------------------------------------- */

typedef struct Encoding {
    const Tokenizer *tokenizer;
    Merger merger;
    Text characters;             /* the piece in the characters that stand for bytes */
    bool supervised;
    Tokens *out;
} Encoding;

static bool find_rule(const void *context, const MergeSymbol *left, const MergeSymbol *right,
                      uint32_t *result, uint32_t *priority)
{
    const Tokenizer *tokenizer = context;
    if (left->id == NO_TOKEN || right->id == NO_TOKEN)
        return false;
    const MergeRule *rule = rule_slot(&tokenizer->rules, (uint64_t)left->id << 32 | right->id);
    *result = rule->result;
    *priority = rule->rank;
    return rule->pair != UINT64_MAX;
}

/* Text may become ordinary tokens only: never one that control tokens are made of. */
static bool is_text_token(const Tokenizer *tokenizer, uint32_t id)
{
    return id < tokenizer->count && (tokenizer->entries[id].kind == TOKEN_NORMAL ||
                                     tokenizer->entries[id].kind == TOKEN_USER ||
                                     tokenizer->entries[id].kind == TOKEN_UNUSED);
}

static bool encode_whole(Encoding *work, const char *piece, size_t bytes)
{
    uint32_t id;
    if (bytes > 256)             /* longer than any token that is a word */
        return false;
    text_clear(&work->characters);
    for (size_t i = 0; i < bytes; i++) {
        char character[2];
        size_t length = utf8_encode_short(byte_to_character((unsigned char)piece[i]), character);
        text_append(&work->characters, character, length);
    }
    if (!bytemap_find(&work->tokenizer->index, work->characters.data, work->characters.bytes,
                      &id) || !is_text_token(work->tokenizer, id))
        return false;
    tokens_push(work->out, id, work->supervised);
    return true;
}

static tmb_status encode_piece(void *context, const char *piece, size_t bytes)
{
    Encoding *work = context;
    const Tokenizer *tokenizer = work->tokenizer;
    if (pretokenizer_whole_words(tokenizer->pretokenizer) && encode_whole(work, piece, bytes))
        return TMB_OK;
    merger_begin(&work->merger);
    for (size_t i = 0; i < bytes; i++)
        TRY(merger_add(&work->merger, (uint32_t)i, 1,
                       tokenizer->byte_string[(unsigned char)piece[i]]));
    TRY(merger_run(&work->merger, find_rule, tokenizer));
    for (uint32_t at = 0; at != NO_SYMBOL; at = work->merger.symbols[at].next) {
        const MergeSymbol *symbol = &work->merger.symbols[at];
        if (is_text_token(tokenizer, symbol->id)) {
            tokens_push(work->out, symbol->id, work->supervised);
            continue;
        }
        /* a merge that is no token falls apart into bytes; a byte that is no token is
         * dropped, as transformers and llama.cpp do */
        for (uint32_t i = 0; i < symbol->bytes; i++) {
            uint32_t id = tokenizer->byte_string[(unsigned char)piece[symbol->start + i]];
            if (is_text_token(tokenizer, id))
                tokens_push(work->out, id, work->supervised);
        }
    }
    return TMB_OK;
}

tmb_status bpe_encode(const Tokenizer *tokenizer, const char *text, size_t bytes,
                      bool supervised, Tokens *out)
{
    Encoding work = {.tokenizer = tokenizer, .supervised = supervised, .out = out};
    tmb_status status = pretokenize(tokenizer->pretokenizer, text, bytes, encode_piece, &work);
    merger_finish(&work.merger);
    text_finish(&work.characters);
    return status;
}
