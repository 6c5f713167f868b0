#include "export/peft.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "data/safetensors.h"

static const char prefix[] = "base_model.model.model.layers.";

/* The linears of a layer by both names. */
static const struct Linear {
    const char *gguf, *peft;
    bool rotated;            /* rows are heads that RoPE turns */
} linears[] = {
    {"attn_q", "self_attn.q_proj", true},       {"attn_k", "self_attn.k_proj", true},
    {"attn_v", "self_attn.v_proj", false},      {"attn_output", "self_attn.o_proj", false},
    {"ffn_gate", "mlp.gate_proj", false},       {"ffn_up", "mlp.up_proj", false},
    {"ffn_down", "mlp.down_proj", false},
};

/* Only GGUFs of these architectures hold q and k interleaved. */
static bool interleaved(const ModelConfig *config)
{
    return !strcmp(config->architecture, "llama");
}

/* Row of a Hugging Face matrix that is row `row` of the GGUF's. Only the rows that RoPE turns
 * lie elsewhere, the first rope_dims of a head. */
static uint64_t hf_row(uint64_t row, const ModelConfig *config)
{
    uint64_t in_head = row % config->head_dim;
    if (in_head >= config->rope_dims)
        return row;
    return row - in_head + in_head % 2 * (config->rope_dims / 2) + in_head / 2;
}

/* Copies B between the orders: to_hf false is the way in. */
static void move_rows(const float *from, float *to, const AdapterPair *pair,
                      const ModelConfig *config, bool to_hf)
{
    for (uint64_t row = 0; row < pair->out; row++) {
        uint64_t other = hf_row(row, config);
        memcpy(to + (to_hf ? other : row) * pair->rank, from + (to_hf ? row : other) * pair->rank,
               pair->rank * sizeof *to);
    }
}

/* "blk.3.attn_q.weight" → layer 3 and the linear; NULL for other names. */
static const struct Linear *parse_gguf(const char *name, uint32_t *layer)
{
    char middle[64], rest[64];
    if (sscanf(name, "blk.%5u.%63[a-z_].%63s", layer, middle, rest) != 3 || strcmp(rest, "weight"))
        return NULL;
    for (size_t i = 0; i < COUNT_OF(linears); i++)
        if (!strcmp(linears[i].gguf, middle))
            return &linears[i];
    return NULL;
}

/* ---- writing ------------------------------------------------------------ */

static cJSON *config_json(const Adapter *adapter, const char *base_name)
{
    static const char *const absent[] = {"layers_to_transform", "layers_pattern",
                                         "modules_to_save", "revision"};
    static const char *const off[] = {"fan_in_fan_out", "use_rslora", "use_dora"};
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "peft_type", "LORA");
    cJSON_AddStringToObject(json, "task_type", "CAUSAL_LM");
    cJSON_AddStringToObject(json, "base_model_name_or_path", base_name);
    cJSON_AddNumberToObject(json, "r", adapter_rank(adapter));
    cJSON_AddNumberToObject(json, "lora_alpha", (double)adapter->alpha);
    cJSON_AddNumberToObject(json, "lora_dropout", 0);
    cJSON_AddStringToObject(json, "bias", "none");
    cJSON_AddTrueToObject(json, "inference_mode");
    cJSON_AddTrueToObject(json, "init_lora_weights");
    for (size_t i = 0; i < COUNT_OF(off); i++)
        cJSON_AddFalseToObject(json, off[i]);
    for (size_t i = 0; i < COUNT_OF(absent); i++)
        cJSON_AddNullToObject(json, absent[i]);
    cJSON_AddObjectToObject(json, "rank_pattern");
    cJSON_AddObjectToObject(json, "alpha_pattern");
    cJSON *targets = cJSON_AddArrayToObject(json, "target_modules");
    for (size_t t = 0; t < COUNT_OF(linears); t++)
        for (uint32_t i = 0, layer; i < adapter->count; i++)
            if (parse_gguf(adapter->pairs[i].name, &layer) == &linears[t]) {
                cJSON_AddItemToArray(targets,
                                     cJSON_CreateString(strchr(linears[t].peft, '.') + 1));
                break;
            }
    return json;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const SafeTensor *)left)->name, ((const SafeTensor *)right)->name);
}

static SafeTensor matrix(const char *name, uint64_t rows, uint64_t cols, const float *values)
{
    return (SafeTensor){.name = name, .dtype = DTYPE_F32, .dims = 2, .shape = {rows, cols, 1, 1},
                        .data = (const unsigned char *)values};
}

/* Both matrices of a pair; names and moved rows live in the arena. */
static tmb_status add_pair(const AdapterPair *pair, const Adapter *adapter,
                           const ModelConfig *config, Arena *arena, SafeTensor out[2])
{
    uint32_t layer;
    const struct Linear *linear = parse_gguf(pair->name, &layer);
    if (!linear)
        return fail(TMB_UNSUPPORTED, "PEFT has no name for %s", pair->name);
    if (pair->rank != adapter_rank(adapter))
        return fail(TMB_UNSUPPORTED, "%s has rank %u, others %u; only one rank can be exported "
                    "to PEFT", pair->name, pair->rank, adapter_rank(adapter));
    float *b = pair->b;
    if (linear->rotated && interleaved(config)) {
        b = arena_new(arena, (size_t)(pair->out * pair->rank), sizeof *b);
        move_rows(pair->b, b, pair, config, true);
    }
    out[0] = matrix(arena_format(arena, "%s%u.%s.lora_A.weight", prefix, layer, linear->peft),
                    pair->rank, pair->in, pair->a);
    out[1] = matrix(arena_format(arena, "%s%u.%s.lora_B.weight", prefix, layer, linear->peft),
                    pair->out, pair->rank, b);
    return TMB_OK;
}

tmb_status peft_save(const Adapter *adapter, const ModelConfig *config, const char *base_name,
                     const char *folder)
{
    Arena arena = {0};
    const SafeNote notes[] = {{"timbre.base_sha256", adapter->base_sha256},
                              {"timbre.architecture", adapter->architecture}};
    SafeTensor *matrices = MEM_NEW_ARRAY(SafeTensor, 2 * (size_t)adapter->count);
    char *tensors = os_join(folder, "adapter_model.safetensors");
    char *settings = os_join(folder, "adapter_config.json");
    cJSON *json = config_json(adapter, base_name);
    tmb_status status = TMB_OK;
    for (uint32_t i = 0; !status && i < adapter->count; i++)
        status = add_pair(&adapter->pairs[i], adapter, config, &arena, &matrices[2 * i]);
    if (!status) {
        qsort(matrices, 2 * (size_t)adapter->count, sizeof *matrices, by_name);
        status = safetensors_save_notes(tensors, matrices, 2 * (size_t)adapter->count, notes,
                                        COUNT_OF(notes));
    }
    if (!status)
        status = json_write_file(settings, json);
    cJSON_Delete(json);
    free(matrices);
    free(tensors);
    free(settings);
    arena_finish(&arena);
    return status;
}

/* ---- reading ------------------------------------------------------------ */

/* These initialisations take something away from the base's weights as well, which PEFT does
 * again on loading: the adapter alone is not the whole change. */
static tmb_status refuse_changed_base(const JsonAt *at)
{
    static const char *const names[] = {"pissa", "olora", "corda", "loftq"};
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(at->node, "init_lora_weights");
    const char *start = cJSON_GetStringValue(item);
    for (size_t i = 0; start && i < COUNT_OF(names); i++)
        if (!strncmp(start, names[i], strlen(names[i])))
            return fail(TMB_UNSUPPORTED, "%s: init_lora_weights \"%.40s\" changes the base's "
                        "weights as well; convert it to an ordinary LoRA with PEFT first",
                        at->source, start);
    return TMB_OK;
}

/* Options that would change the numbers in ways we do not compute. */
static tmb_status refuse_options(const JsonAt *at)
{
    static const char *const flags[] = {"use_dora", "fan_in_fan_out", "lora_bias", "use_qalora"};
    static const char *const lists[] = {"modules_to_save", "rank_pattern", "alpha_pattern",
                                        "trainable_token_indices", "layer_replication",
                                        "alora_invocation_tokens", "target_parameters"};
    const char *kind, *bias;
    TRY(refuse_changed_base(at));
    TRY(json_string(at, "peft_type", &kind));
    TRY(json_string_or(at, "bias", "none", &bias));
    if (strcmp(kind, "LORA") || strcmp(bias, "none"))
        return fail(TMB_UNSUPPORTED, "%s: peft_type \"%s\" with bias \"%s\"; only LORA with none "
                    "is read", at->source, kind, bias);
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        bool on;
        TRY(json_bool_or(at, flags[i], false, &on));
        if (on)
            return fail(TMB_UNSUPPORTED, "%s: %s is not supported", at->source, flags[i]);
    }
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(at->node, lists[i]);
        if (item && !cJSON_IsNull(item) && cJSON_GetArraySize(item))
            return fail(TMB_UNSUPPORTED, "%s: %s is not supported", at->source, lists[i]);
    }
    return TMB_OK;
}

static tmb_status read_config(const char *path, Adapter *adapter, uint32_t *rank)
{
    cJSON *json;
    double alpha;
    bool rank_stabilised;
    TRY(json_read_file(path, &json));
    JsonAt at = json_at(path, json);
    tmb_status status = json_as_object(&at);
    TRY_OR(done, status, status);
    TRY_OR(done, status, refuse_options(&at));
    TRY_OR(done, status, json_u32(&at, "r", rank));
    TRY_OR(done, status, json_double(&at, "lora_alpha", &alpha));
    TRY_OR(done, status, json_bool_or(&at, "use_rslora", false, &rank_stabilised));
    if (!*rank || *rank > 65536 || !(fabs(alpha) < 1e9) || alpha == 0)
        status = fail(TMB_BAD_INPUT, "%s: r is %u and lora_alpha %g; r must lie between 1 and 65536, "
                      "and lora_alpha must not be 0; the file is damaged", path, *rank, alpha);
    /* rank-stabilised LoRA scales by alpha / sqrt(r) */
    adapter->alpha = (float)(rank_stabilised ? alpha * sqrt(*rank) : alpha);
done:
    cJSON_Delete(json);
    return status;
}

/* "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight" → layer 3 and the
 * linear; NULL for other names. */
static const struct Linear *parse_peft(const char *name, uint32_t *layer)
{
    int bytes = 0;
    if (strncmp(name, prefix, sizeof prefix - 1) ||
        sscanf(name + sizeof prefix - 1, "%5u.%n", layer, &bytes) != 1 || !bytes)
        return NULL;
    name += sizeof prefix - 1 + bytes;
    for (size_t i = 0; i < COUNT_OF(linears); i++) {
        size_t length = strlen(linears[i].peft);
        if (!strncmp(name, linears[i].peft, length) && !strcmp(name + length, ".lora_A.weight"))
            return &linears[i];
    }
    return NULL;
}

/* The values of a matrix, widened; NaN and infinities are refused. */
static tmb_status read_values(const char *path, const SafeTensor *tensor, float *values)
{
    safetensor_read(tensor, values);
    for (uint64_t i = 0; i < tensor->values; i++)
        if (!isfinite(values[i]))
            return fail(TMB_BAD_INPUT, "%s: tensor %s holds a value that is not finite", path,
                        tensor->name);
    return TMB_OK;
}

static bool is_matrix(const SafeTensor *tensor)
{
    return tensor->dims == 2 && tensor->shape[0] <= UINT32_MAX && tensor->shape[1] <= UINT32_MAX;
}

/* One A matrix with its partner. */
static tmb_status read_pair(const Safetensors *file, const char *path, const SafeTensor *a,
                            const ModelConfig *config, uint32_t rank, Adapter *adapter)
{
    char name[160];
    uint32_t layer;
    const struct Linear *linear = parse_peft(a->name, &layer);
    if (!linear)
        return fail(TMB_UNSUPPORTED, "%s: tensor %s belongs to no linear of the Llama family",
                    path, a->name);
    snprintf(name, sizeof name, "%s%u.%s.lora_B.weight", prefix, layer, linear->peft);
    const SafeTensor *b = safetensors_find(file, name);
    if (!b || !is_matrix(a) || !is_matrix(b) || a->shape[0] != rank || b->shape[1] != rank ||
        (linear->rotated && b->shape[0] % config->head_dim))
        return fail(TMB_BAD_INPUT, "%s: %s and %s do not make a pair of rank %u", path,
                    a->name, name, rank);
    AdapterPair *pair;
    snprintf(name, sizeof name, "blk.%u.%s.weight", layer, linear->gguf);
    if (adapter_find(adapter, name))
        return fail(TMB_BAD_INPUT, "%s: two tensors for %s", path, name);
    TRY(adapter_add(adapter, name, a->shape[1], b->shape[0], rank, &pair));
    TRY(read_values(path, a, pair->a));
    TRY(read_values(path, b, pair->b));
    if (!linear->rotated || !interleaved(config))
        return TMB_OK;
    float *moved = mem_try((size_t)(pair->out * rank), sizeof *moved);
    if (!moved)
        return fail(TMB_OUT_OF_HOST, "no memory for the adapter of %s", name);
    move_rows(pair->b, moved, pair, config, false);
    free(pair->b);
    pair->b = moved;
    return TMB_OK;
}

static tmb_status read_pairs(const char *path, const ModelConfig *config, uint32_t rank,
                             Adapter *adapter)
{
    Safetensors *file;
    TRY(safetensors_open(path, &file));
    size_t count = safetensors_count(file);
    tmb_status status = TMB_OK;
    for (size_t i = 0; !status && i < count; i++)
        if (!strstr(safetensors_tensor(file, i)->name, ".lora_B."))
            status = read_pair(file, path, safetensors_tensor(file, i), config, rank, adapter);
    if (!status && (!adapter->count || 2 * (size_t)adapter->count != count))
        status = fail(TMB_BAD_INPUT, "%s: %zu tensors, %u of them in pairs", path, count,
                      2 * adapter->count);
    snprintf(adapter->base_sha256, sizeof adapter->base_sha256, "%s",
             safetensors_note(file, "timbre.base_sha256"));
    snprintf(adapter->architecture, sizeof adapter->architecture, "%s",
             safetensors_note(file, "timbre.architecture"));
    safetensors_close(&file);
    return status;
}

tmb_status peft_open(const char *folder, const ModelConfig *config, Adapter **out)
{
    Adapter *adapter = adapter_create();
    char *settings = os_join(folder, "adapter_config.json");
    char *tensors = os_join(folder, "adapter_model.safetensors");
    uint32_t rank = 0;
    tmb_status status = read_config(settings, adapter, &rank);
    if (!status)
        status = read_pairs(tensors, config, rank, adapter);
    if (status)
        adapter_destroy(&adapter);
    free(settings);
    free(tensors);
    *out = adapter;
    return status;
}
