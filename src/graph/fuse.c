/* Neighbouring dispatches that one kernel does together. The values are the same bits, so a
 * recomputed copy may stay apart while the original was fused, and the other way round. */
#include <assert.h>
#include <string.h>

#include "add.push.h"
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

/* x = a + b, then y = norm(x): a row of x is still at hand when it is summed up. */
static bool fuse_add_norm(const Node *add, const Node *norm, Node *out)
{
    AddPush push;
    if (!is_family(add, "add") || !is_family(norm, "rmsnorm_fwd"))
        return false;
    memcpy(&push, add->push, sizeof push);
    if (push.accumulate || !same_view(&add->bind[2], &norm->bind[0]) ||
        !is_whole(&norm->bind[0]) || add->guard != norm->guard ||
        add->guard_above != norm->guard_above)
        return false;
    *out = *norm;
    out->family = "add_rmsnorm_fwd";
    const View views[] = {add->bind[0], add->bind[1], norm->bind[1], add->bind[2], norm->bind[2],
                          norm->bind[3]};
    memcpy(out->bind, views, sizeof views);
    out->bind_count = COUNT_OF(views);
    return true;
}

typedef bool (*Fusion)(const Node *first, const Node *second, Node *out);
static const Fusion fusions[] = {fuse_add_norm};

void graph_fuse(Graph *graph)
{
    uint32_t kept = 0, backward = graph->backward_node;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        Node node = graph->nodes[i];
        if (i == backward)
            graph->backward_node = kept;
        for (uint32_t f = 0; f < COUNT_OF(fusions) && i + 1 < graph->node_count; f++)
            if (i + 1 != backward && fusions[f](&graph->nodes[i], &graph->nodes[i + 1], &node)) {
                i++;
                break;
            }
        graph->nodes[kept++] = node;
    }
    graph->node_count = kept;
}
