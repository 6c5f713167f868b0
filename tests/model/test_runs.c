/* What a step may be cut into: two rows give the gradients of one packed row, a longer row
 * changes nothing; and the comparison with the interpreter finds the node that differs.
 * Usage: test_runs GOLDEN_FOLDER [DEVICE [CAPS]] */
#include "random.h"
#include "test.h"

typedef struct Machine {
    Test *test;
    const Model *model;
    const Lora *lora;
    Gpu *gpu;
    Graph *graph;
    Plan *plan;
    Store *store;
    Program *program;
} Machine;

static bool start_build(Machine *m, ModelBuild build)
{
    build.range = gpu_caps(m->gpu)->storage_range;
    build.lora = m->lora;
    if (!CHECK_OK(m->test, model_build(m->model, &build, &m->graph)) ||
        !CHECK_OK(m->test, plan_create(m->graph, gpu_caps(m->gpu), &m->plan)))
        return false;
    PlannedGraph planned = {m->graph, m->plan};
    return CHECK_OK(m->test, store_create(m->gpu, &planned, 1, &m->store)) &&
           CHECK_OK(m->test, model_upload(m->model, m->store)) &&
           CHECK_OK(m->test, program_create(m->gpu, &planned, m->store, &m->program));
}

static bool start(Machine *m, uint32_t row_tokens, uint32_t recompute, uint32_t layers)
{
    return start_build(m, (ModelBuild){.mode = MODEL_TRAIN, .row_tokens = row_tokens,
                                       .recompute = recompute, .recompute_layers = layers});
}

static void stop(Machine *m)
{
    program_destroy(&m->program);
    store_destroy(&m->store);
    plan_destroy(&m->plan);
    graph_destroy(&m->graph);
}

/* Rows [begin, end) and labels [first, first + count) of the packed case as a row of its own. */
static void run_part(Machine *m, const Packed *all, uint32_t begin, uint32_t end, uint32_t first,
                     uint32_t count)
{
    Packed part;
    memset(&part, 0, sizeof part);
    for (uint32_t i = begin; i < end; i++) {
        part.tokens[i - begin] = all->tokens[i];
        part.positions[i - begin] = all->positions[i];
        part.span[2 * (i - begin)] = all->span[2 * i] - begin;
        part.span[2 * (i - begin) + 1] = all->span[2 * i + 1] - begin;
        part.last[i - begin] = all->last[i] - begin;
    }
    for (uint32_t i = 0; i < count; i++) {
        part.label_rows[i] = all->label_rows[first + i] - begin;
        part.labels[i] = all->labels[first + i];
        part.label_weights[i] = 1;
    }
    Values values = packed_values(end - begin);
    values.at[VALUE_LABELS] = count;
    CHECK_OK(m->test, packed_device(m->lora, m->store, m->program, &part));
    CHECK_OK(m->test, program_run(m->program, &values));
}

/* All gradients one after another. */
static float *gradients(Machine *m, uint64_t *count)
{
    const Parameters *set = lora_parameters(m->lora);
    float *all = MEM_NEW_ARRAY(float, parameters_values(set));
    *count = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        CHECK_OK(m->test, store_get(m->store, LIFE_GRADIENT, &set->items[i], all + *count));
        *count += set->items[i].rows * set->items[i].cols;
    }
    return all;
}

static double apart(const float *want, const float *got, uint64_t count)
{
    double error = 0, size = 0;
    for (uint64_t i = 0; i < count; i++) {
        error += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        size += (double)want[i] * want[i];
    }
    return sqrt(error / size);
}

static void test_parts(Machine m, const Packed *packed)
{
    uint64_t count;
    float *whole = NULL, *other = NULL;
    if (start(&m, PACKED_ROWS, 0, 0)) {
        run_part(&m, packed, 0, PACKED_LIVE, 0, PACKED_LABELS);
        whole = gradients(&m, &count);
        CHECK_OK(m.test, store_clear(m.store, LIFE_GRADIENT));
        run_part(&m, packed, 0, 29, 0, 18);
        run_part(&m, packed, 29, PACKED_LIVE, 18, PACKED_LABELS - 18);
        other = gradients(&m, &count);
        printf("two rows for one: gradients differ by %.2g\n", apart(whole, other, count));
        CHECK(m.test, apart(whole, other, count) <= 1e-5);
        free(other);
        CHECK_OK(m.test, store_clear(m.store, LIFE_GRADIENT));
        run_part(&m, packed, 0, 29, 0, 0);    /* nothing supervised: nothing learnt */
        other = gradients(&m, &count);
        bool zero = true;
        for (uint64_t i = 0; i < count; i++)
            zero = zero && other[i] == 0;
        CHECK(m.test, zero);
        free(other);
    }
    stop(&m);
    if (whole && start(&m, 2 * PACKED_ROWS, 2, 1)) {
        run_part(&m, packed, 0, PACKED_LIVE, 0, PACKED_LABELS);
        other = gradients(&m, &count);
        printf("a row twice as long, one layer recomputed: %.2g\n", apart(whole, other, count));
        CHECK(m.test, apart(whole, other, count) <= 1e-5);
        free(other);
    }
    stop(&m);
    free(whole);
}

static void test_compare(Machine m, const Packed *packed)
{
    Interp *interp = NULL;
    char report[256] = "untouched";
    Values values = packed_values(PACKED_ROWS);
    if (start(&m, PACKED_ROWS, 1, 0) &&
        CHECK_OK(m.test, packed_interp(m.model, m.lora, m.graph, packed, &interp)) &&
        CHECK_OK(m.test, packed_device(m.lora, m.store, m.program, packed))) {
        CHECK_OK(m.test, program_compare(m.program, interp, &values, 1e-4, report, sizeof report));
        CHECK_STRING(m.test, "", report);
        interp_data(interp, graph_find(m.graph, "blk.1.ffn_norm.weight"))[5] += 0.5;
        CHECK_OK(m.test, program_compare(m.program, interp, &values, 1e-4, report, sizeof report));
        CHECK(m.test, !strncmp(report, "blk.1.ffn_norm.fwd", 18));
        printf("a wrong weight is reported as: %s\n", report);
    }
    interp_destroy(&interp);
    stop(&m);
}

/* Three tokens of one sequence in a pass, with adapters: the kernels of decoding, one by one. */
static void test_decode(Machine m)
{
    enum { ROWS = 3 };
    static const uint32_t tokens[ROWS] = {7, 41, 3}, order[ROWS] = {0, 1, 2};
    static const uint32_t span[2 * ROWS] = {0, 1, 0, 2, 0, 3};
    const struct { const char *name; const uint32_t *data; uint32_t words; } inputs[] = {
        {"tokens", tokens, ROWS}, {"positions", order, ROWS}, {"slots", order, ROWS},
        {"span", span, 2 * ROWS}, {"label_rows", order, ROWS},
    };
    const Parameters *set = lora_parameters(m.lora);
    Interp *interp = NULL;
    char report[256] = "untouched";
    Values values = {{0}};
    values.at[VALUE_ROWS] = values.at[VALUE_LABELS] = ROWS;
    if (start_build(&m, (ModelBuild){.mode = MODEL_DECODE, .row_tokens = ROWS, .positions = 16,
                                     .cache_rows = 16}) &&
        CHECK_OK(m.test, interp_create(m.graph, &interp)) &&
        CHECK_OK(m.test, model_load_interp(m.model, m.graph, interp))) {
        for (uint32_t i = 0; i < COUNT_OF(inputs); i++) {
            interp_load(interp, graph_find(m.graph, inputs[i].name), inputs[i].data);
            CHECK_OK(m.test, program_write(m.program, inputs[i].name, inputs[i].data,
                                           4ull * inputs[i].words));
        }
        for (uint32_t i = 0; i < set->count; i++) {
            uint64_t count = set->items[i].rows * set->items[i].cols;
            float *adapter = MEM_NEW_ARRAY(float, count);
            for (uint64_t v = 0; v < count; v++)
                adapter[v] = packed_adapter(i, v);
            interp_load(interp, graph_find(m.graph, set->items[i].name), adapter);
            CHECK_OK(m.test, store_set(m.store, LIFE_PARAMETER, &set->items[i], adapter));
            free(adapter);
        }
        CHECK_OK(m.test, program_compare(m.program, interp, &values, 1e-4, report, sizeof report));
        CHECK_STRING(m.test, "", report);
    }
    interp_destroy(&interp);
    stop(&m);
}

int main(int argc, char **argv)
{
    Test test = {.name = "runs"};
    RandomModel small;
    if (random_open(&test, argc, argv, &small)) {
        Machine machine = {.test = &test, .model = small.model, .lora = small.lora, .gpu = small.gpu};
        Packed packed = packed_case(model_config(small.model)->vocab);
        test_parts(machine, &packed);
        test_compare(machine, &packed);
        test_decode(machine);
    }
    random_close(&small);
    return test_end(&test);
}
