/* Tensors, nodes and the tape. */
#include "graph/graph.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "graph/ops.h"

uint64_t tensor_elements(const Tensor *tensor)
{
    return tensor->rows * tensor->cols;
}

uint64_t tensor_bytes(const Tensor *tensor)
{
    return (dtype_bytes(tensor->dtype, tensor_elements(tensor)) + 3) & ~(uint64_t)3;
}

Graph *graph_create(const GraphParams *params)
{
    Graph *graph = MEM_NEW(Graph);
    graph->params = *params;
    if (!graph->params.range)
        graph->params.range = 128u << 20;
    if (!graph->params.scratch)
        graph->params.scratch = 32u << 20;
    if (!graph->params.logits)
        graph->params.logits = 64u << 20;
    graph->walking = -1;
    graph->layer = -1;
    return graph;
}

void graph_destroy(Graph **graph)
{
    if (!*graph)
        return;
    arena_finish(&(*graph)->arena);
    free((*graph)->tensors);
    free((*graph)->nodes);
    free((*graph)->tape);
    free(*graph);
    *graph = NULL;
}

/* Makes room for one more item in a growing array. */
#define RESERVE(array, count, capacity)                                        \
    do {                                                                       \
        if ((count) == (capacity)) {                                           \
            (capacity) = (capacity) ? 2 * (capacity) : 64;                     \
            (array) = mem_grow((array), (capacity), sizeof *(array));          \
        }                                                                      \
    } while (0)

Tensor *graph_tensor(Graph *graph, TensorLife life, Dtype dtype, uint64_t rows,
                     uint64_t cols, const char *name)
{
    assert(rows && cols);
    assert(life != LIFE_INPUT || !graph_find(graph, name));
    RESERVE(graph->tensors, graph->tensor_count, graph->tensor_capacity);
    Tensor *tensor = arena_new(&graph->arena, 1, sizeof *tensor);
    *tensor = (Tensor){
        .name = arena_string(&graph->arena, name),
        .dtype = dtype,
        .rows = rows,
        .cols = cols,
        .life = life,
        .index = graph->tensor_count,
        .producer = -1,
        .needs_grad = life == LIFE_PARAMETER && graph->params.train,
    };
    graph->tensors[graph->tensor_count++] = tensor;
    return tensor;
}

Tensor *graph_find(const Graph *graph, const char *name)
{
    for (uint32_t i = 0; i < graph->tensor_count; i++)
        if (!strcmp(graph->tensors[i]->name, name))
            return graph->tensors[i];
    return NULL;
}

Tensor *graph_work(Graph *graph, uint64_t rows, uint64_t cols, ValueId live,
                   const char *name, const char *suffix)
{
    const char *full = arena_format(&graph->arena, "%s.%s", name, suffix);
    Tensor *tensor = graph_tensor(graph, LIFE_WORK, DTYPE_F32, rows, cols, full);
    tensor->live = live;
    return tensor;
}

Tensor *graph_whole(Graph *graph, Tensor *const *parts, uint32_t count, const char *name)
{
    uint64_t values = 0;
    for (uint32_t i = 0; i < count; i++) {
        assert(parts[i]->life == LIFE_WORK && parts[i]->dtype == DTYPE_F32 && !parts[i]->whole);
        parts[i]->offset = values;
        values += (tensor_elements(parts[i]) + 63) / 64 * 64;
    }
    Tensor *whole = graph_work(graph, 1, values, VALUE_NONE, name, "whole");
    for (uint32_t i = 0; i < count; i++)
        parts[i]->whole = whole;
    return whole;
}

void graph_layer(Graph *graph, int32_t index, Tensor *x)
{
    graph->layer = index;
    if (x)
        x->keep = true;
}

/* ---- nodes -------------------------------------------------------------- */

Node *graph_node(Graph *graph, const char *family, const char *name, const char *suffix,
                 const void *push, size_t push_bytes)
{
    assert(push_bytes <= GPU_MAX_PUSH);
    RESERVE(graph->nodes, graph->node_count, graph->node_capacity);
    Node *node = &graph->nodes[graph->node_count++];
    *node = (Node){.family = family};
    node->label = arena_format(&graph->arena, "%s.%s", name, suffix);
    if (push_bytes)
        memcpy(node->push, push, push_bytes);
    return node;
}

void node_bind(Node *node, Tensor *tensor)
{
    node_bind_view(node, tensor, 0, tensor_elements(tensor));
}

void node_bind_view(Node *node, Tensor *tensor, uint64_t offset, uint64_t count)
{
    assert(node->bind_count < GPU_MAX_BIND);
    assert(count && offset + count <= tensor_elements(tensor));
    node->bind[node->bind_count++] = (View){tensor, offset, count};
}

static Patch *new_patch(Node *node, size_t field, ValueId value)
{
    assert(node->patch_count < NODE_MAX_PATCH && field + 4 <= GPU_MAX_PUSH);
    Patch *patch = &node->patch[node->patch_count++];
    *patch = (Patch){.field = (uint16_t)field, .value = (uint8_t)value, .factor = 1,
                     .limit = UINT32_MAX};
    return patch;
}

void node_patch_rows(Node *node, size_t field, const Tensor *tensor, uint32_t factor)
{
    if (!tensor->live)
        return;
    Patch *patch = new_patch(node, field, tensor->live);
    patch->limit = (uint32_t)tensor->rows;
    patch->factor = factor;
    node->guard = (uint8_t)tensor->live;
}

void node_patch_value(Node *node, size_t field, ValueId value)
{
    new_patch(node, field, value)->real = true;
}

void graph_fill_zero(Graph *graph, Tensor *tensor, const char *name)
{
    Node *node = graph_node(graph, NULL, name, "zero", NULL, 0);
    node_bind(node, tensor);
}

bool node_patch(const Node *node, const Values *values, unsigned char *push)
{
    if (node->guard && !(values->at[node->guard] > node->guard_above))
        return false;
    memcpy(push, node->push, GPU_MAX_PUSH);
    for (uint32_t i = 0; i < node->patch_count; i++) {
        const Patch *patch = &node->patch[i];
        double value = values->at[patch->value];
        if (patch->real) {
            float real = (float)value;
            memcpy(push + patch->field, &real, 4);
            continue;
        }
        double rest = value - patch->subtract;
        uint32_t whole = rest <= 0 ? 0 : rest > patch->limit ? patch->limit : (uint32_t)rest;
        whole *= patch->factor;
        memcpy(push + patch->field, &whole, 4);
    }
    return true;
}

uint64_t dtype_elements(Dtype dtype, uint64_t values)
{
    return dtype_info(dtype)->block > 1 ? (dtype_bytes(dtype, values) + 3) / 4 : values;
}

const KernelRow *node_row(const Node *node)
{
    for (size_t i = 0; node->family && i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        if (strcmp(row->family, node->family))
            continue;
        bool fits = true;
        for (uint32_t b = 0; b < node->bind_count; b++)
            fits = fits && row->bind[b].name && row->bind[b].dtype == node->bind[b].tensor->dtype;
        if (fits)
            return row;
    }
    return NULL;
}

GpuAccess node_access(const Node *node, uint32_t index)
{
    const KernelRow *row = node_row(node);
    return row ? row->bind[index].access : GPU_WRITE;
}

/* ---- tape --------------------------------------------------------------- */

TapeRecord *tape_begin(Graph *graph, const OpType *op, const char *name)
{
    RESERVE(graph->tape, graph->tape_count, graph->tape_capacity);
    TapeRecord *record = &graph->tape[graph->tape_count];
    *record = (TapeRecord){.op = op, .layer = graph->layer, .first_node = graph->node_count};
    record->name = arena_string(&graph->arena, name);
    return record;
}

void tape_in(TapeRecord *record, Tensor *tensor)
{
    assert(record->in_count < TAPE_MAX_TENSORS);
    record->in[record->in_count++] = tensor;
}

void tape_out(TapeRecord *record, Graph *graph, Tensor *tensor)
{
    assert(record->out_count < COUNT_OF(record->out));
    record->out[record->out_count++] = tensor;
    tensor->producer = (int32_t)graph->tape_count;
}

/* needs_grad spreads from the inputs to the first output; further outputs are values
 * saved for backward (row scales, log-sum-exp), never differentiated. */
void tape_end(Graph *graph)
{
    TapeRecord *record = &graph->tape[graph->tape_count++];
    record->node_count = graph->node_count - record->first_node;
    for (uint32_t i = 0; i < record->in_count; i++)
        if (record->in[i] && record->in[i]->needs_grad && record->out_count)
            record->out[0]->needs_grad = true;
}

/* ---- blocks of rows ----------------------------------------------------- */

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The gradient of x sums over a block's rows: short sums keep their digits in f32, and
 * llvmpipe ends all loops of an invocation after 65,535 iterations in all. */
enum { MAX_SUMMED_ROWS = 16384 };

uint64_t graph_block_rows(const Graph *graph, const Tensor *weight, uint64_t limit)
{
    uint64_t row_bytes = dtype_bytes(weight->dtype, weight->cols);
    uint64_t wide_bytes = weight->cols * 4;
    uint64_t rows = graph->params.range / row_bytes;
    if (limit && limit / wide_bytes < rows)
        rows = limit / wide_bytes;
    if (limit && graph->params.range / wide_bytes < rows)
        rows = graph->params.range / wide_bytes;
    if (limit && rows > MAX_SUMMED_ROWS)
        rows = MAX_SUMMED_ROWS;
    if (rows >= weight->rows)
        return weight->rows;
    /* a block must start at a legal buffer offset: a multiple of 256 bytes */
    uint64_t align = 256 / gcd(256, row_bytes);
    rows -= rows % align;
    return rows ? rows : align < weight->rows ? align : weight->rows;
}
