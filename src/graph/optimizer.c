/* The optimizer step: gradient norms per tensor, one clipping factor, AdamW
 * (Loshchilov and Hutter, 2017) over each chunk of the trained regions. */
#include <assert.h>

#include "adamw.push.h"
#include "grad_clip.push.h"
#include "grad_norm.push.h"
#include "graph/ops.h"
#include "graph/parameters.h"

/* Slots of a chunk are padded to a legal buffer offset; padding counts no values. A slot is one
 * workgroup's sum: large tensors have several, or one would read a whole embedding alone. */
enum { SLOT_ALIGN = 64, SLOT_VALUES = 1 << 17 };

static uint64_t values_of(const Parameters *set, uint32_t index)
{
    return set->items[index].rows * set->items[index].cols;
}

uint32_t optimizer_slot_count(const Parameters *set, uint32_t index)
{
    return (uint32_t)((values_of(set, index) + SLOT_VALUES - 1) / SLOT_VALUES);
}

static uint32_t chunk_end(const Parameters *set, uint32_t chunk)
{
    return chunk + 1 < set->chunk_count ? set->chunk_first[chunk + 1] : set->count;
}

/* Slots of the parameters first … end - 1. */
static uint32_t count_slots(const Parameters *set, uint32_t first, uint32_t end)
{
    uint32_t count = 0;
    for (uint32_t i = first; i < end; i++)
        count += optimizer_slot_count(set, i);
    return count;
}

static uint32_t first_slot(const Parameters *set, uint32_t chunk)
{
    uint32_t slot = 0;
    for (uint32_t c = 0; c < chunk; c++) {
        uint32_t count = count_slots(set, set->chunk_first[c], chunk_end(set, c));
        slot += (count + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
    }
    return slot;
}

uint32_t optimizer_slots(const Parameters *set)
{
    return first_slot(set, set->chunk_count);
}

uint32_t optimizer_slot(const Parameters *set, uint32_t index)
{
    uint32_t chunk = set->items[index].chunk;
    return first_slot(set, chunk) + count_slots(set, set->chunk_first[chunk], index);
}

void optimizer_table(const Parameters *set, uint32_t *table)
{
    for (uint32_t i = 0; i < 2 * optimizer_slots(set); i++)
        table[i] = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t *entry = table + 2 * optimizer_slot(set, i);
        const uint64_t values = values_of(set, i);
        for (uint64_t first = 0; first < values; first += SLOT_VALUES, entry += 2) {
            const uint64_t left = values - first;
            entry[0] = (uint32_t)(set->items[i].offset + first);
            entry[1] = (uint32_t)(left < SLOT_VALUES ? left : SLOT_VALUES);
        }
    }
}

/* A whole chunk of one of the four regions as a tensor. */
static Tensor *chunk_tensor(Graph *graph, const Parameters *set, TensorLife life,
                            const char *region, uint32_t chunk)
{
    const char *name = arena_format(&graph->arena, "%s.%u", region, chunk);
    Tensor *tensor = graph_tensor(graph, life, DTYPE_F32, set->chunk_values[chunk], 1, name);
    tensor->chunk = chunk;
    return tensor;
}

static void norm_nodes(Graph *graph, const Parameters *set, Tensor *const *gradients,
                       Tensor *table, Tensor *squares)
{
    for (uint32_t c = 0; c < set->chunk_count; c++) {
        uint32_t first = first_slot(set, c), count = first_slot(set, c + 1) - first;
        GradNormPush push = {.tensors = count, .count = (uint32_t)set->chunk_values[c]};
        Node *node = graph_node(graph, "grad_norm", "optimizer", "norm", &push, sizeof push);
        node_bind(node, gradients[c]);
        node_bind_view(node, table, 2 * first, 2 * count);
        node_bind_view(node, squares, first, count);
    }
}

static void adamw_node(Graph *graph, const Parameters *set, const AdamwParams *params,
                       Tensor *gradient, Tensor *control, uint32_t chunk)
{
    AdamwPush push = {.count = (uint32_t)set->chunk_values[chunk],
                      .beta1 = params->beta1 > 0 ? params->beta1 : 0.9f,
                      .beta2 = params->beta2 > 0 ? params->beta2 : 0.999f,
                      .eps = params->eps > 0 ? params->eps : 1e-8f};
    Node *node = graph_node(graph, "adamw", "optimizer", "adamw", &push, sizeof push);
    node_bind(node, chunk_tensor(graph, set, LIFE_PARAMETER, "parameters", chunk));
    node_bind(node, gradient);
    node_bind(node, chunk_tensor(graph, set, LIFE_MOMENT1, "moment1", chunk));
    node_bind(node, chunk_tensor(graph, set, LIFE_MOMENT2, "moment2", chunk));
    node_bind(node, control);
    node_patch_value(node, offsetof(AdamwPush, lr), VALUE_LEARNING_RATE);
    node_patch_value(node, offsetof(AdamwPush, weight_decay), VALUE_WEIGHT_DECAY);
    node_patch_value(node, offsetof(AdamwPush, correction1), VALUE_CORRECTION1);
    node_patch_value(node, offsetof(AdamwPush, correction2), VALUE_CORRECTION2);
}

Graph *optimizer_build(const Parameters *set, const AdamwParams *params)
{
    assert(set->chunk_count);
    Graph *graph = graph_create(&(GraphParams){.range = set->range});
    uint32_t slots = optimizer_slots(set);
    Tensor *table = graph_tensor(graph, LIFE_INPUT, DTYPE_U32, slots, 2, "norm_table");
    Tensor *squares = graph_tensor(graph, LIFE_OUTPUT, DTYPE_F32, slots, 1, "norm_squares");
    Tensor *control = graph_tensor(graph, LIFE_OUTPUT, DTYPE_F32, 4, 1, "control");
    Tensor **gradients = arena_new(&graph->arena, set->chunk_count, sizeof(Tensor *));
    for (uint32_t c = 0; c < set->chunk_count; c++)
        gradients[c] = chunk_tensor(graph, set, LIFE_GRADIENT, "gradients", c);
    norm_nodes(graph, set, gradients, table, squares);
    GradClipPush push = {.tensors = slots};
    Node *node = graph_node(graph, "grad_clip", "optimizer", "clip", &push, sizeof push);
    node_bind(node, squares);
    node_bind(node, control);
    node_patch_value(node, offsetof(GradClipPush, max_norm), VALUE_MAX_NORM);
    for (uint32_t c = 0; c < set->chunk_count; c++)
        adamw_node(graph, set, params, gradients[c], control, c);
    return graph;
}
