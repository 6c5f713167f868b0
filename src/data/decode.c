/* Tokens back to text. */
#include <string.h>

#include "base/utf8.h"
#include "data/vocabulary.h"

static void bpe_piece(const VocabularyEntry *entry, Text *out)
{
    for (size_t at = 0; at < entry->bytes;) {
        size_t length = utf8_character(entry->text + at, entry->bytes - at);
        int byte = length ? character_to_byte(utf8_decode(entry->text + at, length)) : -1;
        char single = (char)byte;
        length = length ? length : 1;
        if (byte >= 0)
            text_append(out, &single, 1);
        else                     /* an added token in plain text */
            text_append(out, entry->text + at, length);
        at += length;
    }
}

static void spm_piece(const VocabularyEntry *entry, Text *out)
{
    for (size_t at = 0; at < entry->bytes;) {
        bool space = entry->bytes - at >= 3 && memcmp(entry->text + at, "\xe2\x96\x81", 3) == 0;
        text_append(out, space ? " " : entry->text + at, 1);
        at += space ? 3 : 1;
    }
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

static void byte_piece(const VocabularyEntry *entry, Text *out)
{
    if (entry->bytes != 6 || memcmp(entry->text, "<0x", 3) != 0)
        return;
    int high = hex_digit(entry->text[3]), low = hex_digit(entry->text[4]);
    char byte = (char)(high * 16 + low);
    if (high >= 0 && low >= 0)
        text_append(out, &byte, 1);
}

void tokenizer_piece(const Tokenizer *tokenizer, uint32_t id, bool special, Text *out)
{
    if (id >= tokenizer->count)
        return;
    const VocabularyEntry *entry = &tokenizer->entries[id];
    if (entry->kind == TOKEN_CONTROL || entry->kind == TOKEN_UNKNOWN) {
        if (special)
            text_append(out, entry->text, entry->bytes);
    } else if (entry->kind == TOKEN_BYTE) {
        byte_piece(entry, out);
    } else if (entry->kind == TOKEN_USER) {
        text_append(out, entry->text, entry->bytes);
    } else if (tokenizer->sentencepiece) {
        spm_piece(entry, out);
    } else {
        bpe_piece(entry, out);
    }
}

void tokenizer_decode(const Tokenizer *tokenizer, const uint32_t *ids, size_t count,
                      bool special, Text *out)
{
    size_t start = out->bytes;
    for (size_t i = 0; i < count; i++)
        tokenizer_piece(tokenizer, ids[i], special, out);
    if (tokenizer->sentencepiece && tokenizer->add_space_prefix && out->bytes > start &&
        out->data[start] == ' ') {
        memmove(out->data + start, out->data + start + 1, out->bytes - start);
        out->bytes--;
    }
}

void token_stream_push(TokenStream *stream, const Tokenizer *tokenizer, uint32_t id,
                       bool special, Text *out)
{
    Text *pending = &stream->pending;
    tokenizer_piece(tokenizer, id, special, pending);
    if (!pending->bytes)
        return;
    size_t kept = utf8_unfinished(pending->data, pending->bytes);
    size_t whole = pending->bytes - kept;
    text_append(out, pending->data, whole);
    memmove(pending->data, pending->data + whole, kept);
    pending->bytes = kept;
}

void token_stream_finish(TokenStream *stream, Text *out)
{
    text_append(out, stream->pending.data, stream->pending.bytes);
    text_finish(&stream->pending);
}
