/* What our own engine says with an adapter, for comparisons with other people's software:
 *
 *     greedy MODEL ADAPTER|- TOKENS LOGITS < prompts
 *
 * Each line of standard input is a prompt, special tokens spelled out. Prints one JSON line
 * a prompt: its ids and the TOKENS greedy ids that follow; appends the logits behind the
 * prompt (f32 [vocabulary]) to the file LOGITS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "data/tokenizer.h"
#include "export/export.h"
#include "infer/generator.h"

typedef struct Setup {
    Gpu *gpu;
    Model *model;
    Tokenizer *tokenizer;
    Adapter *adapter;
    Lora *lora;
    Generator *generator;
} Setup;

static tmb_status set_up(Setup *setup, const char *model, const char *adapter)
{
    GpuParams gpu = {0};
    TRY(gpu_open(&gpu, &setup->gpu));
    TRY(model_open(model, &setup->model));
    TRY(tokenizer_load(model_gguf(setup->model), &setup->tokenizer));
    if (strcmp(adapter, "-")) {
        char sha256[SHA256_TEXT];
        TRY(sha256_file(model, sha256));
        TRY(adapter_load(adapter, setup->model, sha256, &setup->adapter));
        TRY(adapter_lora(setup->adapter, setup->model, gpu_caps(setup->gpu)->storage_range,
                         &setup->lora));
    }
    GeneratorParams params = {.gpu = setup->gpu, .model = setup->model, .lora = setup->lora,
                              .context = 512, .batch = 1};
    TRY(generator_create(&params, &setup->generator));
    return setup->adapter ? adapter_to_store(setup->adapter, setup->lora,
                                             generator_store(setup->generator))
                          : TMB_OK;
}

static void print_ids(const char *name, const uint32_t *ids, size_t count)
{
    printf("\"%s\": [", name);
    for (size_t i = 0; i < count; i++)
        printf("%s%u", i ? ", " : "", ids[i]);
    printf("]");
}

static tmb_status answer(Setup *setup, const char *prompt, uint32_t most, const char *logits_path)
{
    Tokens tokens = {0};
    uint32_t vocab = model_config(setup->model)->vocab;
    float *logits = MEM_NEW_ARRAY(float, vocab);
    tmb_status status = TMB_OK;
    if (tokenizer_adds_bos(setup->tokenizer))
        tokens_push(&tokens, tokenizer_bos(setup->tokenizer), false);
    TRY_OR(done, status, tokenizer_encode(setup->tokenizer, prompt, strlen(prompt), true,
                                          &tokens));
    GenerateRequest request = {.prompt = tokens.ids, .prompt_count = (uint32_t)tokens.count,
                               .max_tokens = most};
    GenerateParams params = {.requests = &request, .request_count = 1};
    TRY_OR(done, status, generator_run(setup->generator, &params));
    TRY_OR(done, status, generator_logits(setup->generator, tokens.ids, (uint32_t)tokens.count,
                                          1, logits));
    printf("{");
    print_ids("prompt", tokens.ids, tokens.count);
    printf(", ");
    print_ids("reply", request.ids, request.count);
    printf("}\n");
    free(request.ids);
    TRY_OR(done, status, os_append(logits_path, logits, vocab * sizeof *logits));
done:
    free(logits);
    tokens_finish(&tokens);
    return status;
}

int main(int argc, char **argv)
{
    os_arguments(&argc, &argv);
    if (argc != 5)
        return 2;
    Setup setup = {0};
    char line[4096];
    tmb_status status = set_up(&setup, argv[1], argv[2]);
    if (!status)
        status = os_remove(argv[4]);
    while (!status && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = '\0';
        status = answer(&setup, line, (uint32_t)strtoul(argv[3], NULL, 10), argv[4]);
    }
    if (status)
        fprintf(stderr, "greedy: %s\n", tmb_last_error());
    generator_destroy(&setup.generator);
    lora_destroy(&setup.lora);
    adapter_destroy(&setup.adapter);
    tokenizer_destroy(&setup.tokenizer);
    model_close(&setup.model);
    gpu_close(&setup.gpu);
    return tmb_exit_code(status);
}
