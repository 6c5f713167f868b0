/* Opening a model: configuration, and every tensor checked before anything uses it. */
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/architecture.h"

#define MODEL(name) extern const ModelArchitecture model_##name;
#include "model/models.def"
#undef MODEL

static const ModelArchitecture *const architectures[] = {
#define MODEL(name) &model_##name,
#include "model/models.def"
#undef MODEL
};

const ModelConfig *model_config(const Model *model)
{
    return &model->config;
}

const Gguf *model_gguf(const Model *model)
{
    return model->gguf;
}

const GgufTensor *model_tensor(const Model *model, const char *name)
{
    return gguf_find_tensor(model->gguf, name);
}

bool model_linear(const Model *model, uint32_t index, ModelLinear *out)
{
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        const ModelTensor *tensor = &model->tensors[i];
        if (!tensor->linear || index-- > 0)
            continue;
        *out = (ModelLinear){tensor->name, tensor->layer, tensor->rows, tensor->cols};
        return true;
    }
    return false;
}

void model_expect(Model *model, const char *format, int layer, uint64_t rows, uint64_t cols,
                  bool linear)
{
    if (model->tensor_count == model->tensor_capacity) {
        model->tensor_capacity = model->tensor_capacity ? 2 * model->tensor_capacity : 64;
        model->tensors = mem_grow(model->tensors, model->tensor_capacity,
                                  sizeof *model->tensors);
    }
    char name[128];
    const char *mark = strstr(format, "%u");
    if (mark && layer >= 0)
        snprintf(name, sizeof name, "%.*s%d%s", (int)(mark - format), format, layer, mark + 2);
    else
        snprintf(name, sizeof name, "%s", format);
    model->tensors[model->tensor_count++] = (ModelTensor){
        .name = arena_string(&model->arena, name),
        .rows = rows,
        .cols = cols,
        .linear = linear,
        .layer = layer < 0 ? 0 : (uint32_t)layer,
    };
}

/* ---- configuration ------------------------------------------------------ */

static const char *key_of(const ModelConfig *config, char *buffer, size_t bytes,
                          const char *suffix)
{
    snprintf(buffer, bytes, "%s.%s", config->architecture, suffix);
    return buffer;
}

static tmb_status read_count(const Gguf *gguf, const ModelConfig *config, const char *suffix,
                             uint32_t most, uint32_t *out)
{
    char key[96];
    TRY(gguf_u32(gguf, key_of(config, key, sizeof key, suffix), out));
    if (*out == 0 || *out > most)
        return fail(TMB_BAD_INPUT, "%s: %s is %u, expected 1 to %u", gguf_path(gguf), key, *out,
                    most);
    return TMB_OK;
}

/* Keys that every transformer in GGUF has, under its architecture's name. */
static tmb_status read_common(const Gguf *gguf, ModelConfig *config)
{
    char key[96];
    TRY(read_count(gguf, config, "block_count", 1024, &config->layers));
    TRY(read_count(gguf, config, "embedding_length", 65536, &config->hidden));
    TRY(read_count(gguf, config, "feed_forward_length", 1 << 20, &config->ffn));
    TRY(read_count(gguf, config, "attention.head_count", 1024, &config->heads));
    TRY(read_count(gguf, config, "context_length", 1 << 27, &config->context));
    TRY(gguf_u32_or(gguf, key_of(config, key, sizeof key, "attention.head_count_kv"),
                    config->heads, &config->kv_heads));
    if (!config->kv_heads || config->heads % config->kv_heads)
        return fail(TMB_BAD_INPUT, "%s: %u heads cannot share %u key-value heads",
                    gguf_path(gguf), config->heads, config->kv_heads);
    TRY(gguf_f32(gguf, key_of(config, key, sizeof key, "attention.layer_norm_rms_epsilon"),
                 &config->norm_eps));
    if (!(config->norm_eps > 0 && config->norm_eps < 1))
        return fail(TMB_BAD_INPUT, "%s: %s is %g, expected a small positive number",
                    gguf_path(gguf), key, (double)config->norm_eps);
    return TMB_OK;
}

static tmb_status read_vocab(const Gguf *gguf, ModelConfig *config)
{
    const GgufTensor *table;
    TRY(gguf_need_tensor(gguf, "token_embd.weight", &table));
    if (table->dims != 2 || table->shape[1] == 0 || table->shape[1] > 1 << 24)
        return fail(TMB_BAD_INPUT, "%s: token_embd.weight is no table of tokens",
                    gguf_path(gguf));
    config->vocab = (uint32_t)table->shape[1];
    GgufArray tokens;
    if (gguf_has(gguf, "tokenizer.ggml.tokens")) {
        TRY(gguf_string_array(gguf, "tokenizer.ggml.tokens", &tokens));
        if (tokens.count > config->vocab)
            return fail(TMB_BAD_INPUT, "%s: the tokenizer has %.0f tokens, the embedding %u rows",
                        gguf_path(gguf), (double)tokens.count, config->vocab);
    }
    config->tied = !gguf_find_tensor(gguf, "output.weight");
    return TMB_OK;
}

static tmb_status find_architecture(Model *model)
{
    const char *name, *title;
    TRY(gguf_string(model->gguf, "general.architecture", &name));
    char known[128] = "";
    for (size_t i = 0; i < COUNT_OF(architectures); i++) {
        if (!strcmp(architectures[i]->name, name))
            model->architecture = architectures[i];
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                 architectures[i]->name);
    }
    if (!model->architecture)
        return fail(TMB_UNSUPPORTED,
                    "%s: architecture \"%.60s\" is not one this build can train (it has: %s)",
                    gguf_path(model->gguf), name, known);
    snprintf(model->config.architecture, sizeof model->config.architecture, "%s", name);
    TRY(gguf_string_or(model->gguf, "general.name", "", &title));
    snprintf(model->config.name, sizeof model->config.name, "%s", title);
    return TMB_OK;
}

/* ---- tensors ------------------------------------------------------------ */

static bool kernel_reads(const char *family, uint32_t bind, Dtype dtype)
{
    for (size_t i = 0; i < kernel_count(); i++)
        if (!strcmp(kernel_at(i)->family, family) && kernel_at(i)->bind[bind].dtype == dtype)
            return true;
    return false;
}

/* A tensor's type can be read by every kernel that will meet it. */
static bool type_known(const ModelTensor *expected, Dtype dtype)
{
    if (expected->rows == 1)
        return dtype == DTYPE_F32;
    if (!strcmp(expected->name, "token_embd.weight") && !kernel_reads("embedding_fwd", 1, dtype))
        return false;
    return kernel_reads("matvec", 1, dtype) &&
           (dtype == DTYPE_F32 || kernel_reads("expand", 0, dtype));
}

static tmb_status check_finite(const Model *model, const GgufTensor *tensor)
{
    for (uint64_t i = 0; i < tensor->values; i++) {
        float value;
        memcpy(&value, tensor->data + 4 * i, 4);
        if (!isfinite(value))
            return fail(TMB_BAD_INPUT, "%s: value %.0f of %s is not a finite number; the file is "
                        "damaged, fetch it again", gguf_path(model->gguf), (double)i,
                        tensor->name);
    }
    return TMB_OK;
}

static tmb_status check_tensor(Model *model, const ModelTensor *expected)
{
    const GgufTensor *tensor;
    TRY(gguf_need_tensor(model->gguf, expected->name, &tensor));
    uint64_t rows = tensor->dims > 1 ? tensor->shape[1] : 1;
    if (tensor->dims > 2 || tensor->shape[0] != expected->cols || rows != expected->rows)
        return fail(TMB_BAD_INPUT, "%s: %s is %.0f x %.0f, the configuration says %.0f x %.0f",
                    gguf_path(model->gguf), expected->name, (double)rows,
                    (double)tensor->shape[0], (double)expected->rows, (double)expected->cols);
    if (!type_known(expected, tensor->dtype) ||
        expected->cols % dtype_info(tensor->dtype)->block)
        return fail(TMB_UNSUPPORTED, "%s: %s has type %s, which this build cannot compute with; "
                    "use a Q8_0, Q6_K, Q5_K_M, Q4_K_M or F16 file",
                    gguf_path(model->gguf), expected->name, dtype_info(tensor->dtype)->name);
    model->config.parameters += tensor->values;
    model->config.weight_bytes += tensor->bytes;
    if (dtype_info(tensor->dtype)->block > 1)
        model->config.block_types |= 1u << tensor->dtype;
    return expected->rows == 1 ? check_finite(model, tensor) : TMB_OK;
}

static bool expected_name(const Model *model, const char *name)
{
    for (uint32_t i = 0; i < model->tensor_count; i++)
        if (!strcmp(model->tensors[i].name, name))
            return true;
    return false;
}

/* Weights we would silently ignore (biases, experts) would make another model of it. */
static tmb_status check_unexpected(const Model *model)
{
    for (size_t i = 0; i < gguf_tensor_count(model->gguf); i++) {
        const char *name = gguf_tensor(model->gguf, i)->name;
        if (!expected_name(model, name) && strcmp(name, "rope_freqs.weight"))
            return fail(TMB_UNSUPPORTED, "%s: tensor %s is not part of architecture %s as this "
                        "build knows it", gguf_path(model->gguf), name,
                        model->config.architecture);
    }
    return TMB_OK;
}

static tmb_status check_rope_factors(Model *model)
{
    const GgufTensor *factors = gguf_find_tensor(model->gguf, "rope_freqs.weight");
    if (!factors)
        return TMB_OK;
    if (factors->dtype != DTYPE_F32 || factors->values != model->config.rope_dims / 2)
        return fail(TMB_BAD_INPUT, "%s: rope_freqs.weight has %.0f values, expected %u f32",
                    gguf_path(model->gguf), (double)factors->values,
                    model->config.rope_dims / 2);
    for (uint64_t i = 0; i < factors->values; i++) {
        float value;
        memcpy(&value, factors->data + 4 * i, 4);
        if (!(value > 0) || !isfinite(value))
            return fail(TMB_BAD_INPUT, "%s: rope_freqs.weight holds %g, expected positive "
                        "numbers", gguf_path(model->gguf), (double)value);
    }
    model->rope_factors = true;
    model->config.rope_scaling = ROPE_SCALING_LLAMA3;
    return TMB_OK;
}

static tmb_status open_checked(const char *path, Model *model)
{
    TRY(gguf_open(path, &model->gguf));
    TRY(find_architecture(model));
    TRY(read_common(model->gguf, &model->config));
    TRY(read_vocab(model->gguf, &model->config));
    TRY(model->architecture->read(model->gguf, &model->config));
    TRY(check_rope_factors(model));
    model->architecture->tensors(model);
    for (uint32_t i = 0; i < model->tensor_count; i++)
        TRY(check_tensor(model, &model->tensors[i]));
    return check_unexpected(model);
}

tmb_status model_open(const char *path, Model **out)
{
    Model *model = MEM_NEW(Model);
    tmb_status status = open_checked(path, model);
    if (status != TMB_OK)
        model_close(&model);
    *out = model;
    return status;
}

void model_close(Model **model)
{
    if (!*model)
        return;
    gguf_close(&(*model)->gguf);
    arena_finish(&(*model)->arena);
    free((*model)->tensors);
    free(*model);
    *model = NULL;
}
