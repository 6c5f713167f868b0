#ifndef GRAPH_LAYOUT_H
#define GRAPH_LAYOUT_H
/* What several planned graphs need of a device together, decided without one: the list
 * from which plan_totals counts and a Store allocates, so that both always agree. */

#include "graph/plan.h"

/* A weight or cache that graphs share by name, sized for the largest of them. */
typedef struct SharedTensor {
    const Tensor *tensor;
    uint64_t bytes;          /* rounded up to 256 */
    uint32_t block;          /* of blocks[] of its life */
    uint64_t offset;
} SharedTensor;

typedef struct Sizes {
    uint64_t *bytes;
    uint32_t count;
} Sizes;

typedef struct Layout {
    SharedTensor *shared;
    uint32_t shared_count, shared_capacity;
    /* Allocations by life. WEIGHT, CACHE, WORK: blocks; PARAMETER, GRADIENT, MOMENT1 and
     * MOMENT2: one for each chunk; INPUT: one a graph for its inputs and outputs; OUTPUT:
     * none. */
    Sizes blocks[LIFE_COUNT];
} Layout;

/* TMB_OUT_OF_DEVICE when one tensor exceeds block_limit bytes. */
TMB_MUST_USE tmb_status layout_create(const PlannedGraph *graphs, uint32_t count,
                                      uint64_t block_limit, Layout **out);
void layout_destroy(Layout **layout);
/* NULL when no graph has this weight or cache. */
const SharedTensor *layout_find(const Layout *layout, const char *name);
uint64_t layout_bytes(const Layout *layout, TensorLife life);

#endif
