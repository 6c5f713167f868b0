/* SmolLM2's next-token log-probabilities after five chat prompts against transformers in
 * double on the same dequantised weights: by prefill, and by prefill of all but the last
 * token followed by one decoding step. The model's path comes in TIMBRE_TEST_MODEL.
 * Usage: test_smollm2 GOLDEN_FOLDER [DEVICE [CAPS]] */
#include <stdlib.h>

#include "base/os.h"
#include "model/model.h"
#include "test.h"

enum { MOST_TOKENS = 96, TOP = 10 };

typedef struct Machine {
    Test *test;
    Program *prefill, *decode;
    uint32_t vocab;
    float *logits;
} Machine;

/* Runs `count` tokens that start at `position` of the one sequence in the cache; logits of
 * the last one. */
static void run(Machine *m, Program *program, const uint32_t *tokens, uint32_t position,
                uint32_t count)
{
    uint32_t positions[MOST_TOKENS], span[2 * MOST_TOKENS], row = count - 1;
    for (uint32_t i = 0; i < count; i++) {
        positions[i] = position + i;
        span[2 * i] = 0;
        span[2 * i + 1] = position + i + 1;
    }
    Values values = {{0}};
    values.at[VALUE_ROWS] = count;
    values.at[VALUE_LABELS] = 1;
    CHECK_OK(m->test, program_write(program, "tokens", tokens, 4 * (uint64_t)count));
    CHECK_OK(m->test, program_write(program, "positions", positions, 4 * (uint64_t)count));
    CHECK_OK(m->test, program_write(program, "slots", positions, 4 * (uint64_t)count));
    CHECK_OK(m->test, program_write(program, "span", span, 8 * (uint64_t)count));
    CHECK_OK(m->test, program_write(program, "label_rows", &row, 4));
    CHECK_OK(m->test, program_run(program, &values));
    CHECK_OK(m->test, program_read(program, "logits", m->logits, 4 * (uint64_t)m->vocab));
}

static double worst_of(Machine *m, char *top)
{
    double largest = -1e30, sum = 0, worst = 0;
    for (uint32_t i = 0; i < m->vocab; i++)
        largest = m->logits[i] > largest ? m->logits[i] : largest;
    for (uint32_t i = 0; i < m->vocab; i++)
        sum += exp(m->logits[i] - largest);
    for (uint32_t i = 0; i < TOP; i++) {
        unsigned long id = strtoul(top, &top, 10);
        double want = strtod(top + 1, &top);
        double apart = fabs(m->logits[id < m->vocab ? id : 0] - largest - log(sum) - want);
        worst = apart > worst ? apart : worst;
        CHECK(m->test, apart <= 1e-3);
    }
    return worst;
}

static void check_file(Machine *m, char *text)
{
    uint32_t tokens[MOST_TOKENS];
    char *at;
    for (text = strstr(text, "prompt "); text; text = strstr(text, "prompt ")) {
        at = text + 7;
        uint32_t count = (uint32_t)strtoul(at, &at, 10);
        if (!CHECK(m->test, count > 1 && count <= MOST_TOKENS))
            return;
        for (uint32_t i = 0; i < count; i++)
            tokens[i] = (uint32_t)strtoul(at, &at, 10);
        char *top = strstr(at, "top ") + 4;
        run(m, m->prefill, tokens, 0, count);
        double prefill = worst_of(m, top);
        run(m, m->prefill, tokens, 0, count - 1);
        run(m, m->decode, tokens + count - 1, count - 1, 1);
        printf("%u tokens: worst log-probability differs by %.2g, decoded by %.2g\n", count,
               prefill, worst_of(m, top));
        text = top;
    }
}

static tmb_status build_all(const Model *model, Gpu *gpu, Graph *graphs[2], Plan *plans[2],
                            Store **store, Machine *m)
{
    ModelBuild prefill = {.mode = MODEL_PREFILL, .row_tokens = MOST_TOKENS, .max_labels = 1,
                          .positions = MOST_TOKENS, .cache_rows = MOST_TOKENS,
                          .range = gpu_caps(gpu)->storage_range};
    ModelBuild decode = prefill;
    decode.mode = MODEL_DECODE;
    decode.row_tokens = 1;
    TRY(model_build(model, &prefill, &graphs[0]));
    TRY(model_build(model, &decode, &graphs[1]));
    PlannedGraph planned[2];
    for (int i = 0; i < 2; i++) {
        TRY(plan_create(graphs[i], gpu_caps(gpu), &plans[i]));
        planned[i] = (PlannedGraph){graphs[i], plans[i]};
    }
    TRY(store_create(gpu, planned, 2, store));
    TRY(model_upload(model, *store));
    TRY(program_create(gpu, &planned[0], *store, &m->prefill));
    return program_create(gpu, &planned[1], *store, &m->decode);
}

int main(int argc, char **argv)
{
    Test test = {.name = "smollm2"};
    const char *path = getenv("TIMBRE_TEST_MODEL");
    GpuParams params = {.device = argc > 2 && *argv[2] ? argv[2] : NULL,
                        .caps = argc > 3 ? argv[3] : NULL};
    Gpu *gpu = NULL;
    if (argc < 2 || !path || gpu_open(&params, &gpu) != TMB_OK) {
        printf("needs a device and TIMBRE_TEST_MODEL\n0 passed, 0 failed, 1 skipped\n");
        return 77;
    }
    Model *model = NULL;
    Graph *graphs[2] = {NULL, NULL};
    Plan *plans[2] = {NULL, NULL};
    Store *store = NULL;
    Machine machine = {.test = &test};
    char golden[1024], *text = NULL;
    size_t bytes;
    snprintf(golden, sizeof golden, "%s/smollm2.txt", argv[1]);
    if (CHECK_OK(&test, os_read_file(golden, &text, &bytes)) &&
        CHECK_OK(&test, model_open(path, &model)) &&
        CHECK_OK(&test, build_all(model, gpu, graphs, plans, &store, &machine))) {
        machine.vocab = model_config(model)->vocab;
        machine.logits = MEM_NEW_ARRAY(float, machine.vocab);
        check_file(&machine, text);
        free(machine.logits);
    }
    program_destroy(&machine.decode);
    program_destroy(&machine.prefill);
    store_destroy(&store);
    for (int i = 0; i < 2; i++) {
        plan_destroy(&plans[i]);
        graph_destroy(&graphs[i]);
    }
    model_close(&model);
    gpu_close(&gpu);
    free(text);
    return test_end(&test);
}
