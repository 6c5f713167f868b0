/* Rotary position embedding (Su et al., 2021) from a table of cosines and sines. */
#include <assert.h>

#include "graph/ops.h"
#include "rope.push.h"
#include "rope_append.push.h"

static RopePush rope_push(const Tensor *x, const Tensor *table, const RopeShape *shape)
{
    return (RopePush){.rows = (uint32_t)x->rows, .heads = shape->heads,
                      .head_dim = shape->head_dim, .rope_dims = shape->rope_dims,
                      .pairs = shape->pairs, .table_rows = (uint32_t)table->rows};
}

static void rope_node(Graph *graph, const char *family, const char *name, const RopePush *push,
                      Tensor *const tensors[4])
{
    Node *node = graph_node(graph, family, name, family + 5, push, sizeof *push);
    for (uint32_t i = 0; i < 4; i++)
        node_bind(node, tensors[i]);
    node_patch_rows(node, offsetof(RopePush, rows), tensors[0], 1);
}

/* record: in x, positions, table; out y. */
static void rope_backward(Graph *graph, const TapeRecord *record)
{
    Tensor *x = record->in[0];
    if (!x->needs_grad)
        return;
    RopePush push = rope_push(x, record->in[2], &record->u.rope);
    Tensor *dx = graph_grad_to(graph, x, &push.accumulate);
    rope_node(graph, "rope_bwd", record->name, &push,
              (Tensor *const[]){record->out[0]->grad, record->in[1], record->in[2], dx});
}

static const OpType rope_op = {"rope", 2, rope_backward};

Tensor *graph_rope(Graph *graph, Tensor *x, Tensor *positions, Tensor *table,
                   const RopeShape *shape, const char *name)
{
    assert(x->cols == (uint64_t)shape->heads * shape->head_dim);
    assert(table->cols == shape->rope_dims && positions->rows == x->rows);
    Tensor *y = graph_work(graph, x->rows, x->cols, x->live, name, "y");
    TapeRecord *record = tape_begin(graph, &rope_op, name);
    tape_in(record, x);
    tape_in(record, positions);
    tape_in(record, table);
    tape_out(record, graph, y);
    record->u.rope = *shape;
    RopePush push = rope_push(x, table, shape);
    rope_node(graph, "rope_fwd", name, &push, (Tensor *const[]){x, positions, table, y});
    tape_end(graph);
    return y;
}

Tensor *graph_rope_append(Graph *graph, Tensor *const qkv[3], Tensor *positions, Tensor *table,
                          const RopeShape *shape, const CacheSlots *cache, const char *name)
{
    Tensor *q = qkv[0];
    assert(!graph->params.train && q->cols == (uint64_t)shape->heads * shape->head_dim);
    assert(qkv[1]->cols == qkv[2]->cols && qkv[1]->cols == cache->cache_k->cols);
    assert(table->cols == shape->rope_dims && positions->rows == q->rows);
    Tensor *y = graph_work(graph, q->rows, q->cols, q->live, name, "y");
    RopeAppendPush push = {.rows = (uint32_t)q->rows, .heads = shape->heads,
                           .kv_heads = (uint32_t)qkv[1]->cols / shape->head_dim,
                           .head_dim = shape->head_dim, .rope_dims = shape->rope_dims,
                           .pairs = shape->pairs, .table_rows = (uint32_t)table->rows,
                           .cache_rows = (uint32_t)cache->cache_k->rows};
    Node *node = graph_node(graph, "rope_append", name, "append", &push, sizeof push);
    Tensor *binds[] = {q, qkv[1], qkv[2], positions, table, cache->slot, y, cache->cache_k,
                       cache->cache_v};
    for (uint32_t i = 0; i < COUNT_OF(binds); i++)
        node_bind(node, binds[i]);
    node_patch_rows(node, offsetof(RopeAppendPush, rows), q, 1);
    return y;
}
