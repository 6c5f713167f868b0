/* Weights of one type that one vector meets lie one behind the other and are one dispatch while
 * decoding: as many as can be, and with the bits of a dispatch each. */
#include <stdlib.h>

#include "base/rng.h"
#include "graph/ops.h"
#include "graph/program.h"
#include "kernels/decode.h"
#include "device.h"
#include "test.h"

enum { ROWS = 3, MOST_ROWS = 96 };

typedef struct Case {
    Dtype dtype[3];
    uint32_t rows[3], count, cols;
    uint64_t range;          /* 0: the usual */
    uint32_t dispatches;     /* of the chained graph */
} Case;

static const char *const names[] = {"one", "two", "three"};
static const char *const outputs[] = {"out.one", "out.two", "out.three"};

/* What follows from y_i = x · W_iᵀ as outputs of the graph. */
static Graph *build(const Case *c, bool together)
{
    Graph *graph = graph_create(&(GraphParams){.range = c->range});
    Tensor *x = graph_tensor(graph, LIFE_INPUT, DTYPE_F32, ROWS, c->cols, "x");
    Tensor *weights[3], *y[3];
    x->live = VALUE_ROWS;
    for (uint32_t i = 0; i < c->count; i++)
        weights[i] = graph_tensor(graph, LIFE_WEIGHT, c->dtype[i], c->rows[i], c->cols, names[i]);
    if (together)
        graph_linears(graph, x, weights, c->count, y);
    for (uint32_t i = 0; i < c->count; i++) {
        Tensor *product = together ? y[i] : graph_linear(graph, x, weights[i], names[i]);
        Tensor *output = graph_swiglu(graph, product, product, names[i]);
        output->life = LIFE_OUTPUT;
        output->name = outputs[i];
    }
    return graph;
}

static uint32_t matvecs(const Graph *graph)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph->node_count; i++)
        count += graph->nodes[i].family && !strcmp(graph->nodes[i].family, "matvec");
    return count;
}

static tmb_status write_weights(const Case *c, Store *store)
{
    for (uint32_t i = 0; i < c->count; i++) {
        uint64_t bytes = dtype_bytes(c->dtype[i], (uint64_t)c->rows[i] * c->cols);
        double *words = MEM_NEW_ARRAY(double, bytes / 4 + 1);
        uint32_t *data = MEM_NEW_ARRAY(uint32_t, bytes / 4 + 1);
        decode_random_blocks(c->dtype[i], words, bytes / 4 + 1, 5 + i);
        for (uint64_t w = 0; w <= bytes / 4; w++)
            data[w] = (uint32_t)words[w];
        tmb_status status = store_write(store, names[i], 0, data, bytes);
        free(words);
        free(data);
        TRY(status);
    }
    return TMB_OK;
}

/* All outputs for `rows` live rows, one behind the other. */
static tmb_status results(Gpu *gpu, const Case *c, const Graph *graph, const Plan *plan,
                          uint32_t rows, float *out)
{
    PlannedGraph planned = {graph, plan};
    Store *store = NULL;
    Program *program = NULL;
    Values values = {{0}};
    float x[ROWS * 512];
    Rng rng;
    tmb_status status = TMB_OK;
    rng_init(&rng, 3);
    for (uint32_t i = 0; i < ROWS * c->cols; i++)
        x[i] = (float)rng_normal(&rng);
    values.at[VALUE_ROWS] = rows;
    TRY_OR(done, status, store_create(gpu, &planned, 1, &store));
    TRY_OR(done, status, write_weights(c, store));
    TRY_OR(done, status, program_create(gpu, &planned, store, &program));
    TRY_OR(done, status, program_write(program, "x", x, 4ull * ROWS * c->cols));
    TRY_OR(done, status, program_run(program, &values));
    for (uint32_t i = 0; i < c->count; i++, out += ROWS * MOST_ROWS)
        TRY_OR(done, status, program_read(program, outputs[i], out, 4ull * rows * c->rows[i]));
done:
    program_destroy(&program);
    store_destroy(&store);
    return status;
}

static void check_case(Test *test, Gpu *gpu, const Case *c)
{
    Graph *graphs[] = {build(c, false), build(c, true)};
    Plan *plans[2] = {NULL};
    float *got[2] = {NULL};
    CHECK(test, matvecs(graphs[0]) == c->count);
    CHECK(test, matvecs(graphs[1]) == c->dispatches);
    for (uint32_t rows = 1; rows <= ROWS; rows += ROWS - 1) {
        for (unsigned g = 0; g < 2; g++) {
            got[g] = MEM_NEW_ARRAY(float, 3 * ROWS * MOST_ROWS);
            if (!plans[g] && CHECK_OK(test, plan_create(graphs[g], gpu_caps(gpu), &plans[g])))
                CHECK(test, !plan_overlaps(graphs[g], plans[g]));
            if (plans[g])
                CHECK_OK(test, results(gpu, c, graphs[g], plans[g], rows, got[g]));
        }
        CHECK(test, got[0][0] != 0);
        CHECK(test, !memcmp(got[0], got[1], 3 * ROWS * MOST_ROWS * sizeof(float)));
        free(got[0]);
        free(got[1]);
    }
    for (unsigned g = 0; g < 2; g++) {
        plan_destroy(&plans[g]);
        graph_destroy(&graphs[g]);
    }
}

static const Case cases[] = {
    {{DTYPE_Q4_1, DTYPE_Q4_1, DTYPE_Q4_1}, {64, 32, 32}, 3, 128, 0, 1},
    {{DTYPE_Q8_0, DTYPE_Q8_0}, {96, 96}, 2, 128, 0, 1},
    /* as in files of mixed types */
    {{DTYPE_Q4_K, DTYPE_Q4_K, DTYPE_Q6_K}, {32, 64, 32}, 3, 256, 0, 2},
    {{DTYPE_Q4_K, DTYPE_Q6_K, DTYPE_Q6_K}, {32, 64, 32}, 3, 512, 0, 2},
    /* 6,930 bytes: the second would not begin where a binding may */
    {{DTYPE_Q6_K, DTYPE_Q6_K}, {33, 33}, 2, 256, 0, 2},
    /* together more than a binding covers: the first two are one */
    {{DTYPE_Q4_1, DTYPE_Q4_1, DTYPE_Q4_1}, {64, 32, 32}, 3, 128, 8192, 2},
};

int main(void)
{
    Test test = {.name = "chain"};
    static const char *const caps[] = {NULL, "none"};
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        Gpu *gpu = test_device(&test, caps[i]);
        for (size_t k = 0; gpu && k < COUNT_OF(cases); k++)
            check_case(&test, gpu, &cases[k]);
        gpu_close(&gpu);
    }
    return test_end(&test);
}
