/* y = x · Wᵀ, with an optional low-rank addition y += s · (x Aᵀ) Bᵀ (Hu et al., 2021). */
#include <assert.h>

#include "graph/ops/weight.h"
#include "lora_vectors.push.h"
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

/* record: in x, weight, A, B (NULL without adapter), x as f16 (or NULL); out y, h = x·Aᵀ. */
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

static Tensor *low_rank(Graph *graph, const Tensor *x, const LinearAdapter *adapter,
                        const char *name)
{
    return adapter->a ? graph_work(graph, x->rows, adapter->a->rows, x->live, name, "h") : NULL;
}

static void adapter_forward(Graph *graph, Tensor *x, const LinearAdapter *adapter, Tensor *h,
                            Tensor *y, const char *name)
{
    product_nt(graph, name, "h", &(Product){x, adapter->a, h, 1, 0});
    product_nt(graph, name, "lora", &(Product){h, adapter->b, y, adapter->scale, 1});
}

/* ---- few rows, nothing trained ------------------------------------------- */

typedef struct Decoded {
    Tensor *weight, *y;
    uint32_t accumulate;
    const char *name;
    LinearAdapter adapter;   /* a NULL: none */
} Decoded;

static bool is_decoding(const Graph *graph, const Tensor *x)
{
    return !graph->params.train && x->rows <= LINEAR_MATVEC_ROWS;
}

/* The stretch of parameters that holds the adapters of all parts; false when they differ in rank
 * or scale or lie in several chunks. */
static bool adapters_stretch(const Decoded *parts, uint32_t count, uint64_t *begin, uint64_t *end)
{
    const LinearAdapter *first = &parts[0].adapter;
    *begin = UINT64_MAX;
    *end = 0;
    for (uint32_t i = 0; i < count; i++) {
        const LinearAdapter *adapter = &parts[i].adapter;
        const Tensor *both[] = {adapter->a, adapter->b};
        if (adapter->a->rows != first->a->rows || adapter->scale != first->scale)
            return false;
        for (uint32_t t = 0; t < 2; t++) {
            if (both[t]->life != LIFE_PARAMETER || both[t]->chunk != first->a->chunk)
                return false;
            uint64_t last = both[t]->offset + tensor_elements(both[t]);
            *begin = both[t]->offset < *begin ? both[t]->offset : *begin;
            *end = last > *end ? last : *end;
        }
    }
    return true;
}

/* What up to three adapters of x add, in one dispatch; false when no kernel does that. */
static bool join_adapters(Graph *graph, Tensor *x, const Decoded *parts, uint32_t count)
{
    uint64_t begin, end;
    if (!adapters_stretch(parts, count, &begin, &end))
        return false;
    const LinearAdapter *first = &parts[0].adapter;
    LoraVectorsPush push = {.rows = (uint32_t)x->rows, .k = (uint32_t)x->cols,
                            .rank = (uint32_t)first->a->rows, .scale = first->scale};
    push_uint *const n[] = {&push.n0, &push.n1, &push.n2};
    push_uint *const a[] = {&push.a0, &push.a1, &push.a2};
    push_uint *const b[] = {&push.b0, &push.b1, &push.b2};
    for (uint32_t i = 0; i < count; i++) {
        *n[i] = (uint32_t)parts[i].adapter.b->rows;
        *a[i] = (uint32_t)(parts[i].adapter.a->offset - begin);
        *b[i] = (uint32_t)(parts[i].adapter.b->offset - begin);
    }
    if (!kernel_by_name("lora_vectors")->suits(&push))
        return false;
    const char *name = arena_format(&graph->arena, "%s.adapters", parts[0].name);
    Tensor *stretch = graph_tensor(graph, LIFE_PARAMETER, DTYPE_F32, 1, end - begin, name);
    stretch->chunk = first->a->chunk;
    stretch->offset = begin;
    stretch->stretch = true;
    Node *node = graph_node(graph, "lora_vectors", parts[0].name, "lora", &push, sizeof push);
    node_bind(node, x);
    node_bind(node, stretch);
    for (uint32_t i = 0; i < 3; i++)
        node_bind(node, parts[i < count ? i : 0].y);
    node_patch_rows(node, offsetof(LoraVectorsPush, rows), x, 1);
    return true;
}

/* The weight's product; with those of the weights chained to it, which are the next parts. */
static void decode_weight(Graph *graph, Tensor *x, const Decoded *parts)
{
    const Decoded *part = &parts[0];
    WeightProduct product = {.weight = part->weight, .x = x, .y = part->y, .live = x,
                             .rows = (uint32_t)x->rows, .accumulate = part->accumulate};
    if (part->weight->follows)
        return;
    if (!part->weight->next) {
        weight_matvec(graph, &product, part->name);
        return;
    }
    Tensor *y[3] = {NULL};
    uint32_t count = 0;
    for (const Tensor *weight = part->weight; weight; weight = weight->next) {
        assert(parts[count].weight == weight && !parts[count].accumulate);
        y[count] = parts[count].y;
        count++;
    }
    weight_matvec_chain(graph, &product, y, part->name);
}

/* At most three linears of one x. */
static void decode(Graph *graph, Tensor *x, Decoded *parts, uint32_t count)
{
    Decoded adapted[3];
    uint32_t adapted_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        Decoded *part = &parts[i];
        assert(x->cols == part->weight->cols);
        part->adapter = adapter_of(graph, part->weight, part->name);
        decode_weight(graph, x, part);
        if (part->adapter.a)
            adapted[adapted_count++] = *part;
    }
    if (!adapted_count || join_adapters(graph, x, adapted, adapted_count))
        return;
    for (uint32_t i = 0; i < adapted_count; i++)
        adapter_forward(graph, x, &adapted[i].adapter,
                        low_rank(graph, x, &adapted[i].adapter, adapted[i].name), adapted[i].y,
                        adapted[i].name);
}

/* ---- the ops -------------------------------------------------------------- */

static Tensor *linear(Graph *graph, Tensor *x, HalfRows half, Tensor *weight, const char *name)
{
    assert(x->cols == weight->cols);
    Tensor *y = graph_work(graph, x->rows, weight->rows, x->live, name, "y");
    LinearAdapter adapter = adapter_of(graph, weight, name);
    Tensor *h = low_rank(graph, x, &adapter, name);
    TapeRecord *record = tape_begin(graph, &linear_op, name);
    tape_in(record, x);
    tape_in(record, weight);
    tape_in(record, adapter.a);
    tape_in(record, adapter.b);
    tape_in(record, half.values);
    tape_in(record, half.scale);
    record->u.adapter = adapter;
    tape_out(record, graph, y);
    if (h)
        tape_out(record, graph, h);
    WeightProduct product = {.weight = weight, .x = x, .y = y, .live = x,
                             .rows = (uint32_t)x->rows, .half = half};
    weight_forward(graph, &product, name);
    if (h)
        adapter_forward(graph, x, &adapter, h, y, name);
    tape_end(graph);
    return y;
}

Tensor *graph_linear(Graph *graph, Tensor *x, Tensor *weight, const char *name)
{
    if (!is_decoding(graph, x))
        return linear(graph, x, (HalfRows){0}, weight, name);
    Tensor *y = graph_work(graph, x->rows, weight->rows, x->live, name, "y");
    decode(graph, x, &(Decoded){.weight = weight, .y = y, .name = name}, 1);
    return y;
}

/* The cast that several linears share: an op of its own, so that recomputation clones it once. */
static const OpType cast_op = {"cast", 2, NULL};

static HalfRows shared_cast(Graph *graph, Tensor *x, const char *name)
{
    TapeRecord *record = tape_begin(graph, &cast_op, name);
    tape_in(record, x);
    HalfRows half = weight_cast(graph, x, name);
    tape_out(record, graph, half.values);
    tape_out(record, graph, half.scale);
    tape_end(graph);
    return half;
}

void graph_linears(Graph *graph, Tensor *x, Tensor *const *weights, uint32_t count, Tensor **y)
{
    Decoded parts[3] = {{0}};
    HalfRows half = {0};
    assert(count <= COUNT_OF(parts));
    weight_chain(graph, weights, count);
    for (uint32_t i = 0; i < count && !half.values && !is_decoding(graph, x); i++)
        if (weight_is_half(graph, weights[i]))
            half = shared_cast(graph, x, weights[0]->name);
    for (uint32_t i = 0; i < count; i++) {
        const char *name = weights[i]->name;
        if (!is_decoding(graph, x)) {
            y[i] = linear(graph, x, half, weights[i], name);
            continue;
        }
        y[i] = graph_work(graph, x->rows, weights[i]->rows, x->live, name, "y");
        parts[i] = (Decoded){.weight = weights[i], .y = y[i], .name = name};
    }
    if (is_decoding(graph, x))
        decode(graph, x, parts, count);
}

Tensor *graph_linear_add(Graph *graph, Tensor *x, Tensor *y, Tensor *weight, const char *name)
{
    if (graph->params.train)
        return graph_add(graph, x, graph_linear(graph, y, weight, name),
                         arena_format(&graph->arena, "%s.add", name));
    assert(y->cols == weight->cols && x->cols == weight->rows && x->rows == y->rows);
    assert(x->life == LIFE_WORK);
    if (is_decoding(graph, y)) {
        decode(graph, y, &(Decoded){.weight = weight, .y = x, .accumulate = 1, .name = name}, 1);
        return x;
    }
    LinearAdapter adapter = adapter_of(graph, weight, name);
    WeightProduct product = {.weight = weight, .x = y, .y = x, .live = y,
                             .rows = (uint32_t)y->rows, .accumulate = 1};
    weight_forward(graph, &product, name);
    if (adapter.a)
        adapter_forward(graph, y, &adapter, low_rank(graph, y, &adapter, name), x, name);
    return x;
}
