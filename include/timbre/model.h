#ifndef TIMBRE_MODEL_H
#define TIMBRE_MODEL_H
/* A base model: a GGUF file, its tokenizer and its chat template. Host side only;
 * nothing is put on a device until something trains, evaluates or generates. */

#include <stddef.h>
#include <stdint.h>

#include "timbre/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_model tmb_model;

/* Opens and checks a GGUF v2/v3 file: every tensor, its shape and its type.
 * TMB_BAD_INPUT or TMB_UNSUPPORTED name the file and what is wrong. */
TMB_MUST_USE tmb_status tmb_model_open(const char *path, tmb_model **out);
void tmb_model_close(tmb_model **model);

typedef struct tmb_model_info {
    const char *path, *name, *architecture;
    const char *tokenizer;       /* "bpe (smollm)", "spm" */
    const char *chat_template;   /* "chatml", "llama3", "mistral", or why there is none */
    uint32_t layers, hidden, heads, kv_heads, head_dim, ffn, vocab, context;
    uint64_t parameters;         /* values in all tensors */
    uint64_t bytes;              /* of all tensors as stored */
    int tied_head;               /* the output head shares the embedding */
    char sha256[65];             /* of the file, hex */
} tmb_model_info;
/* Strings are owned by the model. sha256 reads the whole file once. */
TMB_MUST_USE tmb_status tmb_model_describe(tmb_model *model, tmb_model_info *out);

/* One line per tensor and metadata key, for people. free() the text. */
TMB_MUST_USE tmb_status tmb_model_inspect(tmb_model *model, int json, char **text);

/* Token ids of UTF-8 text. special: non-zero parses special tokens written in the
 * text. free() the ids. */
TMB_MUST_USE tmb_status tmb_model_tokenize(tmb_model *model, const char *text, size_t bytes,
                                           int special, uint32_t **ids, size_t *count);
/* UTF-8 of ids; special tokens are written out. free() the text. */
TMB_MUST_USE tmb_status tmb_model_detokenize(tmb_model *model, const uint32_t *ids,
                                             size_t count, char **text, size_t *bytes);

#ifdef __cplusplus
}
#endif
#endif
