/* SwiGLU (Shazeer, 2020), sums, softmax. */
#include <assert.h>

#include "add.push.h"
#include "graph/ops.h"
#include "softmax.push.h"
#include "swiglu.push.h"

/* record: in gate, up; out y. Both gradients are written by one dispatch, so they must
 * agree on whether to add. */
static void swiglu_backward(Graph *graph, const TapeRecord *record)
{
    Tensor *gate = record->in[0], *up = record->in[1];
    if (!gate->needs_grad && !up->needs_grad)
        return;
    assert(gate->needs_grad && up->needs_grad);
    uint32_t add_gate, add_up;
    Tensor *saved_gate = graph_saved(graph, gate), *saved_up = graph_saved(graph, up);
    Tensor *dgate = graph_grad_to(graph, gate, &add_gate);
    Tensor *dup = graph_grad_to(graph, up, &add_up);
    assert(add_gate == add_up);
    SwigluPush push = {.count = (uint32_t)tensor_elements(gate), .accumulate = add_gate};
    Node *node = graph_node(graph, "swiglu_bwd", record->name, "bwd", &push, sizeof push);
    node_bind(node, saved_gate);
    node_bind(node, saved_up);
    node_bind(node, record->out[0]->grad);
    node_bind(node, dgate);
    node_bind(node, dup);
    node_patch_rows(node, offsetof(SwigluPush, count), gate, (uint32_t)gate->cols);
}

static const OpType swiglu_op = {"swiglu", 1, swiglu_backward};

Tensor *graph_swiglu(Graph *graph, Tensor *gate, Tensor *up, const char *name)
{
    assert(gate->rows == up->rows && gate->cols == up->cols);
    Tensor *y = graph_work(graph, gate->rows, gate->cols, gate->live, name, "y");
    TapeRecord *record = tape_begin(graph, &swiglu_op, name);
    tape_in(record, gate);
    tape_in(record, up);
    tape_out(record, graph, y);
    SwigluPush push = {.count = (uint32_t)tensor_elements(gate)};
    Node *node = graph_node(graph, "swiglu_fwd", name, "fwd", &push, sizeof push);
    node_bind(node, gate);
    node_bind(node, up);
    node_bind(node, y);
    node_patch_rows(node, offsetof(SwigluPush, count), gate, (uint32_t)gate->cols);
    tape_end(graph);
    return y;
}

static void add_backward(Graph *graph, const TapeRecord *record)
{
    graph_grad_sum(graph, record->in[0], record->in[1], record->out[0]->grad);
}

static const OpType add_op = {"add", 2, add_backward};

Tensor *graph_add(Graph *graph, Tensor *a, Tensor *b, const char *name)
{
    assert(a != b && a->rows == b->rows && a->cols == b->cols);
    Tensor *y = graph_work(graph, a->rows, a->cols, a->live, name, "y");
    TapeRecord *record = tape_begin(graph, &add_op, name);
    tape_in(record, a);
    tape_in(record, b);
    tape_out(record, graph, y);
    AddPush push = {.count = (uint32_t)tensor_elements(a)};
    Node *node = graph_node(graph, "add", name, "fwd", &push, sizeof push);
    node_bind(node, a);
    node_bind(node, b);
    node_bind(node, y);
    node_patch_rows(node, offsetof(AddPush, count), a, (uint32_t)a->cols);
    tape_end(graph);
    return y;
}

/* record: in x; out y. */
static void softmax_backward(Graph *graph, const TapeRecord *record)
{
    Tensor *x = record->in[0];
    if (!x->needs_grad)
        return;
    Tensor *y = graph_saved(graph, record->out[0]);
    SoftmaxPush push = {.rows = (uint32_t)x->rows, .cols = (uint32_t)x->cols};
    Tensor *dx = graph_grad_to(graph, x, &push.accumulate);
    Node *node = graph_node(graph, "softmax_bwd", record->name, "bwd", &push, sizeof push);
    node_bind(node, y);
    node_bind(node, record->out[0]->grad);
    node_bind(node, dx);
    node_patch_rows(node, offsetof(SoftmaxPush, rows), x, 1);
}

static const OpType softmax_op = {"softmax", 2, softmax_backward};

Tensor *graph_softmax(Graph *graph, Tensor *x, const char *name)
{
    Tensor *y = graph_work(graph, x->rows, x->cols, x->live, name, "y");
    TapeRecord *record = tape_begin(graph, &softmax_op, name);
    tape_in(record, x);
    tape_out(record, graph, y);
    SoftmaxPush push = {.rows = (uint32_t)x->rows, .cols = (uint32_t)x->cols};
    Node *node = graph_node(graph, "softmax_fwd", name, "fwd", &push, sizeof push);
    node_bind(node, x);
    node_bind(node, y);
    node_patch_rows(node, offsetof(SoftmaxPush, rows), x, 1);
    tape_end(graph);
    return y;
}
