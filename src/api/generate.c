/* tmb_generate…: conversations to token ids, replies back to text as they come. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "export/export.h"
#include "infer/generator.h"

enum { DEFAULT_REPLY_TOKENS = 256 };

struct tmb_generator {
    tmb_device *device;
    tmb_model *model;
    char *adapter;           /* path; NULL: the bare model */
    uint32_t context, batch;
    Lora *lora;              /* NULL: the bare model */
    Generator *inner;        /* NULL after the device was lost and did not come back */
};

static tmb_status create_inner(tmb_generator *generator)
{
    Gpu *gpu = generator->device->gpu;
    tmb_model *model = generator->model;
    Adapter *adapter = NULL;
    tmb_model_info info;
    tmb_status status = TMB_OK;
    if (generator->adapter) {
        TRY(tmb_model_describe(model, &info));
        TRY_OR(done, status, adapter_load(generator->adapter, model->model, info.sha256, &adapter));
        TRY_OR(done, status, adapter_lora(adapter, model->model, gpu_caps(gpu)->storage_range,
                                          &generator->lora));
    }
    TRY_OR(done, status, generator_create(&(GeneratorParams){.gpu = gpu,
                                                             .model = model->model,
                                                             .lora = generator->lora,
                                                             .context = generator->context,
                                                             .batch = generator->batch},
                                          &generator->inner));
    if (adapter)
        status = adapter_to_store(adapter, generator->lora, generator_store(generator->inner));
done:
    adapter_destroy(&adapter);
    return status;
}

static void destroy_inner(tmb_generator *generator)
{
    generator_destroy(&generator->inner);
    lora_destroy(&generator->lora);
}

/* On the device opened anew: with the same bits, as everything is computed again. */
static tmb_status create_again(tmb_generator *generator)
{
    destroy_inner(generator);
    TRY(gpu_reopen(generator->device->gpu));
    log_warning("the device was lost; opened it again with half the work per submit");
    return create_inner(generator);
}

tmb_status tmb_generator_create(tmb_device *device, tmb_model *model,
                                const tmb_generator_params *params, tmb_generator **out)
{
    const ChatTemplate *chat;
    *out = NULL;
    TRY(api_chat(model, &chat));
    tmb_generator *generator = MEM_NEW(tmb_generator);
    *generator = (tmb_generator){.device = device, .model = model, .context = params->context,
                                 .batch = params->batch};
    generator->adapter = params->adapter ? mem_string(params->adapter) : NULL;
    tmb_status status = create_inner(generator);
    if (status == TMB_DEVICE_LOST)
        status = create_again(generator);
    if (status != TMB_OK)
        tmb_generator_destroy(&generator);
    *out = generator;
    return status;
}

void tmb_generator_destroy(tmb_generator **generator)
{
    if (!*generator)
        return;
    destroy_inner(*generator);
    free((*generator)->adapter);
    free(*generator);
    *generator = NULL;
}

/* What on_token needs to turn tokens into text. */
typedef struct Relay {
    const Tokenizer *tokenizer;
    const tmb_sampling *sampling;
    TokenStream *streams;    /* one per conversation */
    Text *texts;
    uint32_t *seen;          /* tokens of each, since the device was opened … */
    uint32_t *told;          /* … and those that were given on already before it was lost */
    uint32_t count;
} Relay;

static void relay_text(Relay *relay, uint32_t index, size_t before)
{
    const Text *text = &relay->texts[index];
    if (relay->sampling->on_text && text->bytes > before)
        relay->sampling->on_text(relay->sampling->user, index, text->data + before,
                                 text->bytes - before);
}

static void relay_token(void *user, uint32_t index, uint32_t id, bool stop)
{
    Relay *relay = user;
    size_t before = relay->texts[index].bytes;
    if (relay->seen[index]++ < relay->told[index])
        return;
    relay->told[index]++;
    if (!stop)
        token_stream_push(&relay->streams[index], relay->tokenizer, id, false, &relay->texts[index]);
    relay_text(relay, index, before);
}

/* Bytes of another encoding would become tokens that no training ever saw. */
static tmb_status check_utf8(const Message *messages, size_t count)
{
    for (size_t m = 0; m < count; m++) {
        const char *text = messages[m].content;
        size_t bytes = text ? strlen(text) : 0, valid = bytes ? utf8_valid(text, bytes) : 0;
        if (valid < bytes)
            return fail(TMB_BAD_INPUT, "the letter is not UTF-8 at byte %zu; save it as UTF-8", valid + 1);
    }
    return TMB_OK;
}

static tmb_status encode_prompts(const tmb_generator *generator, const ChatTemplate *chat,
                                 const tmb_conversation *conversations, uint32_t count,
                                 const tmb_sampling *sampling, Tokens *prompts,
                                 GenerateRequest *requests)
{
    for (uint32_t i = 0; i < count; i++) {
        Message *messages = mem_try(conversations[i].count, sizeof *messages);
        if (!messages)
            return fail(TMB_OUT_OF_HOST, "no memory for %zu messages", conversations[i].count);
        for (size_t m = 0; m < conversations[i].count; m++)
            messages[m] = (Message){conversations[i].messages[m].role,
                                    conversations[i].messages[m].content};
        tmb_status status = check_utf8(messages, conversations[i].count);
        if (status == TMB_OK)
            status = chat_template_encode(chat, generator->model->tokenizer, messages,
                                          conversations[i].count, true, &prompts[i]);
        free(messages);
        if (status != TMB_OK)
            return count > 1 ? fail_in(status, "conversation %u: ", i + 1) : status;
        requests[i] = (GenerateRequest){
            .prompt = prompts[i].ids,
            .prompt_count = (uint32_t)prompts[i].count,
            .max_tokens = sampling->max_tokens ? sampling->max_tokens : DEFAULT_REPLY_TOKENS,
            .seed = sampling->seed + i,
            .sampling = {sampling->temperature, sampling->top_k, sampling->top_p},
        };
    }
    return TMB_OK;
}

static void take_replies(Relay *relay, const Tokens *prompts, GenerateRequest *requests,
                         tmb_reply *replies)
{
    for (uint32_t i = 0; i < relay->count; i++) {
        size_t before = relay->texts[i].bytes;
        token_stream_finish(&relay->streams[i], &relay->texts[i]);
        relay_text(relay, i, before);
        Text text = {0};      /* a reply may be cut, or go wrong, inside a character */
        text_append(&text, "", 0);
        text_append_valid(&text, relay->texts[i].data, relay->texts[i].bytes);
        text_finish(&relay->texts[i]);
        replies[i] = (tmb_reply){
            .text = text.data,
            .ids = requests[i].ids,
            .tokens = requests[i].count,
            .prompt_tokens = prompts[i].count,
            .ended = requests[i].ended,
        };
    }
}

static tmb_status run_once(tmb_generator *generator, const ChatTemplate *chat,
                           GenerateRequest *requests, Relay *relay)
{
    uint32_t stops[CHAT_STOPS];
    return generator_run(generator->inner,
                         &(GenerateParams){.requests = requests,
                                           .request_count = relay->count,
                                           .stops = stops,
                                           .stop_count = (uint32_t)chat_template_stops(chat, stops),
                                           .on_token = relay_token,
                                           .user = relay});
}

/* A device that is lost is opened again, once, and everything is computed anew: the tokens are the
 * same, and what was given on already is not given twice. */
static tmb_status run(tmb_generator *generator, const ChatTemplate *chat, GenerateRequest *requests,
                      Relay *relay)
{
    tmb_status status = generator->inner ? run_once(generator, chat, requests, relay)
                                         : TMB_DEVICE_LOST;
    if (status == TMB_DEVICE_LOST) {
        TRY(create_again(generator));
        for (uint32_t i = 0; i < relay->count; i++) {
            free(requests[i].ids);
            requests[i].ids = NULL;
            relay->seen[i] = 0;
        }
        status = run_once(generator, chat, requests, relay);
        if (status == TMB_DEVICE_LOST)
            status = fail_in(status, "the device was lost twice while answering: ");
    }
    const char *notice = gpu_notice(generator->device->gpu);
    if (notice)
        log_warning("%s", notice);
    return status;
}

tmb_status tmb_generate(tmb_generator *generator, const tmb_conversation *conversations,
                        size_t conversation_count, const tmb_sampling *sampling, tmb_reply *replies)
{
    const ChatTemplate *chat;
    uint32_t count = (uint32_t)conversation_count;
    memset(replies, 0, conversation_count * sizeof *replies);
    if (conversation_count > UINT32_MAX / 2)
        return fail(TMB_USAGE, "%zu conversations are too many", conversation_count);
    TRY(api_chat(generator->model, &chat));
    Tokens *prompts = mem_try(count, sizeof *prompts);
    GenerateRequest *requests = mem_try(count, sizeof *requests);
    Relay relay = {
        .tokenizer = generator->model->tokenizer,
        .sampling = sampling,
        .streams = mem_try(count, sizeof(TokenStream)),
        .texts = mem_try(count, sizeof(Text)),
        .seen = mem_try(count, sizeof(uint32_t)),
        .told = mem_try(count, sizeof(uint32_t)),
        .count = count,
    };
    tmb_status status = TMB_OK;
    if (!prompts || !requests || !relay.streams || !relay.texts || !relay.seen || !relay.told)
        TRY_OR(done, status, fail(TMB_OUT_OF_HOST, "no memory for %u conversations", count));
    status = encode_prompts(generator, chat, conversations, count, sampling, prompts, requests);
    if (status == TMB_OK)
        status = run(generator, chat, requests, &relay);
    take_replies(&relay, prompts, requests, replies);
    if (status != TMB_OK)
        tmb_replies_clear(replies, conversation_count);
    for (uint32_t i = 0; i < count; i++)
        tokens_finish(&prompts[i]);
done:
    free(prompts);
    free(requests);
    free(relay.streams);
    free(relay.texts);
    free(relay.seen);
    free(relay.told);
    return status;
}

void tmb_replies_clear(tmb_reply *replies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(replies[i].text);
        free(replies[i].ids);
        replies[i] = (tmb_reply){0};
    }
}
