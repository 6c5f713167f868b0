#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

enum { PLAN_ALIGN = 256 };   /* the largest buffer offset alignment Vulkan allows */

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
}

/* ---- lifetimes ---------------------------------------------------------- */

static void find_lifetimes(const Graph *graph, Plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        plan->slots[i].first = UINT32_MAX;
        plan->slots[i].bytes = aligned(tensor_bytes(graph->tensors[i]));
    }
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const Node *node = &graph->nodes[n];
        for (uint32_t b = 0; b < node->bind_count; b++) {
            const Tensor *tensor = node->bind[b].tensor;
            PlanSlot *slot = &plan->slots[(tensor->whole ? tensor->whole : tensor)->index];
            if (slot->first == UINT32_MAX)
                slot->first = n;
            slot->last = n;
        }
    }
}

static tmb_status check_ranges(const Graph *graph, uint64_t range)
{
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const Node *node = &graph->nodes[n];
        for (uint32_t b = 0; b < node->bind_count; b++) {
            uint64_t bytes = dtype_bytes(node->bind[b].tensor->dtype, node->bind[b].count);
            if (bytes > range)
                return fail(TMB_OUT_OF_DEVICE,
                            "%s needs %.1f MiB of %s in one piece, this device binds at most "
                            "%.1f MiB; try fewer --row-tokens",
                            node->label, (double)bytes / (1 << 20),
                            node->bind[b].tensor->name, (double)range / (1 << 20));
        }
    }
    return TMB_OK;
}

/* ---- the arena ---------------------------------------------------------- */

typedef struct Item {
    uint32_t index;
    uint64_t bytes;
    uint32_t first;
} Item;

/* Largest first; equal sizes in the order of use, so that the result is stable. */
static int by_size(const void *left, const void *right)
{
    const Item *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

typedef struct Placed {
    uint32_t *order;         /* indices of placed tensors of one block, by offset */
    uint32_t count, capacity;
} Placed;

static bool alive_together(const PlanSlot *a, const PlanSlot *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Lowest offset in this block where slot overlaps no placed tensor alive with it. */
static uint64_t lowest_gap(const Plan *plan, const Placed *placed, const PlanSlot *slot)
{
    uint64_t offset = 0;
    for (uint32_t i = 0; i < placed->count; i++) {
        const PlanSlot *other = &plan->slots[placed->order[i]];
        if (!alive_together(slot, other))
            continue;
        if (other->offset >= offset + slot->bytes)
            break;
        if (other->offset + other->bytes > offset)
            offset = other->offset + other->bytes;
    }
    return offset;
}

static void insert(const Plan *plan, Placed *placed, uint32_t index)
{
    if (placed->count == placed->capacity) {
        placed->capacity = placed->capacity ? 2 * placed->capacity : 64;
        placed->order = mem_grow(placed->order, placed->capacity, sizeof *placed->order);
    }
    uint32_t at = placed->count++;
    for (; at > 0 && plan->slots[placed->order[at - 1]].offset > plan->slots[index].offset; at--)
        placed->order[at] = placed->order[at - 1];
    placed->order[at] = index;
}

static void place(Plan *plan, Placed **blocks, uint64_t block_limit, uint32_t index)
{
    PlanSlot *slot = &plan->slots[index];
    uint32_t block = 0;
    for (; block < plan->block_count; block++) {
        slot->offset = lowest_gap(plan, &(*blocks)[block], slot);
        if (slot->offset + slot->bytes <= block_limit)
            break;
    }
    if (block == plan->block_count) {
        slot->offset = 0;
        plan->block_count++;
        *blocks = mem_grow(*blocks, plan->block_count, sizeof **blocks);
        (*blocks)[block] = (Placed){0};
        plan->block_bytes = mem_grow(plan->block_bytes, plan->block_count, sizeof(uint64_t));
        plan->block_bytes[block] = 0;
    }
    slot->block = block;
    insert(plan, &(*blocks)[block], index);
    if (slot->offset + slot->bytes > plan->block_bytes[block])
        plan->block_bytes[block] = slot->offset + slot->bytes;
}

static void place_work(const Graph *graph, Plan *plan, uint64_t block_limit)
{
    Item *items = MEM_NEW_ARRAY(Item, plan->count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->count; i++)
        if (graph->tensors[i]->life == LIFE_WORK && plan->slots[i].first != UINT32_MAX)
            items[count++] = (Item){i, plan->slots[i].bytes, plan->slots[i].first};
    qsort(items, count, sizeof *items, by_size);
    Placed *blocks = NULL;
    for (uint32_t i = 0; i < count; i++)
        place(plan, &blocks, block_limit, items[i].index);
    for (uint32_t i = 0; i < plan->count; i++) {
        const Tensor *tensor = graph->tensors[i];
        if (!tensor->whole)
            continue;
        plan->slots[i].block = plan->slots[tensor->whole->index].block;
        plan->slots[i].offset = plan->slots[tensor->whole->index].offset + tensor->offset * 4;
    }
    for (uint32_t b = 0; b < plan->block_count; b++)
        free(blocks[b].order);
    free(blocks);
    free(items);
}

static void place_io(const Graph *graph, Plan *plan)
{
    const TensorLife lives[] = {LIFE_INPUT, LIFE_OUTPUT};
    for (uint32_t l = 0; l < COUNT_OF(lives); l++) {
        for (uint32_t i = 0; i < plan->count; i++)
            if (graph->tensors[i]->life == lives[l]) {
                plan->slots[i].offset = plan->io_bytes;
                plan->io_bytes += plan->slots[i].bytes;
            }
        if (lives[l] == LIFE_INPUT)
            plan->input_bytes = plan->io_bytes;
    }
}

tmb_status plan_create(const Graph *graph, const GpuCaps *caps, Plan **out)
{
    uint64_t range = caps ? caps->storage_range : 128u << 20;
    TRY(check_ranges(graph, range));
    Plan *plan = MEM_NEW(Plan);
    plan->count = graph->tensor_count;
    plan->slots = MEM_NEW_ARRAY(PlanSlot, plan->count + 1);
    find_lifetimes(graph, plan);
    place_work(graph, plan, caps ? caps->block_bytes : 1u << 30);
    place_io(graph, plan);
    *out = plan;
    return TMB_OK;
}

void plan_destroy(Plan **plan)
{
    if (!*plan)
        return;
    free((*plan)->slots);
    free((*plan)->block_bytes);
    free(*plan);
    *plan = NULL;
}

bool plan_overlaps(const Graph *graph, const Plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++)
        for (uint32_t j = i + 1; j < plan->count; j++) {
            const PlanSlot *a = &plan->slots[i], *b = &plan->slots[j];
            if (graph->tensors[i]->life != LIFE_WORK || graph->tensors[j]->life != LIFE_WORK ||
                a->first == UINT32_MAX || b->first == UINT32_MAX || a->block != b->block)
                continue;
            if (alive_together(a, b) && a->offset < b->offset + b->bytes &&
                b->offset < a->offset + a->bytes)
                return true;
        }
    return false;
}
