/* Rows by index: the embedding table, and the rows that reach the head. */
#include <assert.h>

#include "embedding.push.h"
#include "gather.push.h"
#include "graph/ops.h"

static const OpType embedding_op = {"embedding", 3, NULL};

Tensor *graph_embedding(Graph *graph, Tensor *ids, Tensor *table, const char *name)
{
    assert(!table->needs_grad);
    Tensor *y = graph_work(graph, ids->rows, table->cols, ids->live, name, "y");
    TapeRecord *record = tape_begin(graph, &embedding_op, name);
    tape_in(record, ids);
    tape_in(record, table);
    tape_out(record, graph, y);
    uint64_t step = graph_block_rows(graph, table, 0);
    for (uint64_t first = 0; first < table->rows; first += step) {
        uint64_t count = table->rows - first < step ? table->rows - first : step;
        EmbeddingPush push = {.rows = (uint32_t)ids->rows, .cols = (uint32_t)table->cols,
                              .vocab = (uint32_t)table->rows, .first = (uint32_t)first,
                              .count = (uint32_t)count};
        Node *node = graph_node(graph, "embedding_fwd", name, "fwd", &push, sizeof push);
        node_bind(node, ids);
        node_bind_view(node, table, first * table->cols, count * table->cols);
        node_bind(node, y);
        node_patch_rows(node, offsetof(EmbeddingPush, rows), ids, 1);
    }
    tape_end(graph);
    return y;
}

static GatherPush gather_push(const Tensor *x, const Tensor *index)
{
    return (GatherPush){.rows = (uint32_t)index->rows, .cols = (uint32_t)x->cols,
                        .x_rows = (uint32_t)x->rows};
}

/* record: in x, index; out y. Rows that nobody gathered have gradient zero. */
static void gather_backward(Graph *graph, const TapeRecord *record)
{
    Tensor *x = record->in[0], *index = record->in[1];
    if (!x->needs_grad)
        return;
    GatherPush push = gather_push(x, index);
    Tensor *dx = graph_grad_to(graph, x, &push.accumulate);
    if (!push.accumulate)
        graph_fill_zero(graph, dx, record->name);
    push.accumulate = 1;
    Node *node = graph_node(graph, "scatter_rows", record->name, "bwd", &push, sizeof push);
    node_bind(node, dx);
    node_bind(node, index);
    node_bind(node, record->out[0]->grad);
    node_patch_rows(node, offsetof(GatherPush, rows), index, 1);
}

static const OpType gather_op = {"gather", 2, gather_backward};

Tensor *graph_gather(Graph *graph, Tensor *x, Tensor *index, const char *name)
{
    Tensor *y = graph_work(graph, index->rows, x->cols, index->live, name, "y");
    TapeRecord *record = tape_begin(graph, &gather_op, name);
    tape_in(record, x);
    tape_in(record, index);
    tape_out(record, graph, y);
    GatherPush push = gather_push(x, index);
    Node *node = graph_node(graph, "gather_rows", name, "fwd", &push, sizeof push);
    node_bind(node, x);
    node_bind(node, index);
    node_bind(node, y);
    node_patch_rows(node, offsetof(GatherPush, rows), index, 1);
    tape_end(graph);
    return y;
}
