/* The reverse walk: where gradients go, and forward values recomputed on the way. */
#include <assert.h>
#include <string.h>

#include "graph/ops.h"
#include "scale.push.h"

static Tensor *parameter_gradient(Graph *graph, Tensor *tensor)
{
    if (!tensor->grad) {
        const char *name = arena_format(&graph->arena, "%s.grad", tensor->name);
        tensor->grad = graph_tensor(graph, LIFE_GRADIENT, DTYPE_F32, tensor->rows,
                                    tensor->cols, name);
        tensor->grad->chunk = tensor->chunk;
        tensor->grad->offset = tensor->offset;
    }
    return tensor->grad;
}

static void scale_into(Graph *graph, Tensor *x, Tensor *y, uint32_t accumulate,
                       const char *name)
{
    ScalePush push = {.count = (uint32_t)tensor_elements(x), .factor = 1,
                      .accumulate = accumulate};
    Node *node = graph_node(graph, "scale", name, "grad", &push, sizeof push);
    node_bind(node, x);
    node_bind(node, y);
    node_patch_rows(node, offsetof(ScalePush, count), x, (uint32_t)x->cols);
}

/* Somebody else's gradient lies in this memory and is still to be read: its producer has
 * not been walked, or it is a result (a leaf's), or the seed. */
static bool still_read(const Graph *graph, const Tensor *tensor)
{
    if (tensor->grad->life != LIFE_WORK)
        return true;
    for (uint32_t i = 0; i < graph->tensor_count; i++) {
        const Tensor *other = graph->tensors[i];
        if (other != tensor && other->grad == tensor->grad && other->producer <= graph->walking)
            return true;
    }
    return false;
}

/* Before a gradient is added to in place. */
static void own_gradient(Graph *graph, Tensor *tensor)
{
    if (!still_read(graph, tensor))
        return;
    Tensor *copy = graph_work(graph, tensor->rows, tensor->cols, tensor->live, tensor->name,
                              "grad_copy");
    scale_into(graph, tensor->grad, copy, 0, tensor->name);
    tensor->grad = copy;
}

Tensor *graph_grad_to(Graph *graph, Tensor *tensor, uint32_t *accumulate)
{
    assert(tensor->needs_grad);
    if (tensor->life == LIFE_PARAMETER) {
        *accumulate = 1;
        return parameter_gradient(graph, tensor);
    }
    *accumulate = tensor->grad != NULL;
    if (tensor->grad)
        own_gradient(graph, tensor);
    else
        tensor->grad = graph_work(graph, tensor->rows, tensor->cols, tensor->live,
                                  tensor->name, "grad");
    return tensor->grad;
}

/* Both terms of a sum have the gradient of the sum. They take over its memory, which is
 * why the residual stream's gradient runs through all layers in one buffer. */
void graph_grad_sum(Graph *graph, Tensor *a, Tensor *b, Tensor *dy)
{
    Tensor *terms[2] = {a, b};
    for (uint32_t i = 0; i < 2; i++) {
        if (!terms[i]->needs_grad)
            continue;
        if (terms[i]->life != LIFE_PARAMETER && !terms[i]->grad) {
            terms[i]->grad = dy;
            continue;
        }
        uint32_t accumulate;
        Tensor *to = graph_grad_to(graph, terms[i], &accumulate);
        scale_into(graph, dy, to, accumulate, terms[i]->name);
    }
}

/* ---- recomputation ------------------------------------------------------ */

static bool recomputed(const Graph *graph, const Tensor *tensor)
{
    if (tensor->producer < 0 || tensor->keep || tensor->life != LIFE_WORK)
        return false;
    const TapeRecord *record = &graph->tape[tensor->producer];
    uint32_t layers = graph->params.recompute_layers;
    if (record->op->level == 1)
        return graph->params.recompute >= 1;
    return record->op->level == 2 && graph->params.recompute >= 2 && record->layer >= 0 &&
           (!layers || (uint32_t)record->layer < layers);
}

static Tensor *twin(Graph *graph, const Tensor *tensor)
{
    Tensor *again = graph_work(graph, tensor->rows, tensor->cols, tensor->live, tensor->name,
                               "again");
    again->dtype = tensor->dtype;
    return again;
}

/* Tensors that a record's clone binds instead of the originals: its outputs and scratch
 * get twins, its inputs are recomputed in turn. */
enum { MAX_SWAPS = 64 };
typedef struct Swaps {
    Tensor *from[MAX_SWAPS], *to[MAX_SWAPS];
    uint32_t count;
} Swaps;

static void swap_add(Swaps *swaps, Tensor *from, Tensor *to)
{
    assert(swaps->count < MAX_SWAPS);
    swaps->from[swaps->count] = from;
    swaps->to[swaps->count++] = to;
}

static Tensor *swap_find(const Swaps *swaps, const Tensor *from)
{
    for (uint32_t i = 0; i < swaps->count; i++)
        if (swaps->from[i] == from)
            return swaps->to[i];
    return NULL;
}

static void clone_nodes(Graph *graph, const TapeRecord *record)
{
    Swaps swaps = {.count = 0};
    for (uint32_t i = 0; i < record->in_count; i++)
        if (record->in[i])
            swap_add(&swaps, record->in[i], graph_saved(graph, record->in[i]));
    for (uint32_t i = 0; i < record->out_count; i++)
        swap_add(&swaps, record->out[i], record->out[i]->again);
    for (uint32_t n = 0; n < record->node_count; n++) {
        Node node = graph->nodes[record->first_node + n];
        for (uint32_t b = 0; b < node.bind_count; b++) {
            Tensor *tensor = node.bind[b].tensor;
            if (!swap_find(&swaps, tensor))
                swap_add(&swaps, tensor,
                         tensor->life == LIFE_WORK ? twin(graph, tensor) : tensor);
            node.bind[b].tensor = swap_find(&swaps, tensor);
        }
        Node *copy = graph_node(graph, node.family, node.label, "again", NULL, 0);
        node.label = copy->label;
        *copy = node;
    }
}

Tensor *graph_saved(Graph *graph, Tensor *tensor)
{
    if (tensor->again)
        return tensor->again;
    if (!recomputed(graph, tensor))
        return tensor;
    TapeRecord record = graph->tape[tensor->producer];
    for (uint32_t i = 0; i < record.out_count; i++)
        record.out[i]->again = twin(graph, record.out[i]);
    clone_nodes(graph, &record);
    return tensor->again;
}

/* ---- the walk ----------------------------------------------------------- */

void graph_backward(Graph *graph, Tensor *output, Tensor *seed)
{
    assert(graph->params.train);
    if (output && output->needs_grad)
        output->grad = seed;
    graph->backward_node = graph->node_count;
    for (uint32_t i = graph->tape_count; i-- > 0;) {
        TapeRecord record = graph->tape[i];
        if (!record.op->backward || !record.out_count || !record.out[0]->grad)
            continue;
        graph->walking = (int32_t)i;
        record.op->backward(graph, &record);
    }
    graph->walking = -1;
}
