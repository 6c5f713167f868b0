#ifndef GRAPH_INTERP_H
#define GRAPH_INTERP_H
/* Runs any graph through the kernels' references, in double, without a device. Every
 * tensor is an array of doubles: one per value, or per 32-bit word for quantised types. */

#include "graph/graph.h"

typedef struct Interp Interp;

/* All tensors start as zero. TMB_OUT_OF_HOST when they do not fit. */
TMB_MUST_USE tmb_status interp_create(const Graph *graph, Interp **out);
void interp_destroy(Interp **interp);
/* The doubles behind a tensor of the graph; never NULL. */
double *interp_data(Interp *interp, const Tensor *tensor);
/* Loads a tensor from bytes as they lie on a device or in a GGUF file. */
void interp_load(Interp *interp, const Tensor *tensor, const void *bytes);
/* Runs nodes [0, count); all of them when count is 0. TMB_UNSUPPORTED names a kernel
 * family without a reference. */
TMB_MUST_USE tmb_status interp_run(Interp *interp, const Values *values, uint32_t count);
/* Runs one node. */
TMB_MUST_USE tmb_status interp_run_node(Interp *interp, uint32_t index, const Values *values);

#endif
