/* The head: logits of supervised rows, chunk by chunk, their loss and gradient. Logits
 * of a chunk become their own gradient in place, so rows × vocabulary is never stored. */
#include <assert.h>

#include "cross_entropy.push.h"
#include "graph/ops/weight.h"

typedef struct Loss {
    Tensor *labels, *weights, *losses, *lse, *dx, *dw;
    uint32_t accumulate;
} Loss;

static void chunk_loss(Graph *graph, const WeightProduct *chunk, const Loss *loss,
                       const char *name)
{
    CrossEntropyPush push = {.rows = chunk->rows, .vocab = (uint32_t)chunk->weight->rows,
                             .first = chunk->x_first, .scale = 1};
    Node *node = graph_node(graph, "cross_entropy_fwd", name, "loss", &push, sizeof push);
    node_bind(node, chunk->y);
    node_bind(node, loss->labels);
    node_bind(node, loss->losses);
    node_bind(node, loss->lse);
    weight_patch_rows(node, offsetof(CrossEntropyPush, rows), chunk);
    if (!loss->dx && !loss->dw)
        return;
    node = graph_node(graph, "cross_entropy_bwd", name, "dlogits", &push, sizeof push);
    node_bind(node, chunk->y);
    node_bind(node, loss->labels);
    node_bind(node, loss->weights);
    node_bind(node, loss->lse);
    weight_patch_rows(node, offsetof(CrossEntropyPush, rows), chunk);
    node_patch_value(node, offsetof(CrossEntropyPush, scale), VALUE_LOSS_SCALE);
    if (loss->dw)
        weight_gradient(graph, chunk, loss->dw, name);
    if (!loss->dx)
        return;
    WeightProduct back = *chunk;
    back.x = loss->dx;
    weight_backward(graph, &back, loss->accumulate, name);
}

static const OpType loss_op = {"loss", 3, NULL};

void graph_loss(Graph *graph, Tensor *x, Tensor *weight, Tensor *labels, Tensor *weights,
                Tensor *losses, const char *name)
{
    assert(x->cols == weight->cols && labels->rows == x->rows && losses->rows == x->rows);
    uint64_t row_bytes = weight->rows * 4;
    uint64_t most = graph->params.logits < graph->params.range ? graph->params.logits
                                                               : graph->params.range;
    uint64_t rows = most / row_bytes ? most / row_bytes : 1;
    rows = rows > x->rows ? x->rows : rows > 16 ? rows - rows % 16 : rows;

    TapeRecord *record = tape_begin(graph, &loss_op, name);
    tape_in(record, x);
    Loss loss = {.labels = labels, .weights = weights, .losses = losses};
    loss.lse = graph_work(graph, x->rows, 1, x->live, name, "lse");
    if (x->needs_grad)
        loss.dx = graph_grad_to(graph, x, &loss.accumulate);
    if (weight->needs_grad) {
        uint32_t added;
        loss.dw = graph_grad_to(graph, weight, &added);
    }
    assert(weights || (!loss.dx && !loss.dw));
    Tensor *logits = graph_work(graph, rows, weight->rows, VALUE_NONE, name, "logits");
    for (uint64_t first = 0; first < x->rows; first += rows) {
        uint64_t count = x->rows - first < rows ? x->rows - first : rows;
        WeightProduct chunk = {.weight = weight, .x = x, .y = logits, .live = x,
                               .x_first = (uint32_t)first, .rows = (uint32_t)count};
        weight_forward(graph, &chunk, name);
        chunk_loss(graph, &chunk, &loss, name);
    }
    tape_end(graph);
}
