#ifndef GRAPH_PROGRAM_H
#define GRAPH_PROGRAM_H
/* A Graph and its Plan compiled for a device: an array of dispatch records. Several
 * Programs (train, optimizer, eval, prefill, decode) share one Store. */

#include "graph/frozen.h"
#include "graph/interp.h"
#include "graph/parameters.h"
#include "graph/plan.h"

/* ---- memory shared by programs ------------------------------------------ */

typedef struct Store Store;

/* Allocates the weights, parameters, gradients, moments and caches that the graphs
 * name (each once), one WORK arena large enough for any of them, and inputs and outputs
 * for each: the bytes of plan_totals. Gradients and moments exist when a graph uses them; all
 * regions start as zero, weights undefined. The Gpu must outlive the Store. */
TMB_MUST_USE tmb_status store_create(Gpu *gpu, const PlannedGraph *graphs, uint32_t count,
                                     Store **out);
void store_destroy(Store **store);

/* Weight or cache tensors in the order they were met; NULL beyond the last. */
const Tensor *store_tensor(const Store *store, uint32_t index);
/* Writes bytes of a WEIGHT or CACHE tensor from byte `offset` on. */
TMB_MUST_USE tmb_status store_write(Store *store, const char *name, uint64_t offset,
                                    const void *data, uint64_t bytes);

/* One tensor of a region (life PARAMETER, GRADIENT, MOMENT1 or MOMENT2), f32
 * [rows, cols] without padding. */
TMB_MUST_USE tmb_status store_set(Store *store, TensorLife life, const Parameter *parameter,
                                  const float *values);
TMB_MUST_USE tmb_status store_get(Store *store, TensorLife life, const Parameter *parameter,
                                  float *values);
/* Clears a region (the gradients before each optimizer step); ordered in the stream,
 * does not wait. */
TMB_MUST_USE tmb_status store_clear(Store *store, TensorLife life);

/* ---- programs ----------------------------------------------------------- */

typedef struct Program Program;

/* Chooses a kernel for every node and creates its pipelines. The graph, plan and
 * store must outlive the program. TMB_UNSUPPORTED names a node that no kernel of this
 * device can run. */
TMB_MUST_USE tmb_status program_create(Gpu *gpu, const PlannedGraph *planned, Store *store,
                                       Program **out);
/* The same, held to the kernels that an earlier program had (graph/frozen.h); NULL: to none. */
TMB_MUST_USE tmb_status program_create_frozen(Gpu *gpu, const PlannedGraph *planned, Store *store,
                                              const FrozenKernels *frozen, Program **out);
void program_destroy(Program **program);

/* Sets an INPUT tensor's first `bytes` bytes on the host; the next program_run
 * uploads all inputs at once. TMB_USAGE when there is no such input or it is smaller. */
TMB_MUST_USE tmb_status program_write(Program *program, const char *name, const void *data,
                                      uint64_t bytes);
/* Appends all dispatches to the device's stream; does not wait for them. */
TMB_MUST_USE tmb_status program_run(Program *program, const Values *values);
/* Waits, then reads the first `bytes` bytes of an OUTPUT tensor of this program's
 * last run. */
TMB_MUST_USE tmb_status program_read(Program *program, const char *name, void *data,
                                     uint64_t bytes);

/* Runs node by node and compares every output with the interpreter, which holds the same
 * inputs, weights and parameters (tests, doctor; slow). Each node is given what the interpreter
 * has, so differences do not add up. The first node whose relative difference
 * exceeds `limit` is named in `report` (capacity bytes), else report is "". */
TMB_MUST_USE tmb_status program_compare(Program *program, Interp *interp, const Values *values,
                                        double limit, char *report, size_t capacity);

/* Floating-point operations of one run with these values. */
double program_flops(const Program *program, const Values *values);
/* Dispatch records, and the kernel and tuning of record `index` as a line of FrozenKernels (for
 * RUN/config.json); "" for a fill. */
uint32_t program_count(const Program *program);
void program_kernel(const Program *program, uint32_t index, char *line, size_t capacity);

#endif
