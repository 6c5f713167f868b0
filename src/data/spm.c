/* SentencePiece BPE: characters merge into the pieces of the vocabulary by score; what is
 * in no piece becomes its bytes. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "data/merge.h"
#include "data/vocabulary.h"

static const char space_mark[] = "\xe2\x96\x81";      /* U+2581 stands for a space */

/* Pieces that text may become: control and byte tokens only look like text. */
static bool find_piece(const Tokenizer *tokenizer, const char *text, size_t bytes, uint32_t *id)
{
    if (!bytemap_find(&tokenizer->index, text, bytes, id))
        return false;
    uint8_t kind = tokenizer->entries[*id].kind;
    return kind == TOKEN_NORMAL || kind == TOKEN_USER || kind == TOKEN_UNUSED;
}

void spm_load(Tokenizer *tokenizer)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        uint32_t id;
        int bytes = snprintf(name, sizeof name, "<0x%02X>", byte);
        bool found = bytemap_find(&tokenizer->index, name, (size_t)bytes, &id);
        tokenizer->byte_token[byte] =
            found && tokenizer->entries[id].kind == TOKEN_BYTE ? id : NO_TOKEN;
    }
    tokenizer->kind = mem_string("SentencePiece");
}

typedef struct Encoding {
    const Tokenizer *tokenizer;
    const char *text;
} Encoding;

/* Orders like the score, highest first, as an unsigned number. NaN comes last. */
static uint32_t priority_of(float score)
{
    uint32_t bits;
    if (!(score == score))
        return UINT32_MAX;
    score = score + 0.0f;                 /* -0 and 0 are equal */
    memcpy(&bits, &score, sizeof bits);
    uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000u;
    return ~ascending;
}

static bool find_pair(const void *context, const MergeSymbol *left, const MergeSymbol *right,
                      uint32_t *result, uint32_t *priority)
{
    const Encoding *work = context;
    if (!find_piece(work->tokenizer, work->text + left->start, left->bytes + right->bytes,
                    result))
        return false;
    *priority = priority_of(work->tokenizer->entries[*result].score);
    return true;
}

static void push_symbol(const Encoding *work, const MergeSymbol *symbol, bool supervised,
                        Tokens *out)
{
    const Tokenizer *tokenizer = work->tokenizer;
    if (symbol->id != NO_TOKEN) {
        tokens_push(out, symbol->id, supervised);
        return;
    }
    bool unknown = false;
    for (uint32_t i = 0; i < symbol->bytes; i++) {
        uint32_t id = tokenizer->byte_token[(unsigned char)work->text[symbol->start + i]];
        if (id != NO_TOKEN)
            tokens_push(out, id, supervised);
        else
            unknown = true;
    }
    if (unknown && tokenizer->unknown != NO_TOKEN)
        tokens_push(out, tokenizer->unknown, supervised);
}

static tmb_status encode_marked(const Tokenizer *tokenizer, const Text *marked, bool supervised,
                                Merger *merger, Tokens *out)
{
    Encoding work = {tokenizer, marked->data};
    merger_begin(merger);
    for (size_t at = 0; at < marked->bytes;) {
        uint32_t id;
        size_t bytes = utf8_character(marked->data + at, marked->bytes - at);
        bytes = bytes ? bytes : 1;
        if (!find_piece(tokenizer, marked->data + at, bytes, &id))
            id = NO_TOKEN;
        TRY(merger_add(merger, (uint32_t)at, (uint32_t)bytes, id));
        at += bytes;
    }
    TRY(merger_run(merger, find_pair, &work));
    for (uint32_t at = 0; at != NO_SYMBOL; at = merger->symbols[at].next)
        push_symbol(&work, &merger->symbols[at], supervised, out);
    return TMB_OK;
}

tmb_status spm_encode(const Tokenizer *tokenizer, const char *text, size_t bytes,
                      bool space_prefix, bool supervised, Tokens *out)
{
    Text marked = {0};
    Merger merger = {0};
    if (!bytes)
        return TMB_OK;
    size_t spaces = space_prefix;
    for (size_t i = 0; i < bytes; i++)
        spaces += text[i] == ' ';
    if (!text_try_reserve(&marked, bytes + 3 * spaces))
        return fail(TMB_OUT_OF_HOST, "no memory to tokenize a text of %zu bytes", bytes);
    if (space_prefix)
        text_append(&marked, space_mark, 3);
    for (size_t at = 0; at < bytes;) {
        const char *space = memchr(text + at, ' ', bytes - at);
        size_t run = space ? (size_t)(space - text) - at : bytes - at;
        text_append(&marked, text + at, run);
        if (space)
            text_append(&marked, space_mark, 3);
        at += run + (space ? 1 : 0);
    }
    tmb_status status = encode_marked(tokenizer, &marked, supervised, &merger, out);
    merger_finish(&merger);
    text_finish(&marked);
    return status;
}
