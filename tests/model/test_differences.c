/* A whole two-layer model: LoRA gradients against central differences along random
 * directions, in double by the interpreter, at every level of recomputation.
 * Usage: test_differences GOLDEN_FOLDER */
#include "base/rng.h"
#include "packed.h"
#include "test.h"

enum { DIRECTIONS = 1 };

typedef struct Probe {
    Test *test;
    const Graph *graph;
    Interp *interp;
    Values values;
} Probe;

static double loss_at(Probe *probe, double *x, const double *from, const double *direction,
                      double step, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        x[i] = from[i] + step * direction[i];
    CHECK_OK(probe->test, interp_run(probe->interp, &probe->values, probe->graph->backward_node));
    const double *losses = interp_data(probe->interp, graph_find(probe->graph, "losses"));
    double sum = 0;
    for (uint32_t i = 0; i < PACKED_LABELS; i++)
        sum += losses[i];
    memcpy(x, from, count * sizeof *x);
    return sum / PACKED_LABELS;
}

/* |slope by differences − gradient·direction| ≤ 1e-6 ‖gradient‖, ‖direction‖ = 1. */
static double check_direction(Probe *probe, const Tensor *tensor, Rng *rng)
{
    uint64_t count = tensor_elements(tensor);
    double *x = interp_data(probe->interp, tensor), norm = 0, slope = 0, size = 0;
    const double *gradient = interp_data(probe->interp, tensor->grad);
    double *direction = MEM_NEW_ARRAY(double, count), *from = MEM_NEW_ARRAY(double, count);
    memcpy(from, x, count * sizeof *x);
    for (uint64_t i = 0; i < count; i++) {
        direction[i] = rng_normal(rng);
        norm += direction[i] * direction[i];
    }
    for (uint64_t i = 0; i < count; i++) {
        direction[i] /= sqrt(norm);
        slope += direction[i] * gradient[i];
        size += gradient[i] * gradient[i];
    }
    double step = 1e-4;
    double above = loss_at(probe, x, from, direction, step, count);
    double below = loss_at(probe, x, from, direction, -step, count);
    double apart = fabs((above - below) / (2 * step) - slope) / sqrt(size);
    if (!CHECK(probe->test, apart <= 1e-6))
        printf("  %s: %.3g\n", tensor->name, apart);
    free(direction);
    free(from);
    return apart;
}

static void check_level(Test *test, const Model *model, const Lora *lora, uint32_t recompute,
                        double *first)
{
    Graph *graph = NULL;
    ModelBuild build = {.mode = MODEL_TRAIN, .row_tokens = PACKED_ROWS, .recompute = recompute,
                        .max_labels = PACKED_LABELS, .lora = lora};
    Packed packed = packed_case(model_config(model)->vocab);
    Probe probe = {.test = test, .values = packed_values(PACKED_ROWS)};
    Rng rng;
    rng_init(&rng, 5);
    double worst = 0, sum = 0;
    if (CHECK_OK(test, model_build(model, &build, &graph)) &&
        CHECK_OK(test, packed_interp(model, lora, graph, &packed, &probe.interp)) &&
        CHECK_OK(test, interp_run(probe.interp, &probe.values, 0))) {
        probe.graph = graph;
        for (uint32_t i = 0; i < graph->tensor_count; i++) {
            const Tensor *tensor = graph->tensors[i];
            if (tensor->life != LIFE_PARAMETER)
                continue;
            for (uint64_t v = 0; v < tensor_elements(tensor); v++)
                sum += interp_data(probe.interp, tensor->grad)[v];
            for (uint32_t d = 0; recompute == 0 && d < DIRECTIONS; d++)
                worst = fmax(worst, check_direction(&probe, tensor, &rng));
        }
    }
    /* the same kernels on the same numbers: the same bits */
    *first = recompute ? *first : sum;
    CHECK(test, sum == *first);
    if (!recompute)
        printf("worst slope differs by %.2g of its gradient's norm\n", worst);
    interp_destroy(&probe.interp);
    graph_destroy(&graph);
}

int main(int argc, char **argv)
{
    Test test = {.name = "differences"};
    Model *model = NULL;
    Lora *lora = NULL;
    char path[1024];
    double sum = 0;
    if (argc < 2)
        return 2;
    snprintf(path, sizeof path, "%s/random.gguf", argv[1]);
    LoraParams params = {.rank = PACKED_RANK, .alpha = 8};
    if (CHECK_OK(&test, model_open(path, &model)) &&
        CHECK_OK(&test, lora_create(model, &params, 0, &lora)))
        for (uint32_t recompute = 0; recompute < 3; recompute++)
            check_level(&test, model, lora, recompute, &sum);
    lora_destroy(&lora);
    model_close(&model);
    return test_end(&test);
}
