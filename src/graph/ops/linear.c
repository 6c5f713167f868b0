/* y = x · Wᵀ, with an optional low-rank addition y += s · (x Aᵀ) Bᵀ (Hu et al., 2021). */
#include <assert.h>

#include "graph/ops/weight.h"
#include "matmul.push.h"

/* One product of the low-rank part, on whole tensors. */
typedef struct Product {
    Tensor *a, *b, *c;
    float alpha;
    uint32_t accumulate;
} Product;

static Node *product(Graph *graph, const char *family, const char *name, const char *suffix,
                     const Product *p, MatmulPush push)
{
    push.a_stride = (uint32_t)p->a->cols;
    push.b_stride = (uint32_t)p->b->cols;
    push.c_stride = (uint32_t)p->c->cols;
    push.alpha = p->alpha;
    push.accumulate = p->accumulate;
    Node *node = graph_node(graph, family, name, suffix, &push, sizeof push);
    node_bind(node, p->a);
    node_bind(node, p->b);
    node_bind(node, p->c);
    return node;
}

/* C[m,n] = alpha · A[m,k] · B[n,k]ᵀ. */
static void product_nt(Graph *graph, const char *name, const char *suffix, const Product *p)
{
    MatmulPush push = {.m = (uint32_t)p->a->rows, .n = (uint32_t)p->b->rows,
                       .k = (uint32_t)p->a->cols};
    Node *node = product(graph, "matmul_nt", name, suffix, p, push);
    node_patch_rows(node, offsetof(MatmulPush, m), p->a, 1);
}

/* C[m,n] = alpha · A[m,k] · B[k,n]. */
static void product_nn(Graph *graph, const char *name, const char *suffix, const Product *p)
{
    MatmulPush push = {.m = (uint32_t)p->a->rows, .n = (uint32_t)p->b->cols,
                       .k = (uint32_t)p->a->cols};
    Node *node = product(graph, "matmul_nn", name, suffix, p, push);
    node_patch_rows(node, offsetof(MatmulPush, m), p->a, 1);
}

/* C[m,n] = alpha · A[k,m]ᵀ · B[k,n]: a parameter's gradient, summed over token rows. */
static void product_tn(Graph *graph, const char *name, const char *suffix, const Product *p)
{
    MatmulPush push = {.m = (uint32_t)p->a->cols, .n = (uint32_t)p->b->cols,
                       .k = (uint32_t)p->a->rows};
    Node *node = product(graph, "matmul_tn", name, suffix, p, push);
    node_patch_rows(node, offsetof(MatmulPush, k), p->a, 1);
}

/* dh = s·dy·B, dB += s·dyᵀ·h, dA += dhᵀ·x, dx += dh·A (dx was begun by the weight). */
static void adapter_backward(Graph *graph, const TapeRecord *record, Tensor *dx)
{
    const LinearAdapter *adapter = &record->u.adapter;
    Tensor *x = graph_saved(graph, record->in[0]), *h = graph_saved(graph, record->out[1]);
    Tensor *dy = record->out[0]->grad;
    Tensor *dh = graph_work(graph, h->rows, h->cols, h->live, record->name, "dh");
    uint32_t accumulate;
    product_nn(graph, record->name, "dh",
               &(Product){dy, adapter->b, dh, adapter->scale, 0});
    Tensor *db = graph_grad_to(graph, adapter->b, &accumulate);
    product_tn(graph, record->name, "db",
               &(Product){dy, h, db, adapter->scale, accumulate});
    Tensor *da = graph_grad_to(graph, adapter->a, &accumulate);
    product_tn(graph, record->name, "da", &(Product){dh, x, da, 1, accumulate});
    if (dx)
        product_nn(graph, record->name, "dx_lora", &(Product){dh, adapter->a, dx, 1, 1});
}

/* record: in x, weight, A, B (NULL without adapter); out y, h = x·Aᵀ. */
static void linear_backward(Graph *graph, const TapeRecord *record)
{
    Tensor *x = record->in[0], *weight = record->in[1], *dx = NULL;
    WeightProduct product = {.weight = weight, .y = record->out[0]->grad, .live = x,
                             .rows = (uint32_t)x->rows};
    uint32_t accumulate;
    if (weight->needs_grad) {
        Tensor *dw = graph_grad_to(graph, weight, &accumulate);
        product.x = graph_saved(graph, x);
        weight_gradient(graph, &product, dw, record->name);
    }
    if (x->needs_grad) {
        dx = graph_grad_to(graph, x, &accumulate);
        product.x = dx;
        weight_backward(graph, &product, accumulate, record->name);
    }
    if (record->in[2])
        adapter_backward(graph, record, dx);
}

static const OpType linear_op = {"linear", 2, linear_backward};

static LinearAdapter adapter_of(Graph *graph, const Tensor *weight, const char *name)
{
    LinearAdapter adapter = {0};
    if (graph->params.hook)
        graph->params.hook(graph->params.hook_context, graph, name, weight->cols, weight->rows,
                           &adapter);
    return adapter;
}

/* The nodes of y (+)= x · Wᵀ and, with h, of the adapter. */
static void forward(Graph *graph, const WeightProduct *product, const LinearAdapter *adapter,
                    Tensor *h, const char *name)
{
    if (!graph->params.train && product->rows <= LINEAR_MATVEC_ROWS)
        weight_matvec(graph, product, name);
    else
        weight_forward(graph, product, name);
    if (!h)
        return;
    product_nt(graph, name, "h", &(Product){product->x, adapter->a, h, 1, 0});
    product_nt(graph, name, "lora", &(Product){h, adapter->b, product->y, adapter->scale, 1});
}

static Tensor *low_rank(Graph *graph, const Tensor *x, const LinearAdapter *adapter,
                        const char *name)
{
    return adapter->a ? graph_work(graph, x->rows, adapter->a->rows, x->live, name, "h") : NULL;
}

Tensor *graph_linear(Graph *graph, Tensor *x, Tensor *weight, const char *name)
{
    assert(x->cols == weight->cols);
    LinearAdapter adapter = adapter_of(graph, weight, name);
    Tensor *y = graph_work(graph, x->rows, weight->rows, x->live, name, "y");
    Tensor *h = low_rank(graph, x, &adapter, name);
    TapeRecord *record = tape_begin(graph, &linear_op, name);
    tape_in(record, x);
    tape_in(record, weight);
    tape_in(record, adapter.a);
    tape_in(record, adapter.b);
    record->u.adapter = adapter;
    tape_out(record, graph, y);
    if (h)
        tape_out(record, graph, h);
    WeightProduct product = {.weight = weight, .x = x, .y = y, .live = x,
                             .rows = (uint32_t)x->rows};
    forward(graph, &product, &adapter, h, name);
    tape_end(graph);
    return y;
}

Tensor *graph_linear_add(Graph *graph, Tensor *x, Tensor *y, Tensor *weight, const char *name)
{
    if (graph->params.train)
        return graph_add(graph, x, graph_linear(graph, y, weight, name),
                         arena_format(&graph->arena, "%s.add", name));
    assert(y->cols == weight->cols && x->cols == weight->rows && x->rows == y->rows);
    assert(x->life == LIFE_WORK);
    LinearAdapter adapter = adapter_of(graph, weight, name);
    WeightProduct product = {.weight = weight, .x = y, .y = x, .live = y,
                             .rows = (uint32_t)y->rows, .accumulate = 1};
    forward(graph, &product, &adapter, low_rank(graph, y, &adapter, name), name);
    return x;
}
