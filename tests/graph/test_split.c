/* Weights beyond what one binding covers are read in blocks of rows. Rows of many types are no
 * multiple of four bytes (Q3_K: 110 for 256 values), blocks still begin where a binding may, and
 * the last one may end within a word. Node by node against the interpreter, and products
 * with whole rows of the weight bit for bit against those of the whole weight. */
#include <stdlib.h>

#include "base/rng.h"
#include "graph/ops.h"
#include "graph/program.h"
#include "kernels/decode.h"
#include "device.h"
#include "in_tile.h"
#include "test.h"

enum { ROWS = 3 };

typedef struct Case {
    Dtype dtype;
    uint32_t rows, cols;
} Case;

/* First those whose rows are no multiple of four bytes. What is left for the last block is more than the 32
 * rows of matmul_nt_rank, which adds up in another order. */
static const Case cases[] = {
    {DTYPE_Q3_K, 301, 256},  {DTYPE_IQ4_NL, 601, 96}, {DTYPE_Q6_K, 301, 256},
    {DTYPE_Q5_0, 601, 96},   {DTYPE_Q8_0, 501, 96},   {DTYPE_Q4_0, 601, 96},
    {DTYPE_Q2_K, 441, 256},  {DTYPE_Q5_K, 301, 256},
};

typedef enum Kind { EXPANDED, HALF, IN_TILE, HALF_IN_TILE, DIRECT, KINDS } Kind;

typedef struct Machine {
    Test *test;
    Gpu *gpu;
    const Case *c;
    Graph *graph;
    Plan *plan;
    Store *store;
    Program *program;
} Machine;

/* EXPANDED, HALF and the same decoded by the products: y = x · Wᵀ and the gradient of x. DIRECT: the same product read from the
 * stored type, and rows of the weight as an embedding. */
static Graph *build(const Case *c, Kind kind, uint64_t range)
{
    bool train = kind != DIRECT;
    const uint32_t types = kind == IN_TILE || kind == HALF_IN_TILE ? UINT32_MAX : 0;
    Graph *graph = graph_create(&(GraphParams){.range = range, .train = train,
                                               .half = kind == HALF || kind == HALF_IN_TILE,
                                               .in_tile = {types, types}});
    Tensor *x = graph_tensor(graph, train ? LIFE_PARAMETER : LIFE_INPUT, DTYPE_F32, ROWS, c->cols, "x");
    Tensor *weight = graph_tensor(graph, LIFE_WEIGHT, c->dtype, c->rows, c->cols, "w");
    Tensor *y = graph_linear(graph, x, weight, "w");
    y->life = LIFE_OUTPUT;
    y->name = "y";
    if (train) {
        Tensor *seed = graph_tensor(graph, LIFE_INPUT, DTYPE_F32, ROWS, c->rows, "seed");
        graph_backward(graph, y, seed);
        return graph;
    }
    Tensor *ids = graph_tensor(graph, LIFE_INPUT, DTYPE_U32, ROWS, 1, "ids");
    Tensor *rows = graph_embedding(graph, ids, weight, "table");
    rows->life = LIFE_OUTPUT;
    rows->name = "rows";
    return graph;
}

/* Dispatches that read the weight; all must begin where a binding may. */
static uint32_t blocks_of(Test *test, const Graph *graph)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < graph->node_count; n++)
        for (uint32_t b = 0; b < graph->nodes[n].bind_count; b++) {
            const View *view = &graph->nodes[n].bind[b];
            if (view->tensor->life != LIFE_WEIGHT)
                continue;
            CHECK(test, dtype_bytes(view->tensor->dtype, view->offset) % 256 == 0);
            count++;
        }
    return count;
}

static bool start(Machine *m, Kind kind, uint64_t range)
{
    m->graph = build(m->c, kind, range);
    PlannedGraph planned = {m->graph, NULL};
    if (!CHECK_OK(m->test, plan_create(m->graph, gpu_caps(m->gpu), &m->plan)))
        return false;
    planned.plan = m->plan;
    return CHECK_OK(m->test, store_create(m->gpu, &planned, 1, &m->store)) &&
           CHECK_OK(m->test, program_create(m->gpu, &planned, m->store, &m->program));
}

static void stop(Machine *m)
{
    program_destroy(&m->program);
    store_destroy(&m->store);
    plan_destroy(&m->plan);
    graph_destroy(&m->graph);
}

/* The value to device and interpreter. */
static tmb_status give(Machine *m, Interp *interp, const char *name, const void *data)
{
    const Tensor *tensor = graph_find(m->graph, name);
    uint64_t bytes = dtype_bytes(tensor->dtype, tensor_elements(tensor));
    interp_load(interp, tensor, data);
    if (tensor->life == LIFE_INPUT)
        return program_write(m->program, name, data, bytes);
    if (tensor->life == LIFE_WEIGHT)
        return store_write(m->store, name, 0, data, bytes);
    return store_set(m->store, LIFE_PARAMETER,
                     &(Parameter){.name = name, .rows = tensor->rows, .cols = tensor->cols}, data);
}

static tmb_status give_floats(Machine *m, Interp *interp, const char *name)
{
    const Tensor *tensor = graph_find(m->graph, name);
    float *values = MEM_NEW_ARRAY(float, tensor_elements(tensor));
    Rng rng;
    rng_init(&rng, 7);
    for (uint64_t i = 0; i < tensor_elements(tensor); i++)
        values[i] = (float)rng_normal(&rng);
    tmb_status status = give(m, interp, name, values);
    free(values);
    return status;
}

static tmb_status give_weight(Machine *m, Interp *interp)
{
    uint64_t count = dtype_bytes(m->c->dtype, (uint64_t)m->c->rows * m->c->cols) / 4 + 1;
    double *words = MEM_NEW_ARRAY(double, count);
    uint32_t *data = MEM_NEW_ARRAY(uint32_t, count);
    decode_random_blocks(m->c->dtype, words, count, 11);
    for (uint64_t i = 0; i < count; i++)
        data[i] = (uint32_t)words[i];
    tmb_status status = give(m, interp, "w", data);
    free(words);
    free(data);
    return status;
}

static tmb_status give_all(Machine *m, Interp *interp)
{
    const uint32_t ids[ROWS] = {m->c->rows - 1, 0, m->c->rows / 2};
    TRY(give_weight(m, interp));
    TRY(give_floats(m, interp, "x"));
    return graph_find(m->graph, "ids") ? give(m, interp, "ids", ids) : give_floats(m, interp, "seed");
}

/* Compares node by node, runs, and brings back y. */
static uint32_t outcome(Machine *m, Kind kind, uint64_t range, float *y)
{
    char report[256] = "not compared";
    Interp *interp = NULL;
    Values values = {{0}};
    uint32_t blocks = 0;
    if (start(m, kind, range) && CHECK_OK(m->test, interp_create(m->graph, &interp)) &&
        CHECK_OK(m->test, give_all(m, interp))) {
        blocks = blocks_of(m->test, m->graph);
        CHECK_OK(m->test, program_compare(m->program, interp, &values, 1e-5, report, sizeof report));
        CHECK_STRING(m->test, "", report);
        CHECK_OK(m->test, program_run(m->program, &values));
        CHECK_OK(m->test, program_read(m->program, "y", y, 4ull * ROWS * m->c->rows));
    }
    interp_destroy(&interp);
    stop(m);
    return blocks;
}

static void check_case(Test *test, Gpu *gpu, const Case *c)
{
    /* blocks of at least 128 rows fit, expanded or stored */
    static const uint64_t ranges[KINDS] = {160 << 10, 160 << 10, 28 << 10, 28 << 10, 28 << 10};
    uint64_t count = (uint64_t)ROWS * c->rows;
    float *whole = MEM_NEW_ARRAY(float, count), *split = MEM_NEW_ARRAY(float, count);
    for (Kind kind = EXPANDED; kind < KINDS; kind++) {
        Machine m = {.test = test, .gpu = gpu, .c = c};
        if (kind == HALF_IN_TILE && c->dtype != DTYPE_Q4_0)
            continue;      /* emulated for few types */
        CHECK(test, outcome(&m, kind, 0, whole) == 2);
        CHECK(test, outcome(&m, kind, ranges[kind], split) > 2);
        /* vectors may meet blocks of whole words in another kernel than the ragged whole */
        if (!CHECK(test, kind == DIRECT || !memcmp(whole, split, count * sizeof *whole)))
            printf("  way %d of %s, %u x %u\n", (int)kind, dtype_info(c->dtype)->name, c->rows, c->cols);
    }
    free(whole);
    free(split);
}

int main(void)
{
    Test test = {.name = "split"};
    static const char *const caps[] = {NULL, "none"};
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        Gpu *gpu = test_device(&test, caps[i]);
        if (gpu)
            call_in_tile_faster(gpu);
        /* the floor's kernels take a CPU driver long */
        for (size_t k = 0; gpu && k < (caps[i] ? 2 : COUNT_OF(cases)); k++)
            check_case(&test, gpu, &cases[k]);
        gpu_close(&gpu);
    }
    return test_end(&test);
}
