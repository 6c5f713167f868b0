#include "graph/ops/weight.h"

#include "cast_half.push.h"
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

/* ---- f16 operands ---------------------------------------------------------- */

/* Rows of f16 must be whole words where a block of the weight starts. */
bool weight_is_half(const Graph *graph, const Tensor *weight)
{
    return graph->params.half && !weight->needs_grad && weight->cols % 2 == 0;
}

/* Rows [first, first + p->rows) of `from`. */
static HalfRows cast_rows(Graph *graph, Tensor *from, uint32_t first, const WeightProduct *p,
                          const char *name, const char *suffix)
{
    const char *unique = arena_format(&graph->arena, "%s.%u", name, graph->tensor_count);
    HalfRows half = {
        .values = graph_work(graph, p->rows, from->cols + from->cols % 2, VALUE_NONE, unique, "half"),
        .scale = graph_work(graph, p->rows, 1, VALUE_NONE, unique, "scale"),
    };
    half.values->dtype = DTYPE_F16;
    CastHalfPush push = {.rows = p->rows, .cols = (uint32_t)from->cols, .first = first};
    Node *node = graph_node(graph, "cast_half", name, suffix, &push, sizeof push);
    node_bind(node, from);
    node_bind(node, half.values);
    node_bind(node, half.scale);
    weight_patch_rows(node, offsetof(CastHalfPush, rows), p);
    return half;
}

HalfRows weight_cast(Graph *graph, Tensor *x, const char *name)
{
    return cast_rows(graph, x, 0, &(WeightProduct){.live = x, .rows = (uint32_t)x->rows}, name,
                     "cast");
}

/* ---- products -------------------------------------------------------------- */

/* Rows [first, first + rows) of the weight as an operand: a tensor, and where in it they start. */
typedef struct Block {
    Tensor *wide;
    uint64_t offset, count;
} Block;

/* Whether products in this direction decode the weight themselves; they count its values in 32 bits. */
static bool is_in_tile(const Graph *graph, const Tensor *weight, uint32_t types)
{
    return types >> weight->dtype & 1u && !weight->needs_grad && dtype_info(weight->dtype)->block > 1 &&
           tensor_elements(weight) <= UINT32_MAX && (!graph->params.half || weight_is_half(graph, weight));
}

static Block block_stored(Tensor *weight, uint64_t first, uint64_t rows)
{
    return (Block){weight, first * weight->cols, rows * weight->cols};
}

static Block block_wide(Graph *graph, Tensor *weight, uint64_t first, uint64_t rows,
                        const char *name, const char *suffix)
{
    uint64_t count = rows * weight->cols;
    bool half = weight_is_half(graph, weight);
    if (weight->dtype == (half ? DTYPE_F16 : DTYPE_F32))
        return block_stored(weight, first, rows);
    const char *unique = arena_format(&graph->arena, "%s.%u", name, graph->tensor_count);
    Tensor *wide = graph_work(graph, rows, weight->cols, VALUE_NONE, unique, "wide");
    ExpandPush push = {.first = 0, .count = (uint32_t)count};
    Node *node = graph_node(graph, half ? "expand_half" : "expand", name, suffix, &push,
                            sizeof push);
    wide->dtype = half ? DTYPE_F16 : DTYPE_F32;
    node_bind_view(node, weight, first * weight->cols, count);
    node_bind(node, wide);
    return (Block){wide, 0, count};
}

static uint64_t rows_left(const Tensor *weight, uint64_t first, uint64_t step)
{
    return weight->rows - first < step ? weight->rows - first : step;
}

/* Binds of a product: the rows of a, or what they were cast to. */
static void bind_product(Node *node, Tensor *a, const HalfRows *half, const Block *block, Tensor *c)
{
    node_bind(node, half->values ? half->values : a);
    node_bind_view(node, block->wide, block->offset, block->count);
    node_bind(node, c);
    if (half->values)
        node_bind(node, half->scale);
}

/* With f16 operands or not, the weight decoded by the product or not. */
static const char *const nt_families[2][2] = {{"matmul_nt", "matmul_nt_blocks"},
                                              {"matmul_nt_half", "matmul_nt_half_blocks"}};
static const char *const nn_families[2][2] = {{"matmul_nn", "matmul_nn_blocks"},
                                              {"matmul_nn_half", "matmul_nn_half_blocks"}};

void weight_forward(Graph *graph, const WeightProduct *p, const char *name)
{
    Tensor *weight = p->weight;
    bool is_half = weight_is_half(graph, weight);
    bool in_tile = is_in_tile(graph, weight, graph->params.in_tile.forward);
    HalfRows half = is_half ? p->half : (HalfRows){0};
    uint32_t cols = (uint32_t)weight->cols;
    uint64_t step = graph_block_rows(graph, weight, in_tile ? 0 : graph->params.scratch);
    if (is_half && !half.values)
        half = cast_rows(graph, p->x, p->x_first, p, name, "cast");
    for (uint64_t first = 0; first < weight->rows; first += step) {
        uint64_t rows = rows_left(weight, first, step);
        Block block = in_tile ? block_stored(weight, first, rows)
                              : block_wide(graph, weight, first, rows, name, "expand");
        MatmulPush push = {
            .m = p->rows, .n = (uint32_t)rows, .k = cols, .a_stride = cols, .b_stride = cols,
            .c_stride = (uint32_t)weight->rows, .a_offset = is_half ? 0 : p->x_first * cols,
            .c_offset = p->y_first * (uint32_t)weight->rows + (uint32_t)first, .alpha = 1,
            .accumulate = p->accumulate};
        Node *node = graph_node(graph, nt_families[is_half][in_tile], name, "fwd", &push, sizeof push);
        bind_product(node, p->x, &half, &block, p->y);
        weight_patch_rows(node, offsetof(MatmulPush, m), p);
    }
}

void weight_backward(Graph *graph, const WeightProduct *p, uint32_t accumulate,
                     const char *name)
{
    Tensor *weight = p->weight;
    HalfRows half = {0};
    bool in_tile = is_in_tile(graph, weight, graph->params.in_tile.backward);
    uint32_t stride = (uint32_t)weight->rows, y_offset = p->y_first * stride;
    uint64_t step = graph_block_rows(graph, weight, in_tile ? 0 : graph->params.scratch);
    if (weight_is_half(graph, weight)) {
        half = cast_rows(graph, p->y, p->y_first, p, name, "cast_bwd");
        stride = (uint32_t)half.values->cols;
        y_offset = 0;
    }
    for (uint64_t first = 0; first < weight->rows; first += step) {
        uint64_t rows = rows_left(weight, first, step);
        Block block = in_tile ? block_stored(weight, first, rows)
                              : block_wide(graph, weight, first, rows, name, "expand_bwd");
        MatmulPush push = {
            .m = p->rows, .n = (uint32_t)weight->cols, .k = (uint32_t)rows,
            .a_stride = stride, .b_stride = (uint32_t)weight->cols,
            .c_stride = (uint32_t)weight->cols, .a_offset = y_offset + (uint32_t)first,
            .c_offset = p->x_first * (uint32_t)weight->cols, .alpha = 1,
            .accumulate = first ? 1 : accumulate};
        Node *node = graph_node(graph, nn_families[half.values != NULL][in_tile], name, "dx", &push,
                                sizeof push);
        bind_product(node, p->y, &half, &block, p->x);
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

/* ---- several weights of one x ---------------------------------------------- */

/* Every device allocates so much in one piece. */
static const uint64_t MOST_CHAINED = 256u << 20;

void weight_chain(Graph *graph, Tensor *const *weights, uint32_t count)
{
    uint64_t most = graph->params.range < MOST_CHAINED ? graph->params.range : MOST_CHAINED;
    uint64_t bytes = count ? tensor_bytes(weights[0]) : 0;
    for (uint32_t i = 0; i + 1 < count; i++) {
        Tensor *one = weights[i], *next = weights[i + 1];
        bool alike = one->life == LIFE_WEIGHT && next->life == LIFE_WEIGHT &&
                     one->dtype == next->dtype && one->cols == next->cols &&
                     dtype_bytes(one->dtype, tensor_elements(one)) % 256 == 0;
        bytes = tensor_bytes(next) + (alike ? bytes : 0);
        if (!alike || bytes > most) {
            bytes = tensor_bytes(next);
            continue;
        }
        one->next = next;
        next->follows = true;
    }
}

void weight_matvec_chain(Graph *graph, const WeightProduct *p, Tensor *const *y, const char *name)
{
    const Tensor *second = p->weight->next, *third = second->next;
    uint32_t n1 = (uint32_t)second->rows, n2 = third ? (uint32_t)third->rows : 0;
    uint32_t all = (uint32_t)p->weight->rows + n1 + n2, k = (uint32_t)p->weight->cols;
    Tensor *outputs = graph_whole(graph, y, third ? 3 : 2, name);
    Tensor *joined = graph_tensor(graph, LIFE_WEIGHT, p->weight->dtype, all, p->weight->cols,
                                  arena_format(&graph->arena, "%s.chain", name));
    joined->stretch = true;
    joined->next = p->weight;
    MatvecPush push = {.rows = p->rows, .n = all, .k = k, .x_stride = k,
                       .y_stride = (uint32_t)p->weight->rows, .n1 = n1, .n2 = n2,
                       .y1 = (uint32_t)y[1]->offset, .y2 = third ? (uint32_t)y[2]->offset : 0};
    Node *node = graph_node(graph, "matvec", name, "fwd", &push, sizeof push);
    node_bind(node, p->x);
    node_bind(node, joined);
    node_bind(node, outputs);
    weight_patch_rows(node, offsetof(MatvecPush, rows), p);
}
