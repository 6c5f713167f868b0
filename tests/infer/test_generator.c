/* However a text is computed, it is the same: one sequence or four side by side, read at once
 * or continued from the cache, token by token or in blocks of rows; bare and with an adapter.
 * Usage: test_generator GOLDEN_FOLDER [DEVICE [CAPS]] */
#include <stdlib.h>

#include "infer/generator.h"
#include "test.h"

enum { PROMPTS = 6, MOST_PROMPT = 29, REPLY = 20, CONTEXT = 96 };

typedef struct Machine {
    Test *test;
    Gpu *gpu;
    const Model *model;
    const Lora *lora;            /* NULL: the bare model */
    uint32_t prompts[PROMPTS][MOST_PROMPT], lengths[PROMPTS];
    uint32_t replies[PROMPTS][REPLY];   /* of each prompt alone */
} Machine;

/* A generator with the same random adapter every time; B is not zero. */
static Generator *start(const Machine *m, uint32_t batch, uint32_t prompt_rows)
{
    GeneratorParams params = {.gpu = m->gpu, .model = m->model, .lora = m->lora,
                              .context = CONTEXT, .batch = batch, .prompt_rows = prompt_rows};
    Generator *generator = NULL;
    if (!CHECK_OK(m->test, generator_create(&params, &generator)))
        return NULL;
    const Parameters *set = m->lora ? lora_parameters(m->lora) : NULL;
    Rng rng;
    rng_init(&rng, 7);
    for (uint32_t i = 0; set && i < set->count; i++) {
        uint64_t count = set->items[i].rows * set->items[i].cols;
        float *values = MEM_NEW_ARRAY(float, count);
        for (uint64_t v = 0; v < count; v++)
            values[v] = (float)(0.1 * rng_normal(&rng));
        CHECK_OK(m->test, store_set(generator_store(generator), LIFE_PARAMETER, &set->items[i],
                                    values));
        free(values);
    }
    return generator;
}

static void draw_prompts(Machine *m)
{
    Rng rng;
    rng_init(&rng, 11);
    for (uint32_t p = 0; p < PROMPTS; p++) {
        m->lengths[p] = p == 0 ? 1 : p == 1 ? MOST_PROMPT : 3 + 4 * p;
        for (uint32_t i = 0; i < m->lengths[p]; i++)
            m->prompts[p][i] = (uint32_t)(rng_double(&rng) * model_config(m->model)->vocab);
    }
}

/* Greedy replies to prompts[first, first + count), all asked for together. */
static void answer(const Machine *m, Generator *generator, uint32_t first, uint32_t count,
                   uint32_t (*replies)[REPLY])
{
    GenerateRequest requests[PROMPTS];
    memset(requests, 0, sizeof requests);
    for (uint32_t i = 0; i < count; i++) {
        requests[i].prompt = m->prompts[first + i];
        requests[i].prompt_count = m->lengths[first + i];
        requests[i].max_tokens = REPLY - i;     /* slots fall free one after another */
    }
    GenerateParams params = {.requests = requests, .request_count = count};
    if (CHECK_OK(m->test, generator_run(generator, &params)))
        for (uint32_t i = 0; i < count; i++) {
            CHECK(m->test, requests[i].count == REPLY - i);
            memcpy(replies[i], requests[i].ids, requests[i].count * sizeof *requests[i].ids);
        }
    for (uint32_t i = 0; i < count; i++)
        free(requests[i].ids);
}

static void test_side_by_side(Machine *m)
{
    Generator *alone = start(m, 1, 16), *four = start(m, 4, 16);
    uint32_t together[PROMPTS][REPLY];
    memset(together, 0xff, sizeof together);
    if (alone && four) {
        for (uint32_t p = 0; p < PROMPTS; p++)
            answer(m, alone, p, 1, &m->replies[p]);
        answer(m, four, 0, PROMPTS, together);
        for (uint32_t p = 0; p < PROMPTS; p++)
            CHECK(m->test, !memcmp(together[p], m->replies[p], (REPLY - p) * sizeof(uint32_t)));
    }
    generator_destroy(&alone);
    generator_destroy(&four);
}

/* A prompt, and then the same prompt with its reply and more: the second finds the first in
 * the cache and must not notice. */
static void test_continued(Machine *m)
{
    enum { LONG = MOST_PROMPT + REPLY + 2 };
    uint32_t text[LONG], count = 0, again[2][REPLY];
    memset(again, 0xff, sizeof again);
    for (uint32_t i = 0; i < m->lengths[1]; i++)
        text[count++] = m->prompts[1][i];
    for (uint32_t i = 0; i < REPLY; i++)
        text[count++] = m->replies[1][i];
    text[count++] = 3;
    text[count++] = 5;
    for (uint32_t warm = 0; warm < 2; warm++) {
        Generator *generator = start(m, 1, 16);
        if (!generator)
            return;
        if (warm)
            answer(m, generator, 1, 1, &m->replies[1]);
        GenerateRequest request = {.prompt = text, .prompt_count = count, .max_tokens = REPLY};
        GenerateParams params = {.requests = &request, .request_count = 1};
        if (CHECK_OK(m->test, generator_run(generator, &params)) &&
            CHECK(m->test, request.count == REPLY))
            memcpy(again[warm], request.ids, sizeof again[warm]);
        free(request.ids);
        generator_destroy(&generator);
    }
    CHECK(m->test, !memcmp(again[0], again[1], sizeof again[0]));
}

/* Rows computed one, five or all together use other kernels; the logits agree. */
static void test_logits(Machine *m)
{
    static const uint32_t rows[] = {MOST_PROMPT, 5, 1};
    uint32_t vocab = model_config(m->model)->vocab;
    float *logits[3] = {NULL, NULL, NULL};
    double worst = 0, size = 0;
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        Generator *generator = start(m, 1, rows[i]);
        logits[i] = MEM_NEW_ARRAY(float, vocab);
        if (generator)
            CHECK_OK(m->test, generator_logits(generator, m->prompts[1], m->lengths[1], 1,
                                               logits[i]));
        generator_destroy(&generator);
    }
    for (uint32_t v = 0; v < vocab; v++) {
        size = fmax(size, fabs((double)logits[0][v]));
        for (uint32_t i = 1; i < COUNT_OF(rows); i++)
            worst = fmax(worst, fabs((double)logits[i][v] - logits[0][v]));
    }
    printf("%s: logits of one row, five and all differ by %.2g of %.2g\n",
           m->lora ? "adapter" : "bare", worst, size);
    CHECK(m->test, size > 0 && worst <= 1e-5 * size);
    for (uint32_t i = 0; i < COUNT_OF(rows); i++)
        free(logits[i]);
}

int main(int argc, char **argv)
{
    Test test = {.name = "generator"};
    Machine machine = {.test = &test};
    Model *model = NULL;
    Lora *lora = NULL;
    char path[1024];
    if (argc < 2)
        return 2;
    GpuParams gpu_params = {.device = argc > 2 && *argv[2] ? argv[2] : NULL,
                            .caps = argc > 3 ? argv[3] : NULL};
    if (gpu_open(&gpu_params, &machine.gpu) != TMB_OK) {
        printf("%s\n0 passed, 0 failed, 1 skipped\n", tmb_last_error());
        return 77;
    }
    snprintf(path, sizeof path, "%s/random.gguf", argv[1]);
    LoraParams params = {.rank = 4, .alpha = 8};
    if (CHECK_OK(&test, model_open(path, &model)) &&
        CHECK_OK(&test, lora_create(model, &params, gpu_caps(machine.gpu)->storage_range, &lora))) {
        machine.model = model;
        draw_prompts(&machine);
        for (uint32_t adapted = 0; adapted < 2; adapted++) {
            machine.lora = adapted ? lora : NULL;
            test_side_by_side(&machine);
            test_continued(&machine);
            test_logits(&machine);
        }
    }
    lora_destroy(&lora);
    model_close(&model);
    gpu_close(&machine.gpu);
    return test_end(&test);
}
