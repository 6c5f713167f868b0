#include "api/samples.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "infer/generator.h"
#include "train/adapter.h"
#include "train/run_config.h"

static const double SHARE = 0.02;

/* Tokens before the first one to be learnt: exactly what a generator would be asked. */
static uint32_t prompt_tokens(const Tokens *tokens)
{
    uint32_t count = 0;
    while (count < tokens->count && !tokens->supervised[count])
        count++;
    return count;
}

bool samples_are_cheap(const Tokens *held, uint32_t held_count, const TrainResult *result)
{
    double tokens = 0;
    for (uint32_t i = 0; i < held_count && i < SAMPLES; i++)
        tokens += prompt_tokens(&held[i]) + SAMPLE_TOKENS;
    /* a token decoded costs about as much as one learnt from: a third of the arithmetic, but
     * one at a time */
    return tokens / result->tokens_per_second <= SHARE * result->seconds;
}

static void add_text(cJSON *object, const char *name, const Tokenizer *tokenizer,
                     const uint32_t *ids, size_t count)
{
    Text bytes = {0}, text = {0};
    tokenizer_decode(tokenizer, ids, count, false, &bytes);
    text_append(&text, "", 0);
    text_append_valid(&text, bytes.data, bytes.bytes);
    cJSON_AddStringToObject(object, name, text.data);
    text_finish(&bytes);
    text_finish(&text);
}

static tmb_status write_lines(const TrainBase *base, const char *run, const Tokens *held,
                              const GenerateRequest *requests, uint32_t count)
{
    Text lines = {0};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t prompt = requests[i].prompt_count;
        cJSON *object = cJSON_CreateObject();
        add_text(object, "prompt", base->tokenizer, held[i].ids, prompt);
        add_text(object, "reply", base->tokenizer, requests[i].ids, requests[i].count);
        add_text(object, "theirs", base->tokenizer, held[i].ids + prompt, held[i].count - prompt);
        cJSON_AddBoolToObject(object, "ended", requests[i].ended);
        char *line = cJSON_PrintUnformatted(object);
        text_print(&lines, "%s\n", line ? line : "{}");
        cJSON_free(line);
        cJSON_Delete(object);
    }
    char *path = os_join(run, "samples.jsonl");
    tmb_status status = os_write_file(path, lines.data, lines.bytes);
    free(path);
    text_finish(&lines);
    return status;
}

/* Room for the longest prompt with its reply, within what the model knows. */
static uint32_t context_for(const TrainBase *base, const Tokens *held, uint32_t count)
{
    uint32_t most = 0, known = model_config(base->model)->context;
    for (uint32_t i = 0; i < count; i++)
        most = prompt_tokens(&held[i]) > most ? prompt_tokens(&held[i]) : most;
    return most + SAMPLE_TOKENS < known ? most + SAMPLE_TOKENS : known;
}

static tmb_status answer(const TrainBase *base, const Adapter *adapter, const Tokens *held,
                         GenerateRequest *requests, uint32_t count)
{
    Lora *lora = NULL;
    Generator *generator = NULL;
    uint32_t stops[CHAT_STOPS];
    tmb_status status = TMB_OK;
    TRY_OR(done, status, adapter_lora(adapter, base->model, gpu_caps(base->gpu)->storage_range,
                                      &lora));
    TRY_OR(done, status, generator_create(&(GeneratorParams){.gpu = base->gpu,
                                                             .model = base->model,
                                                             .lora = lora,
                                                             .context = context_for(base, held, count),
                                                             .batch = count},
                                          &generator));
    TRY_OR(done, status, adapter_to_store(adapter, lora, generator_store(generator)));
    for (uint32_t i = 0; i < count; i++)
        requests[i] = (GenerateRequest){.prompt = held[i].ids,
                                        .prompt_count = prompt_tokens(&held[i]),
                                        .max_tokens = SAMPLE_TOKENS};
    status = generator_run(generator,
                           &(GenerateParams){.requests = requests,
                                             .request_count = count,
                                             .stops = stops,
                                             .stop_count = (uint32_t)chat_template_stops(base->chat,
                                                                                         stops)});
done:
    generator_destroy(&generator);
    lora_destroy(&lora);
    return status;
}

tmb_status samples_write(const TrainBase *base, const char *run, const Tokens *held,
                         uint32_t held_count)
{
    GenerateRequest requests[SAMPLES] = {{0}};
    uint32_t count = held_count < SAMPLES ? held_count : SAMPLES;
    char *folder = os_join(run, "adapter"), *path = os_join(folder, RUN_ADAPTER);
    Adapter *adapter = NULL;
    tmb_status status = adapter_open(path, &adapter);
    if (!status)
        status = answer(base, adapter, held, requests, count);
    if (!status)
        status = write_lines(base, run, held, requests, count);
    for (uint32_t i = 0; i < count; i++)
        free(requests[i].ids);
    adapter_destroy(&adapter);
    free(path);
    free(folder);
    return status;
}
