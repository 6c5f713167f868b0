#include "graph/ops/weight.h"

#include "expand.push.h"
#include "matmul.push.h"
#include "matvec.push.h"

void weight_patch_rows(Node *node, size_t field, const WeightProduct *product)
{
    if (!product->live->live)
        return;
    node_patch_rows(node, field, product->live, 1);
    Patch *patch = &node->patch[node->patch_count - 1];
    patch->subtract = product->x_first;
    patch->limit = product->rows;
    node->guard_above = product->x_first;
}

/* Rows [first, first + rows) of the weight as f32: a tensor, and where in it they start. */
typedef struct Block {
    Tensor *wide;
    uint64_t offset, count;
} Block;

static Block block_wide(Graph *graph, Tensor *weight, uint64_t first, uint64_t rows,
                        const char *name, const char *suffix)
{
    uint64_t count = rows * weight->cols;
    if (weight->dtype == DTYPE_F32)
        return (Block){weight, first * weight->cols, count};
    const char *unique = arena_format(&graph->arena, "%s.%u", name, graph->tensor_count);
    Tensor *wide = graph_work(graph, rows, weight->cols, VALUE_NONE, unique, "wide");
    ExpandPush push = {.first = 0, .count = (uint32_t)count};
    Node *node = graph_node(graph, "expand", name, suffix, &push, sizeof push);
    node_bind_view(node, weight, first * weight->cols, count);
    node_bind(node, wide);
    return (Block){wide, 0, count};
}

static uint64_t rows_left(const Tensor *weight, uint64_t first, uint64_t step)
{
    return weight->rows - first < step ? weight->rows - first : step;
}

void weight_forward(Graph *graph, const WeightProduct *p, const char *name)
{
    Tensor *weight = p->weight;
    uint64_t step = graph_block_rows(graph, weight, graph->params.scratch);
    for (uint64_t first = 0; first < weight->rows; first += step) {
        uint64_t rows = rows_left(weight, first, step);
        Block block = block_wide(graph, weight, first, rows, name, "expand");
        MatmulPush push = {
            .m = p->rows, .n = (uint32_t)rows, .k = (uint32_t)weight->cols,
            .a_stride = (uint32_t)weight->cols, .b_stride = (uint32_t)weight->cols,
            .c_stride = (uint32_t)weight->rows,
            .a_offset = p->x_first * (uint32_t)weight->cols,
            .c_offset = p->y_first * (uint32_t)weight->rows + (uint32_t)first, .alpha = 1,
            .accumulate = p->accumulate};
        Node *node = graph_node(graph, "matmul_nt", name, "fwd", &push, sizeof push);
        node_bind(node, p->x);
        node_bind_view(node, block.wide, block.offset, block.count);
        node_bind(node, p->y);
        weight_patch_rows(node, offsetof(MatmulPush, m), p);
    }
}

void weight_backward(Graph *graph, const WeightProduct *p, uint32_t accumulate,
                     const char *name)
{
    Tensor *weight = p->weight;
    uint64_t step = graph_block_rows(graph, weight, graph->params.scratch);
    for (uint64_t first = 0; first < weight->rows; first += step) {
        uint64_t rows = rows_left(weight, first, step);
        Block block = block_wide(graph, weight, first, rows, name, "expand_bwd");
        MatmulPush push = {
            .m = p->rows, .n = (uint32_t)weight->cols, .k = (uint32_t)rows,
            .a_stride = (uint32_t)weight->rows, .b_stride = (uint32_t)weight->cols,
            .c_stride = (uint32_t)weight->cols,
            .a_offset = p->y_first * (uint32_t)weight->rows + (uint32_t)first,
            .c_offset = p->x_first * (uint32_t)weight->cols, .alpha = 1,
            .accumulate = first ? 1 : accumulate};
        Node *node = graph_node(graph, "matmul_nn", name, "dx", &push, sizeof push);
        node_bind(node, p->y);
        node_bind_view(node, block.wide, block.offset, block.count);
        node_bind(node, p->x);
        weight_patch_rows(node, offsetof(MatmulPush, m), p);
    }
}

void weight_gradient(Graph *graph, const WeightProduct *p, Tensor *dw, const char *name)
{
    uint32_t out = (uint32_t)dw->rows, in = (uint32_t)dw->cols;
    MatmulPush push = {.m = out, .n = in, .k = p->rows, .a_stride = out, .b_stride = in,
                       .c_stride = in, .a_offset = p->y_first * out,
                       .b_offset = p->x_first * in, .alpha = 1, .accumulate = 1};
    Node *node = graph_node(graph, "matmul_tn", name, "dw", &push, sizeof push);
    node_bind(node, p->y);
    node_bind(node, p->x);
    node_bind(node, dw);
    weight_patch_rows(node, offsetof(MatmulPush, k), p);
}

void weight_matvec(Graph *graph, const WeightProduct *p, const char *name)
{
    Tensor *weight = p->weight;
    uint64_t step = graph_block_rows(graph, weight, 0);
    for (uint64_t first = 0; first < weight->rows; first += step) {
        uint64_t rows = rows_left(weight, first, step);
        MatvecPush push = {.rows = p->rows, .n = (uint32_t)rows, .k = (uint32_t)weight->cols,
                           .x_stride = (uint32_t)weight->cols,
                           .y_stride = (uint32_t)weight->rows, .accumulate = p->accumulate,
                           .first_row = (uint32_t)first};
        Node *node = graph_node(graph, "matvec", name, "fwd", &push, sizeof push);
        node_bind(node, p->x);
        node_bind_view(node, weight, first * weight->cols, rows * weight->cols);
        node_bind(node, p->y);
        weight_patch_rows(node, offsetof(MatvecPush, rows), p);
    }
}
