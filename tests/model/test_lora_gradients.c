/* LoRA gradients (A and B random) of two packed segments with masked prompts against
 * PyTorch + PEFT, by the interpreter and on the device.
 * Usage: test_lora_gradients GOLDEN_FOLDER SHARED_FOLDER [DEVICE [CAPS]] */
#include <stdlib.h>

#include "base/os.h"
#include "packed.h"
#include "test.h"

typedef struct Case {
    const char *name, *model_path, *golden_path;
    bool sizes_only;
    uint64_t range;          /* the least a binding must hold: one weight is not split further */
} Case;

/* ‖got − want‖ / ‖want‖ */
static double apart(const float *want, const double *got, uint64_t count)
{
    double error = 0, size = 0;
    for (uint64_t i = 0; i < count; i++) {
        error += (got[i] - want[i]) * (got[i] - want[i]);
        size += (double)want[i] * want[i];
    }
    return sqrt(error / size);
}

typedef struct Checker {
    Test *test;
    const Lora *lora;
    const float *golden;     /* losses, then gradients */
    double worst;
} Checker;

static void check_gradient(Checker *checker, uint32_t item, const double *got)
{
    const Parameters *set = lora_parameters(checker->lora);
    const float *want = checker->golden + PACKED_LABELS;
    for (uint32_t i = 0; i < item; i++)
        want += set->items[i].rows * set->items[i].cols;
    double difference = apart(want, got, set->items[item].rows * set->items[item].cols);
    if (difference > checker->worst)
        checker->worst = difference;
    if (!CHECK(checker->test, difference <= 1e-4))
        printf("  %s: %.3g\n", set->items[item].name, difference);
}

static void by_interpreter(Checker *checker, const Model *model, const Graph *graph)
{
    const Parameters *set = lora_parameters(checker->lora);
    Packed packed = packed_case(model_config(model)->vocab);
    Values values = packed_values(PACKED_ROWS);
    Interp *interp = NULL;
    if (CHECK_OK(checker->test, packed_interp(model, checker->lora, graph, &packed, &interp)) &&
        CHECK_OK(checker->test, interp_run(interp, &values, 0))) {
        const double *losses = interp_data(interp, graph_find(graph, "losses"));
        CHECK(checker->test, apart(checker->golden, losses, PACKED_LABELS) <= 1e-5);
        for (uint32_t i = 0; i < set->count; i++)
            check_gradient(checker, i,
                           interp_data(interp, graph_find(graph, set->items[i].name)->grad));
    }
    interp_destroy(&interp);
}

static void read_device(Checker *checker, Store *store, Program *program)
{
    const Parameters *set = lora_parameters(checker->lora);
    float narrow[PACKED_LABELS];
    double losses[PACKED_LABELS];
    CHECK_OK(checker->test, program_read(program, "losses", narrow, sizeof narrow));
    for (uint32_t i = 0; i < PACKED_LABELS; i++)
        losses[i] = narrow[i];
    CHECK(checker->test, apart(checker->golden, losses, PACKED_LABELS) <= 1e-5);
    for (uint32_t i = 0; i < set->count; i++) {
        uint64_t count = set->items[i].rows * set->items[i].cols;
        float *got = MEM_NEW_ARRAY(float, count);
        double *wide = MEM_NEW_ARRAY(double, count);
        CHECK_OK(checker->test, store_get(store, LIFE_GRADIENT, &set->items[i], got));
        for (uint64_t v = 0; v < count; v++)
            wide[v] = got[v];
        check_gradient(checker, i, wide);
        free(got);
        free(wide);
    }
}

/* rows: all of them, or only the live ones, where nothing may depend on the dead tail. */
static void by_device(Checker *checker, const Model *model, const Graph *graph, Gpu *gpu,
                      uint32_t rows)
{
    Packed packed = packed_case(model_config(model)->vocab);
    Values values = packed_values(rows);
    Plan *plan = NULL;
    Store *store = NULL;
    Program *program = NULL;
    if (CHECK_OK(checker->test, plan_create(graph, gpu_caps(gpu), &plan))) {
        PlannedGraph planned = {graph, plan};
        CHECK(checker->test, !plan_overlaps(graph, plan));
        if (CHECK_OK(checker->test, store_create(gpu, &planned, 1, &store)) &&
            CHECK_OK(checker->test, model_upload(model, store)) &&
            CHECK_OK(checker->test, program_create(gpu, &planned, store, &program)) &&
            CHECK_OK(checker->test, packed_device(checker->lora, store, program, &packed)) &&
            CHECK_OK(checker->test, program_run(program, &values)))
            read_device(checker, store, program);
    }
    program_destroy(&program);
    store_destroy(&store);
    plan_destroy(&plan);
}

static void run_case(Test *test, const Case *about, Gpu *gpu, uint32_t recompute)
{
    static const uint32_t rows[] = {PACKED_ROWS, PACKED_LIVE};
    Model *model = NULL;
    Lora *lora = NULL;
    Graph *graph = NULL;
    char *golden = NULL;
    size_t bytes = 0;
    LoraParams lora_params = {.rank = PACKED_RANK, .alpha = 8};
    uint64_t range = gpu ? gpu_caps(gpu)->storage_range : 0;
    if (CHECK_OK(test, os_read_file(about->golden_path, &golden, &bytes)) &&
        CHECK_OK(test, model_open(about->model_path, &model)) &&
        CHECK_OK(test, lora_create(model, &lora_params, range, &lora))) {
        ModelBuild build = {.mode = MODEL_TRAIN, .row_tokens = PACKED_ROWS, .range = range,
                            .max_labels = PACKED_LABELS, .recompute = recompute, .lora = lora};
        Checker checker = {test, lora, (const float *)golden, 0};
        if (CHECK_OK(test, model_build(model, &build, &graph))) {
            if (!gpu)
                by_interpreter(&checker, model, graph);
            else
                for (size_t i = 0; i < COUNT_OF(rows); i++)
                    by_device(&checker, model, graph, gpu, rows[i]);
        }
        printf("%s, %s, recomputation %u: worst gradient differs by %.2g\n", about->name,
               gpu ? gpu_caps(gpu)->name : "interpreter", recompute, checker.worst);
    }
    graph_destroy(&graph);
    lora_destroy(&lora);
    model_close(&model);
    free(golden);
}

/* With a device, `gpu`; recomputation changes nothing but memory, so one level will do for
 * the models that are here for their sizes. */
static void run_levels(Test *test, const Case *about, Gpu *gpu)
{
    for (uint32_t recompute = 0; recompute < (about->sizes_only ? 1 : 3); recompute++) {
        run_case(test, about, NULL, recompute);
        if (gpu && gpu_caps(gpu)->storage_range >= about->range)
            run_case(test, about, gpu, recompute);
    }
}

int main(int argc, char **argv)
{
    Test test = {.name = "lora_gradients"};
    Gpu *gpu = NULL;
    if (argc < 3)
        return 2;
    GpuParams params = {.device = argc > 3 && *argv[3] ? argv[3] : NULL,
                        .caps = argc > 4 ? argv[4] : NULL};
    Arena arena = {0};
    char *here = argv[1], *stories = "data/models/stories260K/stories260K-f32.gguf";
    const Case cases[] = {
        {"random", arena_format(&arena, "%s/random.gguf", here),
         arena_format(&arena, "%s/random.gradients.f32", here), false, 0},
        {"odd", arena_format(&arena, "%s/odd.gguf", here),
         arena_format(&arena, "%s/odd.gradients.f32", here), true, 0},
        {"wide", arena_format(&arena, "%s/wide.gguf", here),
         arena_format(&arena, "%s/wide.gradients.f32", here), true, 1 << 18},
        {"stories260K", arena_format(&arena, "%s/%s", argv[2], stories),
         arena_format(&arena, "%s/stories260K.gradients.f32", here), false, 0},
    };
    if (gpu_open(&params, &gpu) != TMB_OK) {
        test.skipped++;
        printf("skipped the device: %s\n", tmb_last_error());
    }
    for (uint32_t c = 0; c < COUNT_OF(cases); c++) {
        if (os_exists(cases[c].model_path))
            run_levels(&test, &cases[c], gpu);
        else
            test.skipped++;
    }
    gpu_close(&gpu);
    arena_finish(&arena);
    return test_end(&test);
}
