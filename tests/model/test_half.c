/* Products with f16 operands in a whole model: what they change, that they are the ones that run,
 * and that recomputation and the size of gradients change nothing. Devices without matrix units, or
 * whose units nobody has tried, take the emulated rows.
 * Usage: test_half GOLDEN_FOLDER [DEVICE [CAPS [half]]]: with "half" on matrix units (tests/matrix.h) */
#include "kernels/policy.h"
#include "matmul.push.h"
#include "matrix.h"
#include "random.h"
#include "rmsnorm.push.h"
#include "test.h"

typedef struct Setup {
    Test *test;
    const Model *model;
    const Lora *lora;
    Gpu *gpu;
} Setup;

typedef struct Machine {
    const Setup *setup;
    Graph *graph;
    Plan *plan;
    Store *store;
    Program *program;
} Machine;

/* Losses, then gradients. */
typedef struct Outcome {
    float *values;
    uint64_t count;
    double mean_loss;
} Outcome;

static bool start(Machine *m, ModelBuild build)
{
    Test *test = m->setup->test;
    Gpu *gpu = m->setup->gpu;
    build.range = gpu_caps(gpu)->storage_range;
    build.lora = m->setup->lora;
    if (!CHECK_OK(test, model_build(m->setup->model, &build, &m->graph)) ||
        !CHECK_OK(test, plan_create(m->graph, gpu_caps(gpu), &m->plan)))
        return false;
    PlannedGraph planned = {m->graph, m->plan};
    CHECK(test, !plan_overlaps(m->graph, m->plan));
    return CHECK_OK(test, store_create(gpu, &planned, 1, &m->store)) &&
           CHECK_OK(test, model_upload(m->setup->model, m->store)) &&
           CHECK_OK(test, program_create(gpu, &planned, m->store, &m->program));
}

static void stop(Machine *m)
{
    program_destroy(&m->program);
    store_destroy(&m->store);
    plan_destroy(&m->plan);
    graph_destroy(&m->graph);
}

static void read_outcome(Machine *m, Outcome *out)
{
    Test *test = m->setup->test;
    const Parameters *set = lora_parameters(m->setup->lora);
    out->values = MEM_NEW_ARRAY(float, PACKED_LABELS + parameters_values(set));
    out->count = PACKED_LABELS;
    out->mean_loss = 0;
    CHECK_OK(test, program_read(m->program, "losses", out->values, PACKED_LABELS * 4));
    for (uint32_t i = 0; i < PACKED_LABELS; i++)
        out->mean_loss += out->values[i] / PACKED_LABELS;
    for (uint32_t i = 0; i < set->count; i++) {
        CHECK_OK(test, store_get(m->store, LIFE_GRADIENT, &set->items[i], out->values + out->count));
        out->count += set->items[i].rows * set->items[i].cols;
    }
}

/* One pass over the packed case, its gradients times loss_scale. */
static Outcome run(const Setup *setup, ModelBuild build, double loss_scale)
{
    Machine m = {.setup = setup};
    Outcome out = {0};
    Packed packed = packed_case(model_config(setup->model)->vocab);
    Values values = packed_values(PACKED_LIVE);
    values.at[VALUE_LOSS_SCALE] *= loss_scale;
    build.mode = MODEL_TRAIN;
    build.row_tokens = PACKED_ROWS;
    if (start(&m, build) &&
        CHECK_OK(setup->test, packed_device(setup->lora, m.store, m.program, &packed)) &&
        CHECK_OK(setup->test, program_run(m.program, &values)))
        read_outcome(&m, &out);
    stop(&m);
    return out;
}

/* ‖got / scale − want‖ / ‖want‖ of the gradients; infinite when one of them is not finite. */
static double apart(const Outcome *want, const Outcome *got, double scale)
{
    double error = 0, size = 0;
    for (uint64_t i = PACKED_LABELS; i < want->count && i < got->count; i++) {
        double difference = got->values[i] / scale - want->values[i];
        error += difference * difference;
        size += (double)want->values[i] * want->values[i];
    }
    return size > 0 && isfinite(error) ? sqrt(error / size) : INFINITY;
}

/* The same by the interpreter: double precision, with operands rounded to f16 where `half` says
 * so, and with adapters changed by `noise` of their size. */
static Outcome interpret(const Setup *setup, bool half, double noise)
{
    const Parameters *set = lora_parameters(setup->lora);
    ModelBuild build = {.mode = MODEL_TRAIN, .row_tokens = PACKED_ROWS, .half = half,
                        .lora = setup->lora, .range = gpu_caps(setup->gpu)->storage_range};
    Packed packed = packed_case(model_config(setup->model)->vocab);
    Values values = packed_values(PACKED_LIVE);
    Outcome out = {.values = MEM_NEW_ARRAY(float, PACKED_LABELS + parameters_values(set)),
                   .count = PACKED_LABELS};
    Graph *graph = NULL;
    Interp *interp = NULL;
    bool good = CHECK_OK(setup->test, model_build(setup->model, &build, &graph)) &&
                CHECK_OK(setup->test, packed_interp(setup->model, setup->lora, graph, &packed,
                                                    &interp));
    for (uint32_t i = 0; good && i < set->count; i++) {
        double *adapter = interp_data(interp, graph_find(graph, set->items[i].name));
        for (uint64_t v = 0; v < set->items[i].rows * set->items[i].cols; v++)
            adapter[v] *= 1 + (packed_splitmix(v) % 2 ? noise : -noise);
    }
    good = good && CHECK_OK(setup->test, interp_run(interp, &values, 0));
    for (uint32_t i = 0; good && i < set->count; i++) {
        const Tensor *gradient = graph_find(graph, set->items[i].name)->grad;
        const double *from = interp_data(interp, gradient);
        for (uint64_t v = 0; v < tensor_elements(gradient); v++)
            out.values[out.count++] = (float)from[v];
    }
    interp_destroy(&interp);
    graph_destroy(&graph);
    return out;
}

/* What f16 operands change in the gradients is the rounding of the operands: double precision
 * with these operands changes them as much. Device and double precision agree node by node
 * (test_compare) but not at the end: an error e in an operand takes a share e / u of its values to
 * the other neighbour in f16, u apart, which is an error of √(e u) in the product, and so on, until
 * it is as large as the rounding. Noise in the adapters as small as f32's does the same. */
static void test_rounding(const Setup *setup)
{
    enum { DEVICE, TRUTH, NOISY, VARIANTS };
    Test *test = setup->test;
    Outcome single[VARIANTS], half[VARIANTS];
    for (int h = 0; h < 2; h++) {
        Outcome *of = h ? half : single;
        of[DEVICE] = run(setup, (ModelBuild){.half = h}, 1);
        of[TRUTH] = interpret(setup, h, 0);
        of[NOISY] = interpret(setup, h, 1e-7);
    }
    double here = apart(&single[DEVICE], &half[DEVICE], 1);
    double there = apart(&single[TRUTH], &half[TRUTH], 1);
    double error = apart(&half[TRUTH], &half[DEVICE], 1);
    double noise = apart(&half[TRUTH], &half[NOISY], 1);
    printf("f16 operands change gradients by %.3g, in double precision by %.3g; between the two "
           "lies %.2g, noise of 1e-7 makes %.2g\n", here, there, error, noise);
    CHECK(test, fabs(here - there) <= 0.1 * there);
    CHECK(test, error <= 4 * noise && noise < there);
    /* without f16 nothing of the kind */
    CHECK(test, apart(&single[TRUTH], &single[DEVICE], 1) <= 1e-5);
    CHECK(test, apart(&single[TRUTH], &single[NOISY], 1) <= 1e-5);
    for (int i = 0; i < VARIANTS; i++) {
        free(single[i].values);
        free(half[i].values);
    }
}

static bool same_bits(const Outcome *a, const Outcome *b)
{
    return a->count && a->count == b->count && !memcmp(a->values, b->values, a->count * 4);
}

static void test_numbers(const Setup *setup)
{
    static const ModelBuild levels[] = {{.recompute = 1}, {.recompute = 2, .recompute_layers = 1},
                                        {.recompute = 2}};
    Test *test = setup->test;
    Outcome single = run(setup, (ModelBuild){0}, 1);
    Outcome half = run(setup, (ModelBuild){.half = true}, 1);
    double gradients = apart(&single, &half, 1);
    double loss = fabs(half.mean_loss - single.mean_loss) / single.mean_loss;
    printf("f16 operands: loss differs by %.2g, gradients by %.2g\n", loss, gradients);
    CHECK(test, loss > 0 && loss < 1e-3);
    CHECK(test, gradients > 1e-6 && gradients < 5e-3);
    for (uint32_t i = 0; i < COUNT_OF(levels); i++) {
        ModelBuild build = levels[i];
        build.half = true;
        Outcome other = run(setup, build, 1);
        if (!CHECK(test, same_bits(&half, &other)))
            printf("  recomputation %u of %u layers\n", build.recompute, build.recompute_layers);
        free(other.values);
    }
    for (int power = -60; power <= 60; power += 120) {
        Outcome other = run(setup, (ModelBuild){.half = true}, ldexp(1, power));
        double error = apart(&half, &other, ldexp(1, power));
        printf("gradients times 2^%d: differ by %.2g\n", power, error);
        CHECK(test, error <= 1e-6);
        free(other.values);
    }
    free(single.values);
    free(half.values);
}

static uint32_t nodes_of(const Graph *graph, const char *family)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph->node_count; i++)
        count += graph->nodes[i].family && !strcmp(graph->nodes[i].family, family);
    return count;
}

/* Norms that also leave f32 behind. */
static uint32_t kept_norms(const Graph *graph)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph->node_count; i++)
        if (graph->nodes[i].family && strstr(graph->nodes[i].family, "rmsnorm_half")) {
            RmsnormPush push;
            memcpy(&push, graph->nodes[i].push, sizeof push);
            count += push.keep;
        }
    return count;
}

/* Products with the adapter stay f32; one cast serves q, k and v, one gate and up. Norms do it
 * themselves, and without adapters leave nothing else. */
static void test_nodes(const Setup *setup)
{
    Test *test = setup->test;
    uint32_t layers = model_config(setup->model)->layers;
    Graph *graph = NULL, *bare = NULL;
    ModelBuild build = {.mode = MODEL_EVAL, .row_tokens = PACKED_ROWS, .half = true,
                        .lora = setup->lora};
    CHECK_OK(test, model_build(setup->model, &build, &graph));
    CHECK(test, nodes_of(graph, "matmul_nt_half") == 7 * layers + 1);
    CHECK(test, nodes_of(graph, "matmul_nt") == 2 * 7 * layers);
    CHECK(test, nodes_of(graph, "rmsnorm_half_fwd") == 2 * layers + 1);
    CHECK(test, nodes_of(graph, "cast_half") == 2 * layers);
    CHECK(test, nodes_of(graph, "expand") == 0 && nodes_of(graph, "expand_half") > 0);
    CHECK(test, kept_norms(graph) == 2 * layers);
    graph_destroy(&graph);
    build.lora = NULL;
    CHECK_OK(test, model_build(setup->model, &build, &graph));
    CHECK(test, nodes_of(graph, "rmsnorm_half_fwd") == 2 * layers + 1 && !kept_norms(graph));
    graph_destroy(&graph);
    build.half = false;
    CHECK_OK(test, model_build(setup->model, &build, &bare));
    CHECK(test, nodes_of(bare, "cast_half") == 0 && nodes_of(bare, "expand_half") == 0);
    CHECK(test, nodes_of(bare, "matmul_nt_half") == 0);
    graph_destroy(&bare);
}

/* Node by node against the interpreter, which rounds to f16 where the device does; each node is
 * given what the interpreter has. */
static void test_compare(const Setup *setup)
{
    Machine m = {.setup = setup};
    Interp *interp = NULL;
    char report[256] = "untouched";
    Packed packed = packed_case(model_config(setup->model)->vocab);
    Values values = packed_values(PACKED_ROWS);
    if (start(&m, (ModelBuild){.mode = MODEL_TRAIN, .row_tokens = PACKED_ROWS, .recompute = 2,
                               .half = true}) &&
        CHECK_OK(setup->test, packed_interp(setup->model, setup->lora, m.graph, &packed, &interp)) &&
        CHECK_OK(setup->test, packed_device(setup->lora, m.store, m.program, &packed))) {
        CHECK_OK(setup->test, program_compare(m.program, interp, &values, 1e-5, report,
                                              sizeof report));
        CHECK_STRING(setup->test, "", report);
    }
    interp_destroy(&interp);
    stop(&m);
}

static void test_choice(Test *test, const Gpu *gpu)
{
    static const char *const lines[] = {"matmul_nt_half: matmul_nt_half_emulated",
                                        "matmul_nn_half: matmul_nn_half_emulated", "add: add 64"};
    GpuCaps caps = *gpu_caps(gpu);
    KernelPolicy policy = {0};
    caps.policy = &policy;
    CHECK(test, !frozen_half(NULL, &caps));
    policy_set_verdict(&policy, "matmul_nt_half_emulated", FINDING_FASTER, "");
    CHECK(test, !frozen_half(NULL, &caps));
    policy_set_verdict(&policy, "matmul_nn_half_emulated", FINDING_SLOWER, "");
    CHECK(test, !frozen_half(NULL, &caps));
    CHECK(test, frozen_half(&(FrozenKernels){lines, 3}, &caps));     /* as the run began */
    policy_set_verdict(&policy, "matmul_nn_half_emulated", FINDING_FASTER, "");
    CHECK(test, frozen_half(NULL, &caps) && frozen_half(&(FrozenKernels){lines, 0}, &caps));
    CHECK(test, frozen_half(&(FrozenKernels){lines, 2}, &caps));
    CHECK(test, frozen_half(&(FrozenKernels){lines, 1}, &caps));     /* of a program without gradients */
    CHECK(test, !frozen_half(&(FrozenKernels){lines + 2, 1}, &caps));
    CHECK(test, !frozen_half(&(FrozenKernels){lines + 1, 2}, &caps));
}

/* Types whose products decode them in the tile: by direction, and apart from those of f32 operands. */
static void test_choice_in_tile(Test *test, const Gpu *gpu)
{
    static const char *const lines[] = {"matmul_nn_half_blocks: matmul_nn_half_emulated_q4_k"};
    const uint32_t q4_0 = 1u << DTYPE_Q4_0, q4_k = 1u << DTYPE_Q4_K;
    GpuCaps caps = *gpu_caps(gpu);
    KernelPolicy policy = {0};
    caps.policy = &policy;
    CHECK(test, !frozen_in_tile(NULL, &caps, true).forward && !frozen_in_tile(NULL, &caps, true).backward);
    policy_set_verdict(&policy, "matmul_nt_half_emulated_q4_0", FINDING_FASTER, "");
    policy_set_verdict(&policy, "matmul_nn_half_emulated_q4_k", FINDING_SLOWER, "");
    policy_set_verdict(&policy, "matmul_nn_tile_q4_k", FINDING_FASTER, "");
    policy_set_verdict(&policy, "matmul_nn_tile_q4_0", FINDING_SLOWER, "");
    InTile half = frozen_in_tile(NULL, &caps, true), single = frozen_in_tile(NULL, &caps, false);
    CHECK(test, half.forward == q4_0 && !half.backward);
    CHECK(test, !single.forward && single.backward == q4_k);
    half = frozen_in_tile(&(FrozenKernels){lines, 1}, &caps, true);      /* as the run began */
    single = frozen_in_tile(&(FrozenKernels){lines, 1}, &caps, false);
    CHECK(test, !half.forward && half.backward == q4_k && !single.forward && !single.backward);
}

/* On matrix units, if that was asked for. */
static void test_units(const Setup *setup, unsigned units)
{
    static const char *const families[] = {"matmul_nt_half", "matmul_nn_half"};
    static const MatmulPush push = {.m = 48, .n = 64, .k = 64, .a_stride = 64, .b_stride = 64,
                                    .c_stride = 64, .alpha = 1};
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        const KernelRow *row = kernel_choose(families[i], NULL, gpu_caps(setup->gpu), &push);
        CHECK(setup->test, row && (strstr(row->name, "_coopmat") != NULL) == (units == MATRIX_HALF));
    }
}

int main(int argc, char **argv)
{
    Test test = {.name = "half"};
    RandomModel small;
    const unsigned units = argc > 4 ? matrix_rows(argv[4]) : MATRIX_NONE;
    bool ready = random_open(&test, argc, argv, &small);
    if (ready)
        matrix_trust(small.gpu, units);
    if (ready && matrix_here(&test, small.gpu, units)) {
        Setup setup = {&test, small.model, small.lora, small.gpu};
        test_units(&setup, units);
        test_choice(&test, small.gpu);
        test_choice_in_tile(&test, small.gpu);
        test_nodes(&setup);
        test_numbers(&setup);
        test_rounding(&setup);
        test_compare(&setup);
    }
    random_close(&small);
    return test_end(&test);
}
