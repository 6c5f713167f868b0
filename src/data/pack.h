#ifndef DATA_PACK_H
#define DATA_PACK_H
/* The examples of one optimizer step, or of an evaluation, packed into rows of at most
 * `row_tokens` tokens. Several examples share a row as segments: attention stays inside
 * a segment and positions restart, so packing changes rounding only.
 *
 * Token i of a segment predicts token i + 1; it carries a label when token i + 1 is
 * supervised. What follows the last supervised token is not computed, nor is that token
 * itself, as nothing is predicted from it. */

#include "base/mem.h"
#include "data/tokenizer.h"

/* One row, as the model's graphs read it. */
typedef struct BatchRow {
    uint32_t rows;               /* tokens in use, <= row_tokens */
    uint32_t *tokens;            /* [rows] */
    uint32_t *positions;         /* [rows] from 0 in each segment */
    uint32_t *span;              /* [rows, 2]: first row of the segment, own row + 1 */
    uint32_t *last;              /* [rows]: one past the last row of the segment */
    uint32_t labels;             /* rows that carry a label */
    uint32_t *label_rows;        /* [labels] rising */
    uint32_t *label_ids;         /* [labels] the token to predict */
    float *label_weights;        /* [labels] of the example */
    uint32_t *label_groups;      /* [labels] index of the example */
} BatchRow;

typedef struct Batch {
    Arena arena;
    BatchRow *rows;
    uint32_t count;
    uint64_t tokens;             /* in use in all rows */
    uint64_t supervised;         /* labels in all rows */
    double weight;               /* sum of their weights: what a mean loss is divided by */
    uint32_t truncated;          /* examples of which supervised tokens were cut off */
} Batch;

/* Packs `count` examples, longest first into the first row with room. One longer than a row
 * loses its end. An example without supervised tokens takes no room. weights: of each
 * example, NULL for 1; one of weight 2 counts like two of it. */
void batch_pack(Batch *batch, const Tokens *const *examples, const double *weights,
                uint32_t count, uint32_t row_tokens);
void batch_finish(Batch *batch);

#endif
