#ifndef TESTS_TRAIN_SETUP_H
#define TESTS_TRAIN_SETUP_H
/* A device and a model with all that training asks of it. Zero to begin. */

#include "base/sha256.h"
#include "train/trainer.h"

typedef struct Setup {
    TrainBase base;
    Gpu *gpu;
    Model *model;
    Tokenizer *tokenizer;
    ChatTemplate *chat;
    char sha256[SHA256_TEXT];
} Setup;

/* The model at `path`, which outlives the setup; setup->gpu is open already. */
static inline tmb_status setup_load(Setup *setup, const char *path)
{
    TRY(model_open(path, &setup->model));
    TRY(tokenizer_load(model_gguf(setup->model), &setup->tokenizer));
    TRY(chat_template_load(model_gguf(setup->model), setup->tokenizer, &setup->chat));
    TRY(sha256_file(path, setup->sha256));
    setup->base = (TrainBase){.gpu = setup->gpu, .model = setup->model, .model_path = path,
                              .model_sha256 = setup->sha256, .tokenizer = setup->tokenizer,
                              .chat = setup->chat, .version = "test"};
    return TMB_OK;
}

static inline void setup_finish(Setup *setup)
{
    chat_template_destroy(&setup->chat);
    tokenizer_destroy(&setup->tokenizer);
    model_close(&setup->model);
    gpu_close(&setup->gpu);
}

#endif
