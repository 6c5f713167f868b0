#ifndef GRAPH_PARAMETERS_H
#define GRAPH_PARAMETERS_H
/* Where trained tensors lie. Parameters, gradients and both moments are four
 * regions with one common layout: tensors in order, each aligned to 64 values, cut
 * into chunks that fit one binding. AdamW and the gradient norm run over chunks. */

#include "graph/graph.h"

typedef struct Parameter {
    const char *name;
    uint64_t rows, cols;
    uint32_t chunk;
    uint64_t offset;         /* first value inside the chunk, multiple of 64 */
} Parameter;

typedef struct Parameters {
    Arena arena;
    Parameter *items;
    uint32_t count, capacity;
    uint64_t *chunk_values;  /* values in each chunk, multiple of 64 */
    uint32_t *chunk_first;   /* first item of each chunk */
    uint32_t chunk_count;
    uint64_t range;          /* bytes of the largest chunk */
} Parameters;

/* range: caps.storage_range, or 0 for 128 MiB. */
void parameters_init(Parameters *set, uint64_t range);
void parameters_finish(Parameters *set);
/* Appends one f32 tensor; TMB_OUT_OF_DEVICE when it alone exceeds the range. */
TMB_MUST_USE tmb_status parameters_add(Parameters *set, const char *name, uint64_t rows,
                                       uint64_t cols);
/* NULL when there is none of this name. */
const Parameter *parameters_find(const Parameters *set, const char *name);
/* All values with padding: the length of each of the four regions. */
uint64_t parameters_values(const Parameters *set);

/* The tensor of this name in a graph, created at its first use. */
Tensor *parameters_tensor(const Parameters *set, Graph *graph, const char *name);

typedef struct AdamwParams {
    float beta1, beta2, eps; /* 0: 0.9, 0.999, 1e-8 */
} AdamwParams;

/* The optimizer step as a graph of its own: gradient norm per tensor, clipping
 * factor, AdamW over every chunk. Values: LEARNING_RATE, WEIGHT_DECAY,
 * CORRECTION1, CORRECTION2, MAX_NORM. Inputs: "norm_table" U32 (its contents come
 * from optimizer_table). Outputs: "norm_squares" f32, sums of squares of every
 * parameter's gradient from optimizer_slot() on, and "control" f32[4] = {norm, clipping
 * factor, finite, 0}. A gradient that is not finite leaves the state untouched. */
Graph *optimizer_build(const Parameters *set, const AdamwParams *params);
/* Slots of "norm_squares"; the table (2 words a slot) to write into "norm_table". */
uint32_t optimizer_slots(const Parameters *set);
void optimizer_table(const Parameters *set, uint32_t *table);
/* The first slot of parameter `index`, and how many it has. */
uint32_t optimizer_slot(const Parameters *set, uint32_t index);
uint32_t optimizer_slot_count(const Parameters *set, uint32_t index);

#endif
