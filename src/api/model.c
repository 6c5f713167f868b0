/* tmb_model_…: a base model with its tokenizer and chat template. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "api/api.h"
#include "base/os.h"
#include "base/sha256.h"

static tmb_status open_parts(const char *path, tmb_model *model)
{
    if (os_is_directory(path))
        return fail(TMB_BAD_INPUT, "%s: is a folder, and a model is one GGUF file; llama.cpp's "
                    "convert_hf_to_gguf.py makes one of a folder of safetensors", path);
    TRY(model_open(path, &model->model));
    TRY(tokenizer_load(model_gguf(model->model), &model->tokenizer));
    if (tokenizer_count(model->tokenizer) > model_config(model->model)->vocab)
        return fail(TMB_BAD_INPUT, "%s: the tokenizer has %u tokens, the embedding only %u rows", path,
                    tokenizer_count(model->tokenizer), model_config(model->model)->vocab);
    /* a model without a chat template we know still evaluates plain text */
    if (chat_template_load(model_gguf(model->model), model->tokenizer, &model->chat) != TMB_OK)
        model->chat_problem = mem_string(tmb_last_error());
    return TMB_OK;
}

tmb_status tmb_model_open(const char *path, tmb_model **out)
{
    tmb_model *model = MEM_NEW(tmb_model);
    model->path = mem_string(path);
    tmb_status status = open_parts(path, model);
    if (status != TMB_OK)
        tmb_model_close(&model);
    *out = model;
    return status;
}

void tmb_model_close(tmb_model **address)
{
    tmb_model *model = *address;
    if (!model)
        return;
    chat_template_destroy(&model->chat);
    tokenizer_destroy(&model->tokenizer);
    if (model->model)
        model_close(&model->model);
    free(model->chat_problem);
    free(model->path);
    free(model);
    *address = NULL;
}

tmb_status api_chat(const tmb_model *model, const ChatTemplate **out)
{
    *out = model->chat;
    if (!model->chat)
        return fail(TMB_UNSUPPORTED, "%s", model->chat_problem);
    return TMB_OK;
}

tmb_status tmb_model_describe(tmb_model *model, tmb_model_info *out)
{
    const ModelConfig *config = model_config(model->model);
    if (!model->sha256[0])
        TRY(sha256_file(model->path, model->sha256));
    *out = (tmb_model_info){
        .path = model->path,
        .name = config->name,
        .architecture = config->architecture,
        .tokenizer = tokenizer_kind(model->tokenizer),
        .chat_template = model->chat ? chat_template_name(model->chat) : model->chat_problem,
        .layers = config->layers,
        .hidden = config->hidden,
        .heads = config->heads,
        .kv_heads = config->kv_heads,
        .head_dim = config->head_dim,
        .ffn = config->ffn,
        .vocab = config->vocab,
        .context = config->context,
        .parameters = config->parameters,
        .bytes = config->weight_bytes,
        .tied_head = config->tied,
    };
    memcpy(out->sha256, model->sha256, sizeof out->sha256);
    return TMB_OK;
}

static void print_tensors(const Gguf *gguf, Text *text)
{
    for (size_t i = 0; i < gguf_tensor_count(gguf); i++) {
        const GgufTensor *tensor = gguf_tensor(gguf, i);
        text_print(text, "%-32s %-6s [", tensor->name, dtype_info(tensor->dtype)->name);
        for (uint32_t d = 0; d < tensor->dims; d++)
            text_print(text, "%s%" PRIu64, d ? ", " : "", tensor->shape[d]);
        text_print(text, "]\n");
    }
}

static void print_model(const tmb_model_info *info, const Gguf *gguf, Text *text)
{
    text_print(text, "%s\n  %s, %s, %.1f M parameters in %.1f MB, sha256 %s\n", info->path,
               info->name[0] ? info->name : "(no name)", info->architecture,
               (double)info->parameters * 1e-6, (double)info->bytes * 1e-6, info->sha256);
    text_print(text, "  %u layers, hidden %u, %u heads of %u (%u key-value), ffn %u, vocabulary %u, context %u\n",
               info->layers, info->hidden, info->heads, info->head_dim, info->kv_heads, info->ffn,
               info->vocab, info->context);
    text_print(text, "  tokenizer %s, chat template %s, head %s\n\n", info->tokenizer,
               info->chat_template, info->tied_head ? "shared with the embedding" : "of its own");
    char line[256];
    for (size_t i = 0; i < gguf_entry_count(gguf); i++) {
        gguf_entry_print(gguf_entry(gguf, i), line, sizeof line);
        text_print(text, "%-44s %s\n", gguf_entry(gguf, i)->key, line);
    }
    text_print(text, "\n");
    print_tensors(gguf, text);
}

static void print_model_json(const tmb_model_info *info, const Gguf *gguf, Text *text)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"layers", info->layers}, {"hidden", info->hidden},   {"heads", info->heads},
        {"kv_heads", info->kv_heads}, {"head_dim", info->head_dim}, {"ffn", info->ffn},
        {"vocab", info->vocab},   {"context", info->context}, {"parameters", (double)info->parameters},
        {"bytes", (double)info->bytes},
    };
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "path", info->path);
    cJSON_AddStringToObject(object, "name", info->name);
    cJSON_AddStringToObject(object, "architecture", info->architecture);
    cJSON_AddStringToObject(object, "sha256", info->sha256);
    cJSON_AddStringToObject(object, "tokenizer", info->tokenizer);
    cJSON_AddStringToObject(object, "chat_template", info->chat_template);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        cJSON_AddNumberToObject(object, numbers[i].key, numbers[i].value);
    cJSON *tensors = cJSON_AddArrayToObject(object, "tensors");
    for (size_t i = 0; i < gguf_tensor_count(gguf); i++) {
        const GgufTensor *tensor = gguf_tensor(gguf, i);
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", tensor->name);
        cJSON_AddStringToObject(row, "type", dtype_info(tensor->dtype)->name);
        cJSON *shape = cJSON_AddArrayToObject(row, "shape");
        for (uint32_t d = 0; d < tensor->dims; d++)
            cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)tensor->shape[d]));
        cJSON_AddItemToArray(tensors, row);
    }
    char *printed = cJSON_Print(object);
    text_print(text, "%s\n", printed ? printed : "{}");
    free(printed);
    cJSON_Delete(object);
}

tmb_status tmb_model_inspect(tmb_model *model, int json, char **text)
{
    tmb_model_info info;
    Text out = {0};
    TRY(tmb_model_describe(model, &info));
    if (json) {
        print_model_json(&info, model_gguf(model->model), &out);
    } else {
        Text raw = {0};
        print_model(&info, model_gguf(model->model), &raw);
        text_append_visible(&out, raw.data, raw.bytes);     /* names are the file's */
        text_finish(&raw);
    }
    *text = out.data;
    return TMB_OK;
}

tmb_status tmb_model_tokenize(tmb_model *model, const char *text, size_t bytes, int special,
                              uint32_t **ids, size_t *count)
{
    Tokens tokens = {0};
    *ids = NULL;
    *count = 0;
    tmb_status status = tokenizer_encode(model->tokenizer, text, bytes, special != 0, &tokens);
    if (status == TMB_OK) {
        *ids = tokens.ids;
        *count = tokens.count;
        tokens.ids = NULL;
    }
    tokens_finish(&tokens);
    return status;
}

tmb_status tmb_model_detokenize(tmb_model *model, const uint32_t *ids, size_t count, char **text,
                                size_t *bytes)
{
    Text out = {0};
    for (size_t i = 0; i < count; i++)
        if (ids[i] >= tokenizer_count(model->tokenizer))
            return fail(TMB_USAGE, "token %u is not in the vocabulary of %u", ids[i],
                        tokenizer_count(model->tokenizer));
    text_append(&out, "", 0);
    tokenizer_decode(model->tokenizer, ids, count, true, &out);
    *text = out.data;
    *bytes = out.bytes;
    return TMB_OK;
}
