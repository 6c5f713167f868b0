#ifndef DATA_PRETOKENIZE_H
#define DATA_PRETOKENIZE_H
/* Cuts text into the pieces that byte-level BPE never merges across, by the regular
 * expressions that belong to a pre-tokenizer name (tokenizer.ggml.pre). */

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct Pretokenizer Pretokenizer;

/* TMB_UNSUPPORTED names a pre-tokenizer that is not in the table. */
TMB_MUST_USE tmb_status pretokenizer_create(const char *name, Pretokenizer **out);
void pretokenizer_destroy(Pretokenizer **pretokenizer);

/* True when a piece that is itself a token is taken whole, whatever the merges say. */
bool pretokenizer_whole_words(const Pretokenizer *pretokenizer);
/* True when texts begin with BOS unless the metadata says otherwise. */
bool pretokenizer_adds_bos(const Pretokenizer *pretokenizer);

typedef tmb_status PieceVisit(void *context, const char *piece, size_t bytes);
/* Calls visit for every piece in order; together they are the text. Bytes that are no
 * UTF-8 come as pieces of their own. */
TMB_MUST_USE tmb_status pretokenize(const Pretokenizer *pretokenizer, const char *text,
                                    size_t bytes, PieceVisit *visit, void *context);

#endif
