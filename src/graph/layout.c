#include "graph/layout.h"

#include <stdlib.h>
#include <string.h>

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

/* bytes[index] = max(bytes[index], bytes), growing the list with zeros. */
static void size_raise(Sizes *sizes, uint32_t index, uint64_t bytes)
{
    for (; sizes->count <= index; sizes->count++) {
        sizes->bytes = mem_grow(sizes->bytes, sizes->count + 1, sizeof *sizes->bytes);
        sizes->bytes[sizes->count] = 0;
    }
    if (bytes > sizes->bytes[index])
        sizes->bytes[index] = bytes;
}

const SharedTensor *layout_find(const Layout *layout, const char *name)
{
    for (uint32_t i = 0; i < layout->shared_count; i++)
        if (!strcmp(layout->shared[i].tensor->name, name))
            return &layout->shared[i];
    return NULL;
}

static SharedTensor *find(Layout *layout, const char *name)
{
    return (SharedTensor *)layout_find(layout, name);
}

static void add_shared(Layout *layout, const Tensor *tensor)
{
    uint64_t bytes = aligned(tensor_bytes(tensor));
    SharedTensor *known = find(layout, tensor->name);
    if (tensor->stretch)
        return;   /* of weights that are met themselves */
    if (known) {
        if (bytes > known->bytes) {
            known->bytes = bytes;
            known->tensor = tensor;
        }
        return;
    }
    if (layout->shared_count == layout->shared_capacity) {
        layout->shared_capacity = layout->shared_capacity ? 2 * layout->shared_capacity : 64;
        layout->shared = mem_grow(layout->shared, layout->shared_capacity,
                                  sizeof *layout->shared);
    }
    layout->shared[layout->shared_count++] = (SharedTensor){.tensor = tensor, .bytes = bytes};
}

static void add_graph(Layout *layout, const PlannedGraph *planned, uint32_t index)
{
    for (uint32_t i = 0; i < planned->graph->tensor_count; i++) {
        const Tensor *tensor = planned->graph->tensors[i];
        switch (tensor->life) {
        case LIFE_WEIGHT:
        case LIFE_CACHE:
            add_shared(layout, tensor);
            break;
        case LIFE_PARAMETER:
        case LIFE_GRADIENT:
        case LIFE_MOMENT1:
        case LIFE_MOMENT2:
            size_raise(&layout->blocks[tensor->life], tensor->chunk,
                       aligned(tensor->offset * 4 + tensor_bytes(tensor)));
            break;
        default:
            break;
        }
    }
    for (uint32_t b = 0; b < planned->plan->block_count; b++)
        size_raise(&layout->blocks[LIFE_WORK], b, planned->plan->block_bytes[b]);
    size_raise(&layout->blocks[LIFE_INPUT], index, planned->plan->io_bytes);
}

/* A tensor and those chained to it, one after another in one block. */
static tmb_status pack_chain(Layout *layout, const Tensor *head, uint64_t block_limit)
{
    Sizes *blocks = &layout->blocks[head->life];
    uint64_t bytes = 0;
    for (const Tensor *tensor = head; tensor; tensor = tensor->next)
        bytes += find(layout, tensor->name)->bytes;
    if (bytes > block_limit)
        return fail(TMB_OUT_OF_DEVICE,
                    "%s has %.1f MiB, this device allocates at most %.1f MiB in one piece; "
                    "use a more strongly quantised model",
                    head->name, (double)bytes / (1 << 20), (double)block_limit / (1 << 20));
    uint32_t block = blocks->count ? blocks->count - 1 : 0;
    if (blocks->count && blocks->bytes[block] + bytes > block_limit)
        block++;
    size_raise(blocks, block, 0);
    for (const Tensor *tensor = head; tensor; tensor = tensor->next) {
        SharedTensor *shared = find(layout, tensor->name);
        shared->block = block;
        shared->offset = blocks->bytes[block];
        blocks->bytes[block] += shared->bytes;
    }
    return TMB_OK;
}

/* Weights and caches fill blocks one after another. */
static tmb_status pack_shared(Layout *layout, uint64_t block_limit)
{
    for (uint32_t i = 0; i < layout->shared_count; i++)
        if (!layout->shared[i].tensor->follows)
            TRY(pack_chain(layout, layout->shared[i].tensor, block_limit));
    return TMB_OK;
}

tmb_status layout_create(const PlannedGraph *graphs, uint32_t count, uint64_t block_limit,
                         Layout **out)
{
    Layout *layout = MEM_NEW(Layout);
    for (uint32_t g = 0; g < count; g++)
        add_graph(layout, &graphs[g], g);
    tmb_status status = pack_shared(layout, block_limit);
    if (status != TMB_OK)
        layout_destroy(&layout);
    *out = layout;
    return status;
}

void layout_destroy(Layout **layout)
{
    if (!*layout)
        return;
    for (uint32_t life = 0; life < LIFE_COUNT; life++)
        free((*layout)->blocks[life].bytes);
    free((*layout)->shared);
    free(*layout);
    *layout = NULL;
}

uint64_t layout_bytes(const Layout *layout, TensorLife life)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < layout->blocks[life].count; i++)
        total += layout->blocks[life].bytes[i];
    return total;
}

PlanTotals plan_totals(const PlannedGraph *graphs, uint32_t count)
{
    Layout *layout = NULL;
    PlanTotals totals = {0};
    if (layout_create(graphs, count, UINT64_MAX, &layout) != TMB_OK)
        return totals;   /* cannot fail without a limit */
    totals = (PlanTotals){
        .weights = layout_bytes(layout, LIFE_WEIGHT),
        .parameters = layout_bytes(layout, LIFE_PARAMETER),
        .gradients = layout_bytes(layout, LIFE_GRADIENT),
        .moments = layout_bytes(layout, LIFE_MOMENT1) + layout_bytes(layout, LIFE_MOMENT2),
        .cache = layout_bytes(layout, LIFE_CACHE),
        .work = layout_bytes(layout, LIFE_WORK),
        .io = layout_bytes(layout, LIFE_INPUT),
    };
    for (uint32_t life = 0; life < LIFE_COUNT; life++)
        totals.total += layout_bytes(layout, (TensorLife)life);
    layout_destroy(&layout);
    return totals;
}
