/* eval and export. */
#include <stdlib.h>

#include <string.h>

#include <cjson/cJSON.h>

#include "base/os.h"
#include "base/status.h"
#include "cli/commands.h"

/* How the file was understood. */
static cJSON *reading_json(const tmb_eval_result *result)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "as", result->read_as);
    if (strcmp(result->read_as, "text")) {
        cJSON_AddNumberToObject(object, "examples", (double)result->examples);
        return object;
    }
    cJSON_AddNumberToObject(object, "window", result->window);
    cJSON_AddBoolToObject(object, "by_line", result->by_line);
    cJSON_AddStringToObject(object, "bos", result->bos ? "once" : "none");
    return object;
}

static void print_reading(const char *file, const tmb_eval_result *result)
{
    file = strcmp(file, "-") ? file : "standard input";
    if (!strcmp(result->read_as, "text"))
        printf("%s: plain text, encoded %s, windows of %u tokens, %s\n", file,
               result->by_line ? "line by line" : "as a whole", result->window,
               result->bos ? "BOS at the very start" : "no BOS");
    else
        printf("%s: %s, %llu example%s, scored on the %s\n", file,
               result->pairs ? "pairs" : "chat data", (unsigned long long)result->examples,
               plural(result->examples), result->pairs ? "chosen replies" : "replies");
}

static void print_eval(const CliArgs *args, const tmb_eval_result *result)
{
    if (args->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddNumberToObject(object, "tokens", (double)result->tokens);
        cJSON_AddNumberToObject(object, "mean_nll", result->mean_nll);
        cJSON_AddNumberToObject(object, "perplexity", result->perplexity);
        if (result->pairs) {
            cJSON_AddNumberToObject(object, "pairs", (double)result->pairs);
            cJSON_AddNumberToObject(object, "mean_margin", result->mean_margin);
            cJSON_AddNumberToObject(object, "chosen_wins", (double)result->chosen_wins);
        }
        cJSON_AddItemToObject(object, "read", reading_json(result));
        cJSON_AddNumberToObject(object, "seconds", result->seconds);
        cli_print_json(object);
        return;
    }
    print_reading(args->positional[1], result);
    printf("%llu token%s, mean NLL %.6f, perplexity %.4f\n", (unsigned long long)result->tokens,
           plural(result->tokens), result->mean_nll, result->perplexity);
    if (result->pairs)
        printf("%llu pair%s, the chosen reply likelier in %llu, mean margin %+.4f per token\n",
               (unsigned long long)result->pairs, plural(result->pairs), (unsigned long long)result->chosen_wins,
               result->mean_margin);
}

tmb_status cmd_eval(const CliArgs *args)
{
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    tmb_eval_result result;
    tmb_status status = TMB_OK;
    TRY_OR(done, status, cli_open(args, &model, &device));
    double start = os_seconds();
    status = tmb_evaluate(device, model,
                          &(tmb_eval_params){
                              .file = args->positional[1],
                              .adapter = args->adapter,
                              .window = (uint32_t)args->window,
                              .by_line = args->by_line,
                              .bos = args->bos,
                              .limit = (uint32_t)args->limit,
                              .seed = args->seed,
                              .row_tokens = (uint32_t)args->row_tokens,
                              .system = args->system,
                          },
                          &result);
    cli_print_profile(args, device, os_seconds() - start);
    if (status == TMB_OK)
        print_eval(args, &result);
done:
    tmb_device_close(&device);
    tmb_model_close(&model);
    return status;
}

/* What was written, and how other software takes it. */
static void print_export(const CliArgs *args, const char *model, const tmb_export_result *result)
{
    char size[32];
    if (args->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "output", args->output);
        cJSON_AddNumberToObject(object, "tensors", (double)result->tensors);
        cJSON_AddNumberToObject(object, "bytes", (double)result->bytes);
        cJSON_AddNumberToObject(object, "largest_logit_difference", result->largest_logit_difference);
        cli_print_json(object);
        return;
    }
    printf("%s: %llu tensor%s, %s, read back: largest logit difference %.2g\n", args->output,
           (unsigned long long)result->tensors, plural(result->tensors), cli_bytes(result->bytes, size),
           result->largest_logit_difference);
    if (!strcmp(args->to, "peft"))
        printf("in Python: PeftModel.from_pretrained(base_model, \"%s\")\n", args->output);
    else
        printf("with llama.cpp: llama-cli -m \"%s\" --lora \"%s\"\n", model, args->output);
}

tmb_status cmd_export(const CliArgs *args)
{
    if (!args->to || !args->output)
        return fail(TMB_USAGE, "usage: timbre export RUN --to peft|gguf-lora -o PATH");
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    char *base = NULL;
    tmb_export_result result;
    tmb_status status = TMB_OK;
    if (!args->base)
        TRY_OR(done, status, tmb_run_base(args->positional[0], &base));
    TRY_OR(done, status, tmb_model_open(args->base ? args->base : base, &model));
    TRY_OR(done, status, cli_open(args, NULL, &device));
    TRY_OR(done, status, tmb_export(device, model,
                                    &(tmb_export_params){.run = args->positional[0],
                                                         .format = args->to,
                                                         .output = args->output},
                                    &result));
    print_export(args, args->base ? args->base : base, &result);
done:
    free(base);
    tmb_device_close(&device);
    tmb_model_close(&model);
    return status;
}
