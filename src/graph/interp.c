#include "graph/interp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct Interp {
    const Graph *graph;
    double **data;           /* one per tensor */
};

static bool in_parameters(const Tensor *stretch, const Tensor *tensor, uint64_t *first)
{
    *first = tensor->offset - stretch->offset;
    return stretch->chunk == tensor->chunk && stretch->offset <= tensor->offset &&
           stretch->offset + stretch->cols >= tensor->offset + tensor_elements(tensor);
}

static bool in_chain(const Tensor *stretch, const Tensor *tensor, uint64_t *first)
{
    *first = 0;
    const Tensor *part = stretch->next;
    for (; part && part != tensor; part = part->next)
        *first += dtype_elements(part->dtype, tensor_elements(part));
    return part != NULL;
}

/* The tensor whose memory this one lies in, from element *first on: its whole, or a stretch of
 * parameters or weights, if there is one, or itself. */
static const Tensor *holder(const Graph *graph, const Tensor *tensor, uint64_t *first)
{
    if (tensor->whole) {
        *first = tensor->offset;
        return tensor->whole;
    }
    bool chained = tensor->life == LIFE_WEIGHT && (tensor->next || tensor->follows);
    for (uint32_t i = 0; (tensor->life == LIFE_PARAMETER || chained) && i < graph->tensor_count;
         i++) {
        const Tensor *other = graph->tensors[i];
        if (other->stretch && other->life == tensor->life && other != tensor &&
            (chained ? in_chain : in_parameters)(other, tensor, first))
            return other;
    }
    *first = 0;
    return tensor;
}

tmb_status interp_create(const Graph *graph, Interp **out)
{
    Interp *interp = MEM_NEW(Interp);
    uint64_t first;
    interp->graph = graph;
    interp->data = MEM_NEW_ARRAY(double *, graph->tensor_count + 1);
    for (uint32_t i = 0; i < graph->tensor_count; i++) {
        const Tensor *tensor = graph->tensors[i];
        uint64_t count = dtype_elements(tensor->dtype, tensor_elements(tensor));
        if (holder(graph, tensor, &first) != tensor)
            continue;
        interp->data[i] = mem_try(count, sizeof(double));
        if (!interp->data[i]) {
            interp_destroy(&interp);
            return fail(TMB_OUT_OF_HOST,
                        "the interpreter needs %.1f MiB of main memory for %s; use a smaller "
                        "model or fewer tokens",
                        (double)count * 8 / (1 << 20), tensor->name);
        }
    }
    for (uint32_t i = 0; i < graph->tensor_count; i++) {
        const Tensor *tensor = graph->tensors[i], *whole = holder(graph, tensor, &first);
        if (whole != tensor)
            interp->data[i] = interp->data[whole->index] + first;
    }
    *out = interp;
    return TMB_OK;
}

void interp_destroy(Interp **interp)
{
    if (!*interp)
        return;
    const Graph *graph = (*interp)->graph;
    uint64_t first;
    for (uint32_t i = 0; i < graph->tensor_count; i++)
        if (holder(graph, graph->tensors[i], &first) == graph->tensors[i])
            free((*interp)->data[i]);
    free((*interp)->data);
    free(*interp);
    *interp = NULL;
}

double *interp_data(Interp *interp, const Tensor *tensor)
{
    return interp->data[tensor->index];
}

void interp_load(Interp *interp, const Tensor *tensor, const void *bytes)
{
    double *to = interp->data[tensor->index];
    uint64_t count = dtype_elements(tensor->dtype, tensor_elements(tensor));
    const unsigned char *from = bytes;
    bool half = tensor->dtype == DTYPE_F16 || tensor->dtype == DTYPE_BF16;
    uint64_t available = dtype_bytes(tensor->dtype, tensor_elements(tensor));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t size = half ? 2 : 4, left = available - i * size;
        uint32_t word = 0;
        float real;
        memcpy(&word, from + i * size, left < size ? left : size);
        memcpy(&real, &word, 4);
        if (tensor->dtype == DTYPE_F32)
            to[i] = real;
        else if (tensor->dtype == DTYPE_F16)
            to[i] = half_to_float((uint16_t)word);
        else if (tensor->dtype == DTYPE_BF16)
            to[i] = bfloat_to_float((uint16_t)word);
        else
            to[i] = word;
    }
}

static tmb_status run_node(Interp *interp, const Node *node, const unsigned char *push)
{
    double *bind[GPU_MAX_BIND] = {0};
    for (uint32_t b = 0; b < node->bind_count; b++) {
        const View *view = &node->bind[b];
        bind[b] = interp->data[view->tensor->index] + dtype_elements(view->tensor->dtype, view->offset);
    }
    if (!node->family) {
        for (uint64_t i = 0; i < node->bind[0].count; i++)
            bind[0][i] = 0;
        return TMB_OK;
    }
    const KernelRow *row = node_row(node);
    if (!row || !row->reference)
        return fail(TMB_UNSUPPORTED, "%s: no kernel of family %s reads these types",
                    node->label, node->family);
    row->reference(push, bind);
    return TMB_OK;
}

tmb_status interp_run_node(Interp *interp, uint32_t index, const Values *values)
{
    _Alignas(16) unsigned char push[GPU_MAX_PUSH];
    const Node *node = &interp->graph->nodes[index];
    return node_patch(node, values, push) ? run_node(interp, node, push) : TMB_OK;
}

tmb_status interp_run(Interp *interp, const Values *values, uint32_t count)
{
    uint32_t end = count ? count : interp->graph->node_count;
    for (uint32_t i = 0; i < end; i++)
        TRY(interp_run_node(interp, i, values));
    return TMB_OK;
}
