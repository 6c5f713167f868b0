/* The first truth: losses of a real trained model equal llama2.c's, token by token, by the
 * interpreter (double) and on the device. Usage: test_stories SHARED_FOLDER [DEVICE [CAPS]] */
#include <stdlib.h>

#include "base/os.h"
#include "model/model.h"
#include "test.h"

enum { MOST_TOKENS = 128 };

/* A text with its reference losses: token i predicts target[i] with loss[i]. */
typedef struct Reference {
    uint32_t count;
    uint32_t tokens[MOST_TOKENS], targets[MOST_TOKENS];
    double losses[MOST_TOKENS], mean;
} Reference;

static bool read_reference(const char *shared, const char *name, Reference *reference)
{
    char path[1024], line[256];
    snprintf(path, sizeof path, "%s/data/reference/stories260K-oracle/%s", shared, name);
    FILE *file = os_fopen(path, "rb");
    if (!file)
        return false;
    reference->count = 0;
    while (fgets(line, sizeof line, file) && reference->count < MOST_TOKENS) {
        unsigned position, token, target;
        double loss;
        char *mean = strstr(line, "mean_nll=");
        if (mean)
            reference->mean = strtod(mean + 9, NULL);
        else if (sscanf(line, "%u %u %u %lf", &position, &token, &target, &loss) == 4) {
            reference->tokens[reference->count] = token;
            reference->targets[reference->count] = target;
            reference->losses[reference->count++] = loss;
        }
    }
    fclose(file);
    return true;
}

static void check_losses(Test *test, const Reference *reference, const double *losses,
                         const char *how)
{
    double sum = 0;
    for (uint32_t i = 0; i < reference->count; i++) {
        CHECK_NEAR(test, reference->losses[i], losses[i], 1e-3);
        sum += losses[i];
    }
    printf("%s: mean loss %.6f, llama2.c %.6f\n", how, sum / reference->count, reference->mean);
    CHECK_NEAR(test, reference->mean, sum / reference->count, 2e-4);
}

typedef struct Inputs {
    uint32_t positions[MOST_TOKENS], span[2 * MOST_TOKENS], rows[MOST_TOKENS];
} Inputs;

static void one_segment(const Reference *reference, Inputs *inputs)
{
    for (uint32_t i = 0; i < reference->count; i++) {
        inputs->positions[i] = inputs->rows[i] = i;
        inputs->span[2 * i] = 0;
        inputs->span[2 * i + 1] = i + 1;
    }
}

static Values run_values(const Reference *reference)
{
    Values values = {{0}};
    values.at[VALUE_ROWS] = values.at[VALUE_LABELS] = reference->count;
    return values;
}

static void widen(Interp *interp, const Graph *graph, const char *name, const uint32_t *words,
                  uint32_t count)
{
    double *to = interp_data(interp, graph_find(graph, name));
    for (uint32_t i = 0; i < count; i++)
        to[i] = words[i];
}

static void by_interpreter(Test *test, const Model *model, const Graph *graph,
                           const Reference *reference)
{
    Interp *interp = NULL;
    Inputs inputs;
    double losses[MOST_TOKENS];
    Values values = run_values(reference);
    one_segment(reference, &inputs);
    if (CHECK_OK(test, interp_create(graph, &interp)) &&
        CHECK_OK(test, model_load_interp(model, graph, interp))) {
        widen(interp, graph, "tokens", reference->tokens, reference->count);
        widen(interp, graph, "labels", reference->targets, reference->count);
        widen(interp, graph, "positions", inputs.positions, reference->count);
        widen(interp, graph, "label_rows", inputs.rows, reference->count);
        widen(interp, graph, "span", inputs.span, 2 * reference->count);
        CHECK_OK(test, interp_run(interp, &values, 0));
        memcpy(losses, interp_data(interp, graph_find(graph, "losses")), sizeof losses);
        check_losses(test, reference, losses, "interpreter");
    }
    interp_destroy(&interp);
}

static void by_device(Test *test, Program *program, const Reference *reference)
{
    Inputs inputs;
    float narrow[MOST_TOKENS];
    double losses[MOST_TOKENS];
    Values values = run_values(reference);
    uint64_t bytes = 4 * (uint64_t)reference->count;
    one_segment(reference, &inputs);
    CHECK_OK(test, program_write(program, "tokens", reference->tokens, bytes));
    CHECK_OK(test, program_write(program, "labels", reference->targets, bytes));
    CHECK_OK(test, program_write(program, "positions", inputs.positions, bytes));
    CHECK_OK(test, program_write(program, "label_rows", inputs.rows, bytes));
    CHECK_OK(test, program_write(program, "span", inputs.span, 2 * bytes));
    CHECK_OK(test, program_run(program, &values));
    CHECK_OK(test, program_read(program, "losses", narrow, bytes));
    for (uint32_t i = 0; i < reference->count; i++)
        losses[i] = narrow[i];
    check_losses(test, reference, losses, "device");
}

static void on_device(Test *test, const Model *model, Graph *graph, Gpu *gpu,
                      const Reference *references, uint32_t count)
{
    Plan *plan = NULL;
    Store *store = NULL;
    Program *program = NULL;
    printf("device: %s\n", gpu_caps(gpu)->name);
    if (CHECK_OK(test, plan_create(graph, gpu_caps(gpu), &plan))) {
        PlannedGraph planned = {graph, plan};
        CHECK(test, !plan_overlaps(graph, plan));
        if (CHECK_OK(test, store_create(gpu, &planned, 1, &store)) &&
            CHECK_OK(test, model_upload(model, store)) &&
            CHECK_OK(test, program_create(gpu, &planned, store, &program)))
            for (uint32_t i = 0; i < count; i++)
                by_device(test, program, &references[i]);
    }
    program_destroy(&program);
    store_destroy(&store);
    plan_destroy(&plan);
}

int main(int argc, char **argv)
{
    Test test = {.name = "stories"};
    static Reference references[2];
    char path[1024];
    if (argc < 2 || !read_reference(argv[1], "text1.nll.tsv", &references[0]) ||
        !read_reference(argv[1], "text2.nll.tsv", &references[1])) {
        printf("no shared inputs here\n0 passed, 0 failed, 1 skipped\n");
        return 77;
    }
    Model *model = NULL;
    Graph *graph = NULL;
    Gpu *gpu = NULL;
    snprintf(path, sizeof path, "%s/data/models/stories260K/stories260K-f32.gguf", argv[1]);
    GpuParams gpu_params = {.device = argc > 2 && *argv[2] ? argv[2] : NULL,
                            .caps = argc > 3 ? argv[3] : NULL};
    bool have_device = gpu_open(&gpu_params, &gpu) == TMB_OK;
    ModelBuild build = {.mode = MODEL_EVAL, .row_tokens = MOST_TOKENS,
                        .range = have_device ? gpu_caps(gpu)->storage_range : 0};
    if (CHECK_OK(&test, model_open(path, &model)) &&
        CHECK_OK(&test, model_build(model, &build, &graph))) {
        for (int i = 0; i < 2; i++)
            by_interpreter(&test, model, graph, &references[i]);
        if (have_device)
            on_device(&test, model, graph, gpu, references, 2);
        else
            test.skipped++, printf("skipped the device: %s\n", tmb_last_error());
    }
    graph_destroy(&graph);
    model_close(&model);
    gpu_close(&gpu);
    return test_end(&test);
}
