/* RMSNorm (Zhang and Sennrich, 2019). */
#include <assert.h>

#include "graph/ops.h"
#include "rmsnorm.push.h"

/* record: in x, weight; out y, rstd. */
static void rmsnorm_backward(Graph *graph, const TapeRecord *record)
{
    Tensor *x = graph_saved(graph, record->in[0]), *weight = record->in[1];
    Tensor *rstd = graph_saved(graph, record->out[1]), *dy = record->out[0]->grad;
    RmsnormPush push = {.rows = (uint32_t)x->rows, .cols = (uint32_t)x->cols,
                        .eps = record->u.eps};
    if (weight->needs_grad) {
        Tensor *dw = graph_grad_to(graph, weight, &push.accumulate);
        Node *node = graph_node(graph, "rmsnorm_bwd_w", record->name, "dw", &push, sizeof push);
        node_bind(node, x);
        node_bind(node, rstd);
        node_bind(node, dy);
        node_bind(node, dw);
        node_patch_rows(node, offsetof(RmsnormPush, rows), x, 1);
    }
    if (!record->in[0]->needs_grad)
        return;
    Tensor *dx = graph_grad_to(graph, record->in[0], &push.accumulate);
    Node *node = graph_node(graph, "rmsnorm_bwd_x", record->name, "dx", &push, sizeof push);
    node_bind(node, x);
    node_bind(node, weight);
    node_bind(node, rstd);
    node_bind(node, dy);
    node_bind(node, dx);
    node_patch_rows(node, offsetof(RmsnormPush, rows), x, 1);
}

static const OpType rmsnorm_op = {"rmsnorm", 1, rmsnorm_backward};

Tensor *graph_rmsnorm(Graph *graph, Tensor *x, Tensor *weight, float eps, const char *name)
{
    assert(tensor_elements(weight) == x->cols);
    Tensor *y = graph_work(graph, x->rows, x->cols, x->live, name, "y");
    Tensor *rstd = graph_work(graph, x->rows, 1, x->live, name, "rstd");
    TapeRecord *record = tape_begin(graph, &rmsnorm_op, name);
    tape_in(record, x);
    tape_in(record, weight);
    tape_out(record, graph, y);
    tape_out(record, graph, rstd);
    record->u.eps = eps;
    RmsnormPush push = {.rows = (uint32_t)x->rows, .cols = (uint32_t)x->cols, .eps = eps};
    Node *node = graph_node(graph, "rmsnorm_fwd", name, "fwd", &push, sizeof push);
    node_bind(node, x);
    node_bind(node, weight);
    node_bind(node, y);
    node_bind(node, rstd);
    node_patch_rows(node, offsetof(RmsnormPush, rows), x, 1);
    tape_end(graph);
    return y;
}
