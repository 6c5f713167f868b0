#ifndef DATA_VOCABULARY_H
#define DATA_VOCABULARY_H
/* Inside of the tokenizer: shared by tokenizer.c, special.c, bpe.c, spm.c, decode.c. */

#include "data/bytemap.h"
#include "data/pretokenize.h"
#include "data/tokenizer.h"

typedef enum TokenKind {      /* as numbered in tokenizer.ggml.token_type */
    TOKEN_NORMAL = 1, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER, TOKEN_UNUSED, TOKEN_BYTE
} TokenKind;

typedef struct VocabularyEntry {
    const char *text;         /* NUL-terminated; as in the file */
    uint32_t bytes;
    float score;              /* SentencePiece: higher merges first */
    uint8_t kind;             /* TokenKind */
    bool strip_right;         /* swallows the white space after it */
} VocabularyEntry;

/* Merges of byte-level BPE: a pair of string numbers to rank and result. */
typedef struct MergeRule {
    uint64_t pair;            /* left << 32 | right; UINT64_MAX: free */
    uint32_t rank, result;
} MergeRule;

typedef struct MergeRules {
    MergeRule *slots;
    size_t capacity;          /* a power of two */
} MergeRules;

struct Tokenizer {
    VocabularyEntry *entries;
    uint32_t count;
    char *text;               /* the block behind entries[].text */
    ByteMap index;            /* text to id; of equal texts the last */
    uint32_t *specials;       /* ids of control, unknown and user tokens, longest first */
    size_t special_count;
    uint32_t bos, eos, eot, unknown;
    bool add_bos, add_space_prefix;
    bool sentencepiece;
    char *kind;

    /* byte-level BPE */
    Pretokenizer *pretokenizer;
    MergeRules rules;
    uint32_t byte_string[256];/* number of the one-byte string, NO_TOKEN when not there */
    Arena merge_strings;      /* merge results that are no tokens: numbers from count on */

    /* SentencePiece */
    uint32_t byte_token[256]; /* <0x00>… , NO_TOKEN when not there */
};

/* Loads the merges (tokenizer.ggml.merges) and the pre-tokenizer. */
TMB_MUST_USE tmb_status bpe_load(Tokenizer *tokenizer, const Gguf *gguf);
void bpe_unload(Tokenizer *tokenizer);
void spm_load(Tokenizer *tokenizer);

/* Append the tokens of a fragment without special tokens. */
TMB_MUST_USE tmb_status bpe_encode(const Tokenizer *tokenizer, const char *text, size_t bytes,
                                   bool supervised, Tokens *out);
TMB_MUST_USE tmb_status spm_encode(const Tokenizer *tokenizer, const char *text, size_t bytes,
                                   bool space_prefix, bool supervised, Tokens *out);

/* The characters that stand for bytes in byte-level vocabularies (GPT-2). */
uint32_t byte_to_character(unsigned char byte);
int character_to_byte(uint32_t code);          /* -1: stands for none */

/* A piece of the text: a special token, or text when token is NO_TOKEN. */
typedef struct Fragment {
    size_t begin, end;
    uint32_t token;
    bool supervised;
} Fragment;
typedef struct FragmentList {
    Fragment *items;
    size_t count, capacity;
    bool exhausted;           /* memory ran out */
} FragmentList;
/* Splits the runs' joined text at special tokens and at changes of `supervised`. The
 * list's items are malloc'd, whatever is returned. */
TMB_MUST_USE tmb_status split_specials(const Tokenizer *tokenizer, const char *text,
                                       const TextRun *runs, size_t run_count, FragmentList *out);

#endif
