#ifndef DATA_TOKENIZER_H
#define DATA_TOKENIZER_H
/* Text to token ids and back, as the model's own GGUF metadata describes it:
 * byte-level BPE (tokenizer.ggml.model "gpt2") with its pre-tokenizer pattern, and
 * SentencePiece BPE with byte fallback ("llama"). A loaded Tokenizer never changes and
 * may be used by several threads. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/status.h"
#include "data/gguf.h"

typedef struct Tokenizer Tokenizer;

#define NO_TOKEN UINT32_MAX

/* A sequence of tokens; supervised[i] is 1 where the model shall learn to say ids[i]. */
typedef struct Tokens {
    uint32_t *ids;
    uint8_t *supervised;
    size_t count, capacity;
    bool exhausted;          /* memory ran out, and tokens are missing at the end */
} Tokens;

/* Sets `exhausted` when there is no memory, which encoding turns into TMB_OUT_OF_HOST. */
void tokens_push(Tokens *tokens, uint32_t id, bool supervised);
void tokens_finish(Tokens *tokens);   /* releases the memory; may be used again */

/* A stretch of text. Control tokens ("<|im_end|>") are recognised only where `special`
 * is set: never set it for text that a user wrote. */
typedef struct TextRun {
    const char *text;
    size_t bytes;
    bool special;
    bool supervised;
} TextRun;

/* TMB_UNSUPPORTED names a tokenizer model or pre-tokenizer we do not know; TMB_BAD_INPUT
 * for metadata that is missing or does not fit together. Keeps nothing of the Gguf. */
TMB_MUST_USE tmb_status tokenizer_load(const Gguf *gguf, Tokenizer **out);
void tokenizer_destroy(Tokenizer **tokenizer);

/* Appends the tokens of the runs, read as one text: neighbouring runs may share a token,
 * except where `supervised` changes. No BOS or EOS is added. Any bytes are accepted; a
 * text of 1 GiB or more is refused. */
TMB_MUST_USE tmb_status tokenizer_encode_runs(const Tokenizer *tokenizer, const TextRun *runs,
                                              size_t count, Tokens *out);
/* One run, unsupervised. */
TMB_MUST_USE tmb_status tokenizer_encode(const Tokenizer *tokenizer, const char *text,
                                         size_t bytes, bool special, Tokens *out);

/* Appends the bytes of a token: a single token may be part of a UTF-8 character. Control
 * tokens give their name when `special`, else nothing. An id out of range gives nothing. */
void tokenizer_piece(const Tokenizer *tokenizer, uint32_t id, bool special, Text *out);
/* Appends the text of the tokens; for a SentencePiece text that begins with the space
 * which encoding puts there, without it. */
void tokenizer_decode(const Tokenizer *tokenizer, const uint32_t *ids, size_t count,
                      bool special, Text *out);

/* Text as it is generated: characters come out whole, never in parts. Zero to begin. */
typedef struct TokenStream {
    Text pending;
} TokenStream;
/* Appends to `out` what the next token completes. */
void token_stream_push(TokenStream *stream, const Tokenizer *tokenizer, uint32_t id,
                       bool special, Text *out);
/* Appends what is left, complete or not, and releases the memory. */
void token_stream_finish(TokenStream *stream, Text *out);

uint32_t tokenizer_count(const Tokenizer *tokenizer);             /* tokens in the vocabulary */
const char *tokenizer_kind(const Tokenizer *tokenizer);           /* "BPE llama-bpe", "SentencePiece" */
uint32_t tokenizer_bos(const Tokenizer *tokenizer);               /* NO_TOKEN: none */
uint32_t tokenizer_eos(const Tokenizer *tokenizer);
uint32_t tokenizer_eot(const Tokenizer *tokenizer);               /* end of turn, from the metadata */
bool tokenizer_adds_bos(const Tokenizer *tokenizer);              /* a text shall begin with BOS */
/* A control or user-defined token by its exact name, NO_TOKEN when there is none. */
uint32_t tokenizer_special(const Tokenizer *tokenizer, const char *name);
/* The token's entry in the vocabulary, as it is in the file; NULL out of range. */
const char *tokenizer_entry(const Tokenizer *tokenizer, uint32_t id);

#endif
