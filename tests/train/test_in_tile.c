/* Training whose products decode their weights in the tile, on a tiny model with Q8_0 weights: losses and
 * gradients are those of expanded weights but for rounding, bits do not depend on recomputation, the
 * plan is smaller and what is allocated, and a later run keeps to the kernels that a run had.
 * Usage: test_in_tile TINY_CHAT_GGUF */
#include <stdlib.h>

#include "base/rng.h"
#include "in_tile.h"
#include "test.h"
#include "train/engine.h"

enum { EXAMPLES = 3, TOKENS = 40, ROW_TOKENS = 128, LABELS = EXAMPLES * (TOKENS - 1) };
static const char forward[] = "matmul_nt_blocks: matmul_nt_tile_q8_0";
static const char backward[] = "matmul_nn_blocks: matmul_nn_tile_q8_0";

typedef struct Setup {
    Test *test;
    Gpu *gpu;
    Model *model;
    Lora *lora;
} Setup;

typedef struct Outcome {
    float losses[LABELS], evaluated[LABELS];
    float *gradients;
    uint64_t count, planned, used;
    bool forward, backward, expands;       /* kernels that ran */
} Outcome;

static tmb_status make(const Setup *setup, int recompute, FrozenKernels frozen, Engine **out)
{
    return engine_create(&(EngineParams){.gpu = setup->gpu, .model = setup->model, .lora = setup->lora,
                                         .row_tokens = ROW_TOKENS, .train = true,
                                         .recompute = recompute, .frozen = frozen}, out);
}

static tmb_status set_start(const Setup *setup, Engine *engine)
{
    const Parameters *set = lora_parameters(setup->lora);
    Rng rng;
    rng_init(&rng, 5);
    for (uint32_t i = 0; i < set->count; i++) {
        uint64_t count = set->items[i].rows * set->items[i].cols;
        float *values = MEM_NEW_ARRAY(float, count);
        for (uint64_t j = 0; j < count; j++)
            values[j] = (float)(0.1 * rng_normal(&rng));
        tmb_status status = store_set(engine_store(engine), LIFE_PARAMETER, &set->items[i], values);
        free(values);
        TRY(status);
    }
    return TMB_OK;
}

static tmb_status one_row(const Setup *setup, Engine *engine, Outcome *out)
{
    Tokens examples[EXAMPLES] = {{0}};
    const Tokens *list[EXAMPLES];
    Batch batch;
    Rng rng;
    rng_init(&rng, 9);
    for (unsigned i = 0; i < EXAMPLES; i++) {
        for (unsigned t = 0; t < TOKENS; t++)
            tokens_push(&examples[i], (uint32_t)rng_below(&rng, model_config(setup->model)->vocab), t > 0);
        list[i] = &examples[i];
    }
    batch_pack(&batch, list, NULL, EXAMPLES, ROW_TOKENS);
    tmb_status status = batch.count == 1 ? TMB_OK : fail(TMB_FAILED, "%u rows", batch.count);
    TRY_OR(done, status, engine_begin(engine));
    TRY_OR(done, status, engine_row(engine, &batch.rows[0], 1.0 / LABELS, out->losses));
    TRY_OR(done, status, engine_evaluate(engine, &batch.rows[0], out->evaluated));
done:
    batch_finish(&batch);
    for (unsigned i = 0; i < EXAMPLES; i++)
        tokens_finish(&examples[i]);
    return status;
}

static tmb_status read_gradients(const Setup *setup, Engine *engine, Outcome *out)
{
    const Parameters *set = lora_parameters(setup->lora);
    for (uint32_t i = 0; i < set->count; i++)
        out->count += set->items[i].rows * set->items[i].cols;
    float *to = out->gradients = MEM_NEW_ARRAY(float, out->count);
    for (uint32_t i = 0; i < set->count; i++) {
        TRY(store_get(engine_store(engine), LIFE_GRADIENT, &set->items[i], to));
        to += set->items[i].rows * set->items[i].cols;
    }
    return TMB_OK;
}

static void look(Engine *engine, Outcome *out)
{
    uint32_t count;
    const char *const *lines = engine_kernels(engine, &count);
    for (uint32_t i = 0; i < count; i++) {
        out->forward |= !strncmp(lines[i], forward, sizeof forward - 1);
        out->backward |= !strncmp(lines[i], backward, sizeof backward - 1);
        out->expands |= !strncmp(lines[i], "expand:", 7);
    }
}

/* One optimizer step's gradients from a new engine. */
static Outcome run(const Setup *setup, int recompute, FrozenKernels frozen)
{
    Outcome out = {.count = 0};
    Engine *engine = NULL;
    const uint64_t before = gpu_memory(setup->gpu).used;
    if (CHECK_OK(setup->test, make(setup, recompute, frozen, &engine))) {
        out.planned = engine_plan(engine)->totals.total;
        out.used = gpu_memory(setup->gpu).used - before;
        look(engine, &out);
        CHECK_OK(setup->test, set_start(setup, engine));
        CHECK_OK(setup->test, one_row(setup, engine, &out));
        CHECK_OK(setup->test, read_gradients(setup, engine, &out));
    }
    engine_destroy(&engine);
    return out;
}

static double apart(const float *want, const float *got, uint64_t count)
{
    double error = 0, size = 0;
    for (uint64_t i = 0; i < count; i++) {
        error += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        size += (double)want[i] * want[i];
    }
    return size > 0 ? sqrt(error / size) : INFINITY;
}

static bool same_bits(const Outcome *a, const Outcome *b)
{
    return a->count && a->count == b->count && !memcmp(a->losses, b->losses, sizeof a->losses) &&
           !memcmp(a->evaluated, b->evaluated, sizeof a->evaluated) &&
           !memcmp(a->gradients, b->gradients, a->count * sizeof *a->gradients);
}

static void training_agrees(const Setup *setup, const Outcome *expanded)
{
    Test *test = setup->test;
    Outcome decoded = run(setup, 0, (FrozenKernels){0});
    CHECK(test, expanded->expands && !expanded->forward && !expanded->backward);
    CHECK(test, !decoded.expands && decoded.forward && decoded.backward);
    double losses = apart(expanded->losses, decoded.losses, LABELS);
    double gradients = apart(expanded->gradients, decoded.gradients, expanded->count);
    printf("decoded in the tile: losses differ by %.2g, gradients by %.2g; %.0f bytes instead of %.0f\n",
           losses, gradients, (double)decoded.planned, (double)expanded->planned);
    CHECK(test, losses <= 1e-6 && gradients <= 1e-5);
    CHECK(test, apart(expanded->evaluated, decoded.evaluated, LABELS) <= 1e-6);
    /* there is nothing to expand into, and what is planned is what there is */
    CHECK(test, decoded.planned < expanded->planned);
    CHECK(test, decoded.used == decoded.planned && expanded->used == expanded->planned);
    for (int level = 1; level <= 2; level++) {
        Outcome other = run(setup, level, (FrozenKernels){0});
        CHECK(test, same_bits(&decoded, &other));
        free(other.gradients);
    }
    free(decoded.gradients);
}

/* The lines of a run decide, as long as their kernels are trusted. */
static void runs_keep_to_their_kernels(const Setup *setup, const Outcome *expanded)
{
    Test *test = setup->test;
    const char *const had[] = {forward, backward, "add: add 64"}, *const expands[] = {"expand: expand_q8_0 64"};
    Outcome again = run(setup, 0, (FrozenKernels){expands, 1});
    CHECK(test, again.expands && !again.forward && same_bits(expanded, &again));
    free(again.gradients);
    again = run(setup, 0, (FrozenKernels){had, 2});
    CHECK(test, !again.expands && again.forward && again.backward);
    free(again.gradients);
    again = run(setup, 0, (FrozenKernels){had + 1, 2});
    CHECK(test, again.expands && !again.forward && again.backward);
    free(again.gradients);
    gpu_set_policy(setup->gpu, NULL);
    again = run(setup, 0, (FrozenKernels){had, 3});
    CHECK(test, again.expands && !again.forward && !again.backward);
    free(again.gradients);
}

int main(int argc, char **argv)
{
    Test test = {.name = "in_tile"};
    Setup setup = {.test = &test};
    LoraParams params = {.rank = 4, .alpha = 8};
    tmb_status status = gpu_open(&(GpuParams){0}, &setup.gpu);
    if (status == TMB_NO_DEVICE) {
        test_skip(&test, tmb_last_error());
    } else if (CHECK(&test, argc > 1) && CHECK_OK(&test, status) &&
               CHECK_OK(&test, model_open(argv[1], &setup.model)) &&
               CHECK_OK(&test, lora_create(setup.model, &params, gpu_caps(setup.gpu)->storage_range,
                                           &setup.lora))) {
        Outcome expanded = run(&setup, 0, (FrozenKernels){0});
        call_in_tile_faster(setup.gpu);
        training_agrees(&setup, &expanded);
        runs_keep_to_their_kernels(&setup, &expanded);
        free(expanded.gradients);
    }
    lora_destroy(&setup.lora);
    model_close(&setup.model);
    gpu_close(&setup.gpu);
    return test_end(&test);
}
