#ifndef TESTS_MODEL_RANDOM_H
#define TESTS_MODEL_RANDOM_H
/* What tests of the small random model begin with: a device, the model, an adapter on it. */

#include <stdio.h>

#include "packed.h"
#include "test.h"

typedef struct RandomModel {
    Gpu *gpu;
    Model *model;
    Lora *lora;
} RandomModel;

/* Arguments: GOLDEN_FOLDER [DEVICE [CAPS]]. A device that cannot be opened skips the test; false: there
 * is nothing to go on with. */
static inline bool random_open(Test *test, int argc, char **argv, RandomModel *out)
{
    char path[1024];
    *out = (RandomModel){0};
    if (argc < 2)
        return CHECK(test, argc > 1);
    GpuParams gpu = {.device = argc > 2 && *argv[2] ? argv[2] : NULL,
                     .caps = argc > 3 ? argv[3] : NULL};
    if (gpu_open(&gpu, &out->gpu) != TMB_OK) {
        test_skip(test, tmb_last_error());
        return false;
    }
    snprintf(path, sizeof path, "%s/random.gguf", argv[1]);
    LoraParams params = {.rank = PACKED_RANK, .alpha = 8};
    return CHECK_OK(test, model_open(path, &out->model)) &&
           CHECK_OK(test, lora_create(out->model, &params, gpu_caps(out->gpu)->storage_range,
                                      &out->lora));
}

static inline void random_close(RandomModel *random)
{
    lora_destroy(&random->lora);
    model_close(&random->model);
    gpu_close(&random->gpu);
}

#endif
