#ifndef GRAPH_PLAN_H
#define GRAPH_PLAN_H
/* Where every tensor of one graph lies, decided without a device. WORK tensors share
 * an arena: taken from the largest to the smallest, each gets the lowest offset where
 * it overlaps no tensor alive at the same time (greedy by size, as tflite-micro's
 * planner). INPUT and OUTPUT tensors lie one after another in the io area. */

#include "graph/graph.h"

typedef struct PlanSlot {
    uint32_t block;          /* WORK: arena block */
    uint64_t offset, bytes;  /* offset a multiple of 256 */
    uint32_t first, last;    /* WORK: first and last node that touches it */
} PlanSlot;

typedef struct Plan {
    PlanSlot *slots;         /* one per graph->tensors */
    uint32_t count;
    uint64_t *block_bytes;   /* of the WORK arena, each <= the device's block_bytes */
    uint32_t block_count;
    uint64_t input_bytes;    /* inputs come first in the io area, outputs follow */
    uint64_t io_bytes;
} Plan;

/* Plans one graph. caps NULL: the floor (range 128 MiB, blocks of 1 GiB).
 * TMB_OUT_OF_DEVICE when a binding exceeds the device's range. */
TMB_MUST_USE tmb_status plan_create(const Graph *graph, const GpuCaps *caps, Plan **out);
void plan_destroy(Plan **plan);
/* True when two tensors that are alive together share memory (tests). */
bool plan_overlaps(const Graph *graph, const Plan *plan);

/* One graph with its plan: what fit counts and what a Store allocates. */
typedef struct PlannedGraph {
    const Graph *graph;
    const Plan *plan;
} PlannedGraph;

/* Bytes of device memory by lifetime for programs that share everything shareable:
 * equal names once, the largest WORK arena once,
 * inputs and outputs of each. Exactly what store_create allocates. */
typedef struct PlanTotals {
    uint64_t weights, parameters, gradients, moments, cache, work, io, total;
} PlanTotals;
PlanTotals plan_totals(const PlannedGraph *graphs, uint32_t count);

#endif
