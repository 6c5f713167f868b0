/* Segmented causal attention with grouped-query heads; scores are never stored. */
#include <assert.h>

#include "attention.push.h"
#include "graph/ops.h"
#include "kv_append.push.h"

static AttentionPush attention_push(const Tensor *q, const Tensor *k,
                                    const AttentionShape *shape)
{
    return (AttentionPush){.rows = (uint32_t)q->rows, .key_rows = (uint32_t)k->rows,
                           .heads = shape->heads, .kv_heads = shape->kv_heads,
                           .head_dim = shape->head_dim, .scale = shape->scale};
}

static void attention_node(Graph *graph, const char *family, const char *name,
                           const AttentionPush *push, Tensor *const *tensors, uint32_t count,
                           const Tensor *q, const Tensor *k)
{
    Node *node = graph_node(graph, family, name, family + 10, push, sizeof *push);
    for (uint32_t i = 0; i < count; i++)
        node_bind(node, tensors[i]);
    node_patch_rows(node, offsetof(AttentionPush, rows), q, 1);
    if (k->life != LIFE_CACHE)
        node_patch_rows(node, offsetof(AttentionPush, key_rows), k, 1);
}

static void backward_kv(Graph *graph, const TapeRecord *record, AttentionPush push,
                        Tensor *const in[7])
{
    Tensor *k = record->in[1], *v = record->in[2];
    uint32_t add_k, add_v;
    Tensor *dk = graph_grad_to(graph, k, &add_k), *dv = graph_grad_to(graph, v, &add_v);
    assert(add_k == add_v && "keys and values are used by one attention each");
    push.accumulate = add_k;
    Tensor *binds[] = {in[0], in[1], in[2], record->in[3], record->in[4], in[3], in[4], in[5],
                       dk, dv};
    attention_node(graph, "attention_bwd_kv", record->name, &push, binds, 10, in[0], in[1]);
}

/* record: in q, k, v, span, last; out o, lse. */
static void attention_backward(Graph *graph, const TapeRecord *record)
{
    Tensor *q = graph_saved(graph, record->in[0]), *k = graph_saved(graph, record->in[1]);
    Tensor *v = graph_saved(graph, record->in[2]), *span = record->in[3];
    Tensor *o = graph_saved(graph, record->out[0]), *lse = graph_saved(graph, record->out[1]);
    Tensor *dy = record->out[0]->grad;
    AttentionPush push = attention_push(q, k, &record->u.attention);
    Tensor *d = graph_work(graph, q->rows, push.heads, q->live, record->name, "d");
    attention_node(graph, "attention_bwd_d", record->name, &push,
                   (Tensor *const[]){o, dy, d}, 3, q, k);
    if (record->in[0]->needs_grad) {
        Tensor *dq = graph_grad_to(graph, record->in[0], &push.accumulate);
        Tensor *binds[] = {q, k, v, span, dy, lse, d, dq};
        attention_node(graph, "attention_bwd_q", record->name, &push, binds, 8, q, k);
    }
    if (record->in[1]->needs_grad && record->in[2]->needs_grad)
        backward_kv(graph, record, push, (Tensor *const[]){q, k, v, dy, lse, d, NULL});
}

static const OpType attention_op = {"attention", 2, attention_backward};

Tensor *graph_attention(Graph *graph, Tensor *q, Tensor *k, Tensor *v, Tensor *span,
                        Tensor *last, const AttentionShape *shape, const char *name)
{
    assert(q->cols == (uint64_t)shape->heads * shape->head_dim && k->cols == v->cols);
    assert(k->cols == (uint64_t)shape->kv_heads * shape->head_dim);
    assert(!q->needs_grad || last);
    Tensor *o = graph_work(graph, q->rows, q->cols, q->live, name, "o");
    Tensor *lse = graph_work(graph, q->rows, shape->heads, q->live, name, "lse");
    TapeRecord *record = tape_begin(graph, &attention_op, name);
    Tensor *in[] = {q, k, v, span, last};
    for (uint32_t i = 0; i < COUNT_OF(in); i++)
        tape_in(record, in[i]);
    tape_out(record, graph, o);
    tape_out(record, graph, lse);
    record->u.attention = *shape;
    AttentionPush push = attention_push(q, k, shape);
    attention_node(graph, "attention_fwd", name, &push,
                   (Tensor *const[]){q, k, v, span, o, lse}, 6, q, k);
    tape_end(graph);
    return o;
}

void graph_kv_append(Graph *graph, Tensor *x, Tensor *slot, Tensor *cache, const char *name)
{
    assert(x->cols == cache->cols && slot->rows == x->rows && !graph->params.train);
    KvAppendPush push = {.rows = (uint32_t)x->rows, .cols = (uint32_t)x->cols,
                         .cache_rows = (uint32_t)cache->rows};
    Node *node = graph_node(graph, "kv_append", name, "append", &push, sizeof push);
    node_bind(node, x);
    node_bind(node, slot);
    node_bind(node, cache);
    node_patch_rows(node, offsetof(KvAppendPush, rows), x, 1);
}
