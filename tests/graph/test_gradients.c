/* Every op's backward against central differences, in double by the interpreter. */
#include <stdlib.h>

#include "base/rng.h"
#include "graph/interp.h"
#include "graph/ops.h"
#include "test.h"

enum { ROWS = 7 };

/* A graph whose parameters are checked: f(p) = Σ seed·output (or Σ loss) forwards, and its
 * gradients backwards. */
typedef struct Probe {
    Test *test;
    Graph *graph;
    Tensor *output;          /* NULL: losses */
    Interp *interp;
    Values values;
    Rng rng;
} Probe;

static Tensor *parameter(Probe *probe, uint64_t rows, uint64_t cols, const char *name)
{
    Tensor *tensor = graph_tensor(probe->graph, LIFE_PARAMETER, DTYPE_F32, rows, cols, name);
    if (rows == ROWS)
        tensor->live = VALUE_ROWS;
    return tensor;
}

static Tensor *words(Probe *probe, uint64_t rows, uint64_t cols, ValueId live, const char *name)
{
    Tensor *tensor = graph_tensor(probe->graph, LIFE_INPUT, DTYPE_U32, rows, cols, name);
    tensor->live = live;
    return tensor;
}

static void begin(Probe *probe, Test *test, GraphParams params)
{
    *probe = (Probe){.test = test};
    params.train = true;
    probe->graph = graph_create(&params);
    probe->values.at[VALUE_ROWS] = ROWS;
    probe->values.at[VALUE_LABELS] = 5;
    probe->values.at[VALUE_LOSS_SCALE] = 0.25;
    rng_init(&probe->rng, 11);
}

/* Adds backward nodes, allocates, draws every float leaf from the normal distribution. */
static bool compile(Probe *probe, Tensor *output)
{
    probe->output = output;
    Tensor *seed = NULL;
    if (output) {
        seed = graph_tensor(probe->graph, LIFE_INPUT, DTYPE_F32, output->rows, output->cols,
                            "seed");
        seed->live = output->live;
    }
    graph_backward(probe->graph, output, seed);
    graph_fuse(probe->graph);
    if (!CHECK_OK(probe->test, interp_create(probe->graph, &probe->interp)))
        return false;
    for (uint32_t i = 0; i < probe->graph->tensor_count; i++) {
        const Tensor *tensor = probe->graph->tensors[i];
        if ((tensor->life != LIFE_PARAMETER && tensor->life != LIFE_INPUT &&
             tensor->life != LIFE_WEIGHT) || tensor->dtype != DTYPE_F32)
            continue;
        double *data = interp_data(probe->interp, tensor);
        for (uint64_t v = 0; v < tensor_elements(tensor); v++)
            data[v] = rng_normal(&probe->rng);
    }
    return true;
}

static void set_words(Probe *probe, const char *name, const uint32_t *values, uint32_t count)
{
    double *data = interp_data(probe->interp, graph_find(probe->graph, name));
    for (uint32_t i = 0; i < count; i++)
        data[i] = values[i];
}

static double objective(Probe *probe)
{
    CHECK_OK(probe->test,
             interp_run(probe->interp, &probe->values, probe->graph->backward_node));
    double sum = 0;
    if (!probe->output) {
        const double *losses = interp_data(probe->interp, graph_find(probe->graph, "losses"));
        const double *weights = interp_data(probe->interp, graph_find(probe->graph, "weights"));
        for (uint32_t i = 0; i < probe->values.at[VALUE_LABELS]; i++)
            sum += losses[i] * weights[i] * probe->values.at[VALUE_LOSS_SCALE];
        return sum;
    }
    const Tensor *output = probe->output;
    const double *y = interp_data(probe->interp, output);
    const double *seed = interp_data(probe->interp, graph_find(probe->graph, "seed"));
    uint64_t rows = output->live ? (uint64_t)probe->values.at[output->live] : output->rows;
    for (uint64_t i = 0; i < rows * output->cols; i++)
        sum += y[i] * seed[i];
    return sum;
}

/* The gradient of one whole run, aside: a loss emits gradients among its forward nodes, and
 * they add up over the runs of the difference quotients. */
static double *gradients_of(Probe *probe, const Tensor *tensor)
{
    uint64_t count = tensor_elements(tensor);
    double *held = interp_data(probe->interp, tensor->grad);
    double *gradient = MEM_NEW_ARRAY(double, count);
    memset(held, 0, count * sizeof *held);
    CHECK_OK(probe->test, interp_run(probe->interp, &probe->values, 0));
    memcpy(gradient, held, count * sizeof *held);
    return gradient;
}

/* ‖analytic − difference quotient‖ / ‖analytic‖ ≤ 1e-6 for one parameter. */
static void check_parameter(Probe *probe, const Tensor *tensor, const char *what)
{
    double *x = interp_data(probe->interp, tensor), error = 0, size = 0, step = 1e-5;
    uint64_t count = tensor_elements(tensor);
    double *gradient = gradients_of(probe, tensor);
    for (uint64_t i = 0; i < count; i++) {
        double old = x[i];
        x[i] = old + step;
        double above = objective(probe);
        x[i] = old - step;
        double below = objective(probe);
        x[i] = old;
        double quotient = (above - below) / (2 * step);
        error += (quotient - gradient[i]) * (quotient - gradient[i]);
        size += gradient[i] * gradient[i];
    }
    if (!CHECK(probe->test, size > 0 && sqrt(error / size) <= 1e-6))
        printf("  %s, %s: %.3g of %.3g\n", what, tensor->name, sqrt(error), sqrt(size));
    free(gradient);
}

static void check(Probe *probe, const char *what)
{
    for (uint32_t i = 0; i < probe->graph->tensor_count; i++)
        if (probe->graph->tensors[i]->life == LIFE_PARAMETER) {
            Tensor *tensor = probe->graph->tensors[i];
            if (CHECK(probe->test, tensor->grad != NULL))
                check_parameter(probe, tensor, what);
        }
    interp_destroy(&probe->interp);
    graph_destroy(&probe->graph);
}

/* ---- the ops ------------------------------------------------------------ */

static void test_rmsnorm(Test *test)
{
    Probe probe;
    begin(&probe, test, (GraphParams){0});
    Tensor *x = parameter(&probe, ROWS, 12, "x"), *w = parameter(&probe, 1, 12, "w");
    if (compile(&probe, graph_rmsnorm(probe.graph, x, w, 1e-5f, "norm")))
        check(&probe, "rmsnorm");
}

typedef struct Hooked {
    Probe *probe;
    uint32_t rank;
} Hooked;

static bool attach(void *context, Graph *graph, const char *name, uint64_t in, uint64_t out,
                   LinearAdapter *adapter)
{
    Hooked *hooked = context;
    (void)name;
    hooked->probe->graph = graph;
    adapter->a = parameter(hooked->probe, hooked->rank, in, "a");
    adapter->b = parameter(hooked->probe, out, hooked->rank, "b");
    adapter->scale = 0.5f;
    return true;
}

/* A trained weight; a frozen one with an adapter, in blocks of 64 rows; few live rows. */
static void test_linear(Test *test)
{
    Probe probe;
    begin(&probe, test, (GraphParams){0});
    Tensor *x = parameter(&probe, ROWS, 10, "x"), *w = parameter(&probe, 6, 10, "w");
    probe.values.at[VALUE_ROWS] = 5;
    if (compile(&probe, graph_linear(probe.graph, x, w, "linear")))
        check(&probe, "linear");

    Hooked hooked = {&probe, 3};
    begin(&probe, test, (GraphParams){.hook = attach, .hook_context = &hooked,
                                      .scratch = 64 * 10 * 4});
    x = parameter(&probe, ROWS, 10, "x");
    w = graph_tensor(probe.graph, LIFE_WEIGHT, DTYPE_F32, 150, 10, "w");
    if (compile(&probe, graph_linear(probe.graph, x, w, "linear"))) {
        uint32_t products = 0;
        for (uint32_t i = 0; i < probe.graph->node_count; i++)
            products += !strcmp(probe.graph->nodes[i].family, "matmul_nt");
        CHECK(test, products == 3 + 2);
        check(&probe, "linear with adapter in blocks");
    }
}

static void test_rope(Test *test)
{
    static const uint32_t positions[ROWS] = {0, 1, 2, 0, 1, 2, 3};
    for (uint32_t pairs = 0; pairs < 2; pairs++) {
        Probe probe;
        RopeShape shape = {.heads = 2, .head_dim = 6, .rope_dims = 4, .pairs = pairs};
        begin(&probe, test, (GraphParams){0});
        Tensor *x = parameter(&probe, ROWS, 12, "x");
        Tensor *at = words(&probe, ROWS, 1, VALUE_ROWS, "positions");
        Tensor *table = graph_tensor(probe.graph, LIFE_INPUT, DTYPE_F32, 4, 4, "table");
        if (compile(&probe, graph_rope(probe.graph, x, at, table, &shape, "rope"))) {
            set_words(&probe, "positions", positions, ROWS);
            check(&probe, pairs ? "rope by halves" : "rope by pairs");
        }
    }
}

/* Two segments of three rows and a dead row; four heads share two key-value heads. */
static void test_attention(Test *test)
{
    static const uint32_t span[2 * ROWS] = {0, 1, 0, 2, 0, 3, 3, 4, 3, 5, 3, 6, 0, 0};
    static const uint32_t last[ROWS] = {3, 3, 3, 6, 6, 6, 6};
    Probe probe;
    AttentionShape shape = {.heads = 4, .kv_heads = 2, .head_dim = 4, .scale = 0.5f};
    begin(&probe, test, (GraphParams){0});
    Tensor *q = parameter(&probe, ROWS, 16, "q"), *k = parameter(&probe, ROWS, 8, "k");
    Tensor *v = parameter(&probe, ROWS, 8, "v");
    Tensor *spans = words(&probe, ROWS, 2, VALUE_ROWS, "span");
    Tensor *ends = words(&probe, ROWS, 1, VALUE_ROWS, "last");
    if (compile(&probe, graph_attention(probe.graph, q, k, v, spans, ends, &shape, "attention"))) {
        set_words(&probe, "span", span, 2 * ROWS);
        set_words(&probe, "last", last, ROWS);
        check(&probe, "attention");
    }
}

static void test_elementwise(Test *test)
{
    Probe probe;
    begin(&probe, test, (GraphParams){0});
    Tensor *a = parameter(&probe, ROWS, 5, "a"), *b = parameter(&probe, ROWS, 5, "b");
    if (compile(&probe, graph_swiglu(probe.graph, a, b, "swiglu")))
        check(&probe, "swiglu");
    begin(&probe, test, (GraphParams){0});
    a = parameter(&probe, ROWS, 5, "a");
    if (compile(&probe, graph_softmax(probe.graph, a, "softmax")))
        check(&probe, "softmax");
    static const uint32_t index[5] = {6, 0, 3, 2, 5};
    begin(&probe, test, (GraphParams){0});
    a = parameter(&probe, ROWS, 5, "a");
    Tensor *rows = words(&probe, 5, 1, VALUE_LABELS, "index");
    Tensor *sum = graph_add(probe.graph, a, graph_softmax(probe.graph, a, "softmax"), "add");
    if (compile(&probe, graph_gather(probe.graph, sum, rows, "gather"))) {
        set_words(&probe, "index", index, 5);
        check(&probe, "gather of a sum");
    }
}

/* Sums hand their gradient's memory on; writes to it must not reach who still reads it. */
static void test_shared_gradients(Test *test)
{
    for (uint32_t recompute = 0; recompute < 3; recompute++) {
        Probe probe;
        begin(&probe, test, (GraphParams){.recompute = recompute});
        Graph *graph = probe.graph;
        Tensor *p = parameter(&probe, ROWS, 6, "p"), *w = parameter(&probe, 6, 6, "w");
        graph_layer(graph, 0, NULL);
        Tensor *x = graph_softmax(graph, p, "x");
        Tensor *s = graph_linear(graph, x, w, "s");       /* reads d(first) while x adds */
        Tensor *first = graph_add(graph, x, s, "first");
        Tensor *z = graph_softmax(graph, first, "z");
        Tensor *t = graph_linear(graph, z, w, "t");
        Tensor *other = graph_softmax(graph, first, "other");
        Tensor *second = graph_add(graph, first, t, "second");
        Tensor *third = graph_add(graph, second, other, "third");
        if (compile(&probe, graph_add(graph, third, z, "fourth")))
            check(&probe, "shared gradients");
    }
}

static uint32_t nodes_of(const Graph *graph, const char *family)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < graph->node_count; i++)
        found += graph->nodes[i].family && !strcmp(graph->nodes[i].family, family);
    return found;
}

/* A norm right after its sum becomes one node, recomputed or not; one of another tensor, or
 * of a sum that came earlier, does not. */
static void test_fused_norms(Test *test)
{
    static const uint32_t fused[3] = {1, 1, 2}, apart[3] = {2, 5, 4};
    for (uint32_t recompute = 0; recompute < 3; recompute++) {
        Probe probe;
        begin(&probe, test, (GraphParams){.recompute = recompute});
        Graph *graph = probe.graph;
        Tensor *p = parameter(&probe, ROWS, 6, "p"), *w = parameter(&probe, 1, 6, "w");
        graph_layer(graph, 0, NULL);
        Tensor *x = graph_softmax(graph, p, "x");
        Tensor *sum = graph_add(graph, p, x, "sum");
        Tensor *normed = graph_rmsnorm(graph, sum, w, 1e-5f, "norm");
        Tensor *again = graph_rmsnorm(graph, sum, w, 1e-5f, "later");
        Tensor *total = graph_add(graph, normed, again, "total");
        Tensor *other = graph_rmsnorm(graph, normed, w, 1e-5f, "other");
        if (!compile(&probe, graph_add(graph, total, other, "last")))
            continue;
        CHECK(test, nodes_of(graph, "add_rmsnorm_fwd") == fused[recompute]);
        CHECK(test, nodes_of(graph, "rmsnorm_fwd") == apart[recompute]);
        check(&probe, "norms of sums");
    }
}

/* Five labels in chunks of two, the head's weight in blocks. */
static void test_loss(Test *test)
{
    static const uint32_t labels[6] = {3, 70, 0, 99, 64, 1};
    for (uint32_t trained = 0; trained < 2; trained++) {
        Probe probe;
        begin(&probe, test, (GraphParams){.logits = 2 * 100 * 4, .scratch = 64 * 8 * 4});
        Tensor *x = parameter(&probe, 6, 8, "x");
        x->live = VALUE_LABELS;
        Tensor *w = graph_tensor(probe.graph, trained ? LIFE_PARAMETER : LIFE_WEIGHT, DTYPE_F32,
                                 100, 8, "w");
        Tensor *ids = words(&probe, 6, 1, VALUE_LABELS, "labels");
        Tensor *weights = graph_tensor(probe.graph, LIFE_INPUT, DTYPE_F32, 6, 1, "weights");
        Tensor *losses = graph_tensor(probe.graph, LIFE_OUTPUT, DTYPE_F32, 6, 1, "losses");
        graph_loss(probe.graph, x, w, ids, weights, losses, "head");
        if (!compile(&probe, NULL))
            continue;
        set_words(&probe, "labels", labels, 6);
        check(&probe, trained ? "loss with a trained head" : "loss");
    }
}

int main(void)
{
    Test test = {.name = "gradients"};
    test_rmsnorm(&test);
    test_linear(&test);
    test_rope(&test);
    test_attention(&test);
    test_elementwise(&test);
    test_shared_gradients(&test);
    test_fused_norms(&test);
    test_loss(&test);
    return test_end(&test);
}
