/* tmb_generate…: conversations to token ids, replies back to text as they come. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "export/export.h"
#include "infer/generator.h"

enum { DEFAULT_REPLY_TOKENS = 256 };

struct tmb_generator {
    tmb_model *model;
    Lora *lora;              /* NULL: the bare model */
    Generator *inner;
};

static tmb_status create_inner(tmb_device *device, tmb_model *model,
                               const tmb_generator_params *params, tmb_generator *generator)
{
    Adapter *adapter = NULL;
    tmb_model_info info;
    tmb_status status = TMB_OK;
    if (params->adapter) {
        TRY(tmb_model_describe(model, &info));
        TRY_OR(done, status, adapter_load(params->adapter, model->model, info.sha256, &adapter));
        TRY_OR(done, status, adapter_lora(adapter, model->model,
                                          gpu_caps(device->gpu)->storage_range, &generator->lora));
    }
    TRY_OR(done, status, generator_create(&(GeneratorParams){.gpu = device->gpu,
                                                             .model = model->model,
                                                             .lora = generator->lora,
                                                             .context = params->context,
                                                             .batch = params->batch},
                                          &generator->inner));
    if (adapter)
        status = adapter_to_store(adapter, generator->lora, generator_store(generator->inner));
done:
    adapter_destroy(&adapter);
    return status;
}

tmb_status tmb_generator_create(tmb_device *device, tmb_model *model,
                                const tmb_generator_params *params, tmb_generator **out)
{
    const ChatTemplate *chat;
    *out = NULL;
    TRY(api_chat(model, &chat));
    tmb_generator *generator = MEM_NEW(tmb_generator);
    generator->model = model;
    tmb_status status = create_inner(device, model, params, generator);
    if (status != TMB_OK)
        tmb_generator_destroy(&generator);
    *out = generator;
    return status;
}

void tmb_generator_destroy(tmb_generator **generator)
{
    if (!*generator)
        return;
    generator_destroy(&(*generator)->inner);
    lora_destroy(&(*generator)->lora);
    free(*generator);
    *generator = NULL;
}

/* What on_token needs to turn tokens into text. */
typedef struct Relay {
    const Tokenizer *tokenizer;
    const tmb_sampling *sampling;
    TokenStream *streams;    /* one per conversation */
    Text *texts;
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
    if (!stop)
        token_stream_push(&relay->streams[index], relay->tokenizer, id, false, &relay->texts[index]);
    relay_text(relay, index, before);
}

static tmb_status encode_prompts(const tmb_generator *generator, const ChatTemplate *chat,
                                 const tmb_conversation *conversations, uint32_t count,
                                 const tmb_sampling *sampling, Tokens *prompts,
                                 GenerateRequest *requests)
{
    for (uint32_t i = 0; i < count; i++) {
        Message *messages = MEM_NEW_ARRAY(Message, conversations[i].count);
        for (size_t m = 0; m < conversations[i].count; m++)
            messages[m] = (Message){conversations[i].messages[m].role,
                                    conversations[i].messages[m].content};
        tmb_status status = chat_template_encode(chat, generator->model->tokenizer, messages,
                                                 conversations[i].count, true, &prompts[i]);
        free(messages);
        if (status != TMB_OK)
            return fail_in(status, "conversation %u: ", i + 1);
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
        text_append(&relay->texts[i], "", 0);
        replies[i] = (tmb_reply){
            .text = relay->texts[i].data,
            .ids = requests[i].ids,
            .tokens = requests[i].count,
            .prompt_tokens = prompts[i].count,
            .ended = requests[i].ended,
        };
    }
}

tmb_status tmb_generate(tmb_generator *generator, const tmb_conversation *conversations,
                        size_t conversation_count, const tmb_sampling *sampling, tmb_reply *replies)
{
    const ChatTemplate *chat;
    uint32_t count = (uint32_t)conversation_count, stops[CHAT_STOPS];
    memset(replies, 0, conversation_count * sizeof *replies);
    if (conversation_count > UINT32_MAX / 2)
        return fail(TMB_USAGE, "%zu conversations are too many", conversation_count);
    TRY(api_chat(generator->model, &chat));
    Tokens *prompts = MEM_NEW_ARRAY(Tokens, count);
    GenerateRequest *requests = MEM_NEW_ARRAY(GenerateRequest, count);
    Relay relay = {
        .tokenizer = generator->model->tokenizer,
        .sampling = sampling,
        .streams = MEM_NEW_ARRAY(TokenStream, count),
        .texts = MEM_NEW_ARRAY(Text, count),
        .count = count,
    };
    tmb_status status =
        encode_prompts(generator, chat, conversations, count, sampling, prompts, requests);
    if (status == TMB_OK)
        status = generator_run(generator->inner,
                               &(GenerateParams){.requests = requests,
                                                 .request_count = count,
                                                 .stops = stops,
                                                 .stop_count = (uint32_t)chat_template_stops(chat, stops),
                                                 .on_token = relay_token,
                                                 .user = &relay});
    take_replies(&relay, prompts, requests, replies);
    if (status != TMB_OK)
        tmb_replies_clear(replies, conversation_count);
    for (uint32_t i = 0; i < count; i++)
        tokens_finish(&prompts[i]);
    free(prompts);
    free(requests);
    free(relay.streams);
    free(relay.texts);
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
