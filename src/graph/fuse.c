/* Neighbouring dispatches that one kernel does together. The values are the same bits, so a
 * recomputed copy may stay apart while the original was fused, and the other way round. */
#include <assert.h>
#include <string.h>

#include "add.push.h"
#include "cast_half.push.h"
#include "graph/graph.h"
#include "graph/ops.h"
#include "rmsnorm.push.h"

static bool is_whole(const View *view)
{
    return view->offset == 0 && view->count == tensor_elements(view->tensor);
}

static bool same_view(const View *a, const View *b)
{
    return a->tensor == b->tensor && a->offset == b->offset && a->count == b->count;
}

static bool is_family(const Node *node, const char *family)
{
    return node->family && !strcmp(node->family, family);
}

static bool same_guard(const Node *a, const Node *b)
{
    return a->guard == b->guard && a->guard_above == b->guard_above;
}

/* x = a + b, then y = norm(x): a row of x is still at hand when it is summed up. */
static bool fuse_add_norm(const Graph *graph, const Node *add, const Node *norm, Node *out)
{
    (void)graph;
    AddPush push;
    if (!is_family(add, "add") || !is_family(norm, "rmsnorm_fwd"))
        return false;
    memcpy(&push, add->push, sizeof push);
    if (push.accumulate || !same_view(&add->bind[2], &norm->bind[0]) ||
        !is_whole(&norm->bind[0]) || !same_guard(add, norm))
        return false;
    *out = *norm;
    out->family = "add_rmsnorm_fwd";
    const View views[] = {add->bind[0], add->bind[1], norm->bind[1], add->bind[2], norm->bind[2],
                          norm->bind[3]};
    memcpy(out->bind, views, sizeof views);
    out->bind_count = COUNT_OF(views);
    return true;
}

static uint32_t uses_of(const Graph *graph, const Tensor *tensor)
{
    uint32_t uses = 0;
    for (uint32_t n = 0; n < graph->node_count; n++)
        for (uint32_t b = 0; b < graph->nodes[n].bind_count; b++)
            uses += graph->nodes[n].bind[b].tensor == tensor;
    return uses;
}

/* y = norm(x), perhaps of a sum, then y as f16: rounded while it is at hand, and stored as f32
 * only where anything else reads it. */
static bool fuse_norm_cast(const Graph *graph, const Node *norm, const Node *cast, Node *out)
{
    const bool add = is_family(norm, "add_rmsnorm_fwd");
    CastHalfPush cast_push;
    RmsnormPush push;
    if ((!add && !is_family(norm, "rmsnorm_fwd")) || !is_family(cast, "cast_half"))
        return false;
    memcpy(&cast_push, cast->push, sizeof cast_push);
    memcpy(&push, norm->push, sizeof push);
    const View *y = &norm->bind[norm->bind_count - 2], rstd = norm->bind[norm->bind_count - 1];
    if (!same_view(y, &cast->bind[0]) || !is_whole(y) || cast_push.first ||
        cast_push.rows != push.rows || !same_guard(norm, cast))
        return false;
    /* one use is the norm's, one the cast's */
    RmsnormPush both = {.rows = push.rows, .cols = push.cols, .eps = push.eps,
                            .keep = y->tensor->life != LIFE_WORK || uses_of(graph, y->tensor) > 2};
    *out = *norm;
    memset(out->push, 0, sizeof out->push);
    memcpy(out->push, &both, sizeof both);
    out->family = add ? "add_rmsnorm_half_fwd" : "rmsnorm_half_fwd";
    if (!both.keep)
        out->bind[norm->bind_count - 2] = rstd;
    out->bind[out->bind_count++] = cast->bind[1];
    out->bind[out->bind_count++] = cast->bind[2];
    return true;
}

typedef bool (*Fusion)(const Graph *graph, const Node *first, const Node *second, Node *out);
static const Fusion fusions[] = {fuse_add_norm, fuse_norm_cast};

static bool fuse(const Graph *graph, Node *node, const Node *next)
{
    const Node first = *node;
    bool fused = false;
    for (uint32_t f = 0; f < COUNT_OF(fusions) && !fused; f++)
        fused = fusions[f](graph, &first, next, node);
    return fused;
}

void graph_fuse(Graph *graph)
{
    uint32_t kept = 0, backward = graph->backward_node;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        Node node = graph->nodes[i];
        if (i == backward)
            graph->backward_node = kept;
        while (i + 1 < graph->node_count && i + 1 != backward &&
               fuse(graph, &node, &graph->nodes[i + 1]))
            i++;
        graph->nodes[kept++] = node;
    }
    graph->node_count = kept;
}
