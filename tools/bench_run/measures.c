#include "measures.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/os.h"
#include "check/bench.h"
#include "infer/generator.h"
#include "matmul.push.h"
#include "train/engine.h"

/* All threads of the process: CPU drivers work in it. */
static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* Any token will do: time does not depend on which. */
static uint32_t some_token(const Model *model, uint32_t index)
{
    return (index * 7919u + 13u) % model_config(model)->vocab;
}

/* ---- training ----------------------------------------------------------- */

static tmb_status training_step(Engine *engine, const Batch *batch, uint64_t step, float *losses)
{
    EngineUpdate update = {.step = step, .learning_rate = 1e-4, .max_norm = 1};
    TRY(engine_begin(engine));
    for (uint32_t r = 0; r < batch->count; r++)
        TRY(engine_row(engine, &batch->rows[r], 1.0 / batch->rows[r].labels, losses));
    return engine_update(engine, &update);
}

static tmb_status time_steps(Engine *engine, const Batch *batch, unsigned steps,
                             TrainingFigures *out)
{
    float *losses = MEM_NEW_ARRAY(float, TRAINING_ROW);
    double begin = 0, cpu = 0, longest = 0, tokens = 0;
    tmb_status status = TMB_OK;
    for (unsigned step = 1; step <= steps && status == TMB_OK; step++) {
        double start = os_seconds();
        if (step == 3) {   /* the first two compile kernels and touch memory */
            begin = start;
            cpu = cpu_seconds();
        }
        status = training_step(engine, batch, step, losses);
        double seconds = os_seconds() - start;
        if (step >= 3 && seconds > longest)
            longest = seconds;
        tokens += step >= 3 ? TRAINING_ROW : 0;
    }
    out->tokens_per_second = tokens / (os_seconds() - begin);
    out->slowest = TRAINING_ROW / longest;
    out->cpu_seconds = (cpu_seconds() - cpu) * 1000 / tokens;
    out->peak_rss = os_peak_rss();
    free(losses);
    return status;
}

tmb_status measure_training(Gpu *gpu, const Model *model, unsigned steps, TrainingFigures *out)
{
    LoraParams lora_params = {.rank = TRAINING_RANK};
    Lora *lora = NULL;
    Engine *engine = NULL;
    Tokens example = {0};
    const Tokens *list[] = {&example};
    Batch batch = {0};
    Rng rng;
    for (uint32_t i = 0; i < TRAINING_ROW; i++)
        tokens_push(&example, some_token(model, i), i % 2 == 1);
    batch_pack(&batch, list, NULL, 1, TRAINING_ROW);
    rng_init(&rng, 1);
    tmb_status status = lora_create(model, &lora_params, gpu_caps(gpu)->storage_range, &lora);
    EngineParams params = {.gpu = gpu, .model = model, .lora = lora, .train = true,
                           .row_tokens = TRAINING_ROW, .recompute = -1};
    if (status == TMB_OK)
        status = engine_create(&params, &engine);
    if (status == TMB_OK)
        status = lora_initialise(lora, engine_store(engine), &rng);
    if (status == TMB_OK)
        status = time_steps(engine, &batch, steps, out);
    out->device_bytes = gpu_memory(gpu).peak;
    engine_destroy(&engine);
    lora_destroy(&lora);
    batch_finish(&batch);
    tokens_finish(&example);
    return status;
}

/* ---- generating --------------------------------------------------------- */

typedef struct Clock {
    uint32_t sequences, started, tokens;   /* tokens: since all had started */
    double first, all, all_cpu;            /* when the first and when all had their first token */
} Clock;

static void on_token(void *user, uint32_t request, uint32_t id, bool stop)
{
    Clock *times = user;
    (void)request;
    (void)id;
    (void)stop;
    if (times->started == times->sequences) {
        times->tokens++;
        return;
    }
    if (!times->started++)
        times->first = os_seconds();
    if (times->started == times->sequences) {
        times->all = os_seconds();
        times->all_cpu = cpu_seconds();
    }
}

/* Prompts of `length` tokens, then `count` more of each; the seconds of the prompts' reading
 * go to `prefill`. */
static tmb_status time_replies(Generator *generator, const Model *model, uint32_t sequences,
                               uint32_t length, uint32_t count, double *rate, double *prefill,
                               double *cpu)
{
    uint32_t prompts[DECODING_TOGETHER][DECODING_PROMPT];
    GenerateRequest requests[DECODING_TOGETHER];
    memset(requests, 0, sizeof requests);
    for (uint32_t s = 0; s < sequences; s++) {
        for (uint32_t i = 0; i < length; i++)   /* no prompt begins as another one did */
            prompts[s][i] = some_token(model, i + 1000 * s + 7 * length + count);
        requests[s] = (GenerateRequest){.prompt = prompts[s], .prompt_count = length,
                                        .max_tokens = count + 1};
    }
    Clock times = {.sequences = sequences};
    GenerateParams params = {.requests = requests, .request_count = sequences,
                             .on_token = on_token, .user = &times};
    double begin = os_seconds();
    tmb_status status = generator_run(generator, &params);
    *rate = times.tokens / (os_seconds() - times.all);
    *prefill = times.first - begin;
    *cpu = (cpu_seconds() - times.all_cpu) / (times.tokens ? times.tokens : 1);
    for (uint32_t s = 0; s < sequences; s++)
        free(requests[s].ids);
    return status;
}

static tmb_status measure_sequences(Gpu *gpu, const Model *model, uint32_t sequences, double *rate,
                                    double *prefill, double *cpu)
{
    GeneratorParams params = {.gpu = gpu, .model = model, .batch = sequences,
                              .context = DECODING_PROMPT + DECODING_TOKENS + 1};
    Generator *generator = NULL;
    TRY(generator_create(&params, &generator));
    /* once in small, for kernels that are compiled when first used */
    tmb_status status = time_replies(generator, model, sequences, 40, 2, rate, prefill, cpu);
    if (status == TMB_OK)
        status = time_replies(generator, model, sequences, DECODING_PROMPT, DECODING_TOKENS, rate,
                              prefill, cpu);
    generator_destroy(&generator);
    return status;
}

tmb_status measure_decoding(Gpu *gpu, const Model *model, DecodingFigures *out)
{
    double seconds, cpu, unused;
    TRY(measure_sequences(gpu, model, 1, &out->alone, &seconds, &cpu));
    out->prefill = DECODING_PROMPT / seconds;
    out->cpu_milliseconds = 1e3 * cpu;
    return measure_sequences(gpu, model, DECODING_TOGETHER, &out->together, &unused, &unused);
}

/* ---- one product -------------------------------------------------------- */

tmb_status measure_matmul(Gpu *gpu, unsigned m, unsigned n, unsigned k, const char **kernel,
                          double *seconds)
{
    const MatmulPush push = {.m = m, .n = n, .k = k, .a_stride = k, .b_stride = k, .c_stride = n,
                             .alpha = 1};
    const KernelCase one = {.name = "bench", .push = &push};
    const KernelRow *row = kernel_choose("matmul_nt", NULL, gpu_caps(gpu), &push);
    GpuPipeline *pipeline;
    BenchResult result;
    KernelTuning tuning;
    if (!row || !kernel_fit(gpu_caps(gpu), row, NULL, &push, &tuning))
        return fail(TMB_UNSUPPORTED, "no matmul kernel runs on %s", gpu_caps(gpu)->name);
    TRY(kernel_pipeline(gpu, row, &tuning, &pipeline));
    *kernel = row->name;
    TRY(bench_run(gpu, row, &one, &tuning, pipeline, 1, &result));
    *seconds = result.seconds;
    return TMB_OK;
}
