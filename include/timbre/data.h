#ifndef TIMBRE_DATA_H
#define TIMBRE_DATA_H
/* Looking at training data the way training will see it. */

#include <stddef.h>
#include <stdint.h>

#include "timbre/model.h"
#include "timbre/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_data_report {
    uint64_t examples, tokens, supervised;   /* supervised: tokens that carry a loss */
    uint64_t longest;                        /* tokens of the longest example */
    uint64_t truncated;                      /* examples longer than row_tokens */
    uint64_t empty_replies, duplicates;
} tmb_data_report;

/* Reads every line of a JSONL file of examples, reports all bad lines at once
 * (TMB_BAD_INPUT, file, line, reason), counts what training would see. row_tokens 0: as in training. */
TMB_MUST_USE tmb_status tmb_data_check(tmb_model *model, const char *path,
                                       uint32_t row_tokens, tmb_data_report *out);

/* Up to `limit` examples (0: all) as text with the supervised spans marked; colour:
 * non-zero uses terminal colours, otherwise [[…]]. free() the text. */
TMB_MUST_USE tmb_status tmb_data_show(tmb_model *model, const char *path, size_t limit,
                                      int colour, char **text);

/* The same as JSON, one example a line: {"file", "line", "weight", "supervised": how many,
 * "tokens": [{"id", "text", "supervised": true or false}, …]}. Where a character is made of several
 * tokens, the last one has its text: joined, the texts are the example. */
TMB_MUST_USE tmb_status tmb_data_show_json(tmb_model *model, const char *path, size_t limit, char **text);

#ifdef __cplusplus
}
#endif
#endif
