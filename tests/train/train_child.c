/* A small training run on stories260K, to be stopped at any moment and gone on with:
 *
 *     train_child MODEL RUN STEPS [resume]
 *
 * Twelve seeded examples, four held out, a checkpoint after every step. With TIMBRE_TEST_HALF in
 * the environment the device passes for one with matrix units. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/policy.h"
#include "train/session.h"
#include "train/settings.h"

enum { TRAINED = 12, HELD = 4 };

static void draw_examples(Tokens *examples)
{
    Rng rng;
    rng_init(&rng, 42);
    for (int i = 0; i < TRAINED + HELD; i++) {
        size_t count = 10 + (size_t)rng_below(&rng, 30);
        tokens_push(&examples[i], 1, false);
        for (size_t j = 1; j < count; j++)
            tokens_push(&examples[i], 300 + (uint32_t)rng_below(&rng, 40), j > 3);
    }
}

static void print_note(void *user, const TrainEvent *event)
{
    (void)user;
    if (event->kind == TRAIN_EVENT_NOTE)
        fprintf(stderr, "%s\n", event->text);
}

/* Says of the emulated rows for f16 operands what a probe would of those for matrix units. */
static void call_half_faster(Gpu *gpu)
{
    KernelPolicy *policy = MEM_NEW(KernelPolicy);
    static const char *const rows[] = {"matmul_nt_half_emulated", "matmul_nn_half_emulated"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        policy_set_verdict(policy, rows[i], FINDING_FASTER, "");
        policy_set_tuning(policy, rows[i], &kernel_by_name(rows[i])->tunings[1]);   /* small tiles */
    }
    gpu_set_policy(gpu, policy);
}

static tmb_status run(const char *model_path, const TrainParams *params)
{
    Tokens examples[TRAINED + HELD] = {{0}};
    TrainBase base = {.model_path = model_path, .version = "test"};
    TrainExamples split = {.train = examples, .held = examples + TRAINED,
                           .train_count = TRAINED, .held_count = HELD};
    char sha256[SHA256_TEXT];
    GpuParams gpu_params = {0};
    Gpu *gpu = NULL;
    Model *model = NULL;
    Run *folder = NULL;
    TrainResult result;
    draw_examples(examples);
    tmb_status status = sha256_file(model_path, sha256);
    TRY_OR(done, status, gpu_open(&gpu_params, &gpu));
    if (getenv("TIMBRE_TEST_HALF"))
        call_half_faster(gpu);
    TRY_OR(done, status, model_open(model_path, &model));
    base.gpu = gpu;
    base.model = model;
    base.model_sha256 = sha256;
    TRY_OR(done, status, run_open(params->run, params->resume, &folder));
    if (!folder->frozen) {
        TRY_OR(done, status, settings_fill(&base, params, &folder->config));
        folder->config.validation_sha256 = mem_string("");
        folder->config.initial_sha256 = mem_string("");
    }
    TRY_OR(done, status, train_examples(&base, params, &split, folder, 0, &result));
done:
    run_close(&folder);
    model_close(&model);
    gpu_close(&gpu);
    for (int i = 0; i < TRAINED + HELD; i++)
        tokens_finish(&examples[i]);
    return status;
}

int main(int argc, char **argv)
{
    os_arguments(&argc, &argv);
    if (argc < 4)
        return 2;
    os_interrupt_install();
    TrainParams params = {.run = argv[2], .steps = strtoull(argv[3], NULL, 10), .rank = 4,
                          .learning_rate = 0.01, .step_examples = 5, .row_tokens = 64,
                          .eval_every = 2, .checkpoint_every = 1, .seed = 5,
                          .resume = argc > 4 && !strcmp(argv[4], "resume"),
                          .on_event = print_note};
    tmb_status status = run(argv[1], &params);
    if (status)
        fprintf(stderr, "train_child: %s\n", tmb_last_error());
    return tmb_exit_code(status);
}
