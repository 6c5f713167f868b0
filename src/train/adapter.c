#include "train/adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/gguf_write.h"

Adapter *adapter_create(void)
{
    return MEM_NEW(Adapter);
}

void adapter_destroy(Adapter **adapter)
{
    if (!*adapter)
        return;
    for (uint32_t i = 0; i < (*adapter)->count; i++) {
        free((*adapter)->pairs[i].name);
        free((*adapter)->pairs[i].a);
        free((*adapter)->pairs[i].b);
    }
    free((*adapter)->pairs);
    free(*adapter);
    *adapter = NULL;
}

tmb_status adapter_add(Adapter *adapter, const char *name, uint64_t in, uint64_t out,
                       uint32_t rank, AdapterPair **pair)
{
    float *a = in <= UINT32_MAX ? mem_try((size_t)in * rank, sizeof *a) : NULL;
    float *b = out <= UINT32_MAX ? mem_try((size_t)out * rank, sizeof *b) : NULL;
    if (!a || !b) {
        free(a);
        free(b);
        return fail(TMB_OUT_OF_HOST, "no memory for the adapter of %s (rank %u)", name, rank);
    }
    adapter->pairs = mem_grow(adapter->pairs, adapter->count + 1u, sizeof *adapter->pairs);
    *pair = &adapter->pairs[adapter->count++];
    **pair = (AdapterPair){.name = mem_string(name), .in = in, .out = out, .rank = rank,
                           .a = a, .b = b};
    return TMB_OK;
}

AdapterPair *adapter_find(const Adapter *adapter, const char *name)
{
    for (uint32_t i = 0; i < adapter->count; i++)
        if (!strcmp(adapter->pairs[i].name, name))
            return &adapter->pairs[i];
    return NULL;
}

uint32_t adapter_rank(const Adapter *adapter)
{
    uint32_t rank = 0;
    for (uint32_t i = 0; i < adapter->count; i++)
        if (adapter->pairs[i].rank > rank)
            rank = adapter->pairs[i].rank;
    return rank;
}

static bool pair_equal(const AdapterPair *left, const AdapterPair *right)
{
    return left->in == right->in && left->out == right->out && left->rank == right->rank &&
           !memcmp(left->a, right->a, (size_t)(left->in * left->rank) * sizeof *left->a) &&
           !memcmp(left->b, right->b, (size_t)(left->out * left->rank) * sizeof *left->b);
}

bool adapter_equal(const Adapter *left, const Adapter *right)
{
    if (left->count != right->count || left->alpha != right->alpha)
        return false;
    for (uint32_t i = 0; i < left->count; i++) {
        const AdapterPair *other = adapter_find(right, left->pairs[i].name);
        if (!other || !pair_equal(&left->pairs[i], other))
            return false;
    }
    return true;
}

/* ---- the file ----------------------------------------------------------- */

static void write_pair(GgufWriter *writer, const AdapterPair *pair)
{
    Text name = {0};
    uint64_t a_shape[2] = {pair->in, pair->rank}, b_shape[2] = {pair->rank, pair->out};
    text_print(&name, "%s.lora_a", pair->name);
    gguf_writer_tensor(writer, name.data, DTYPE_F32, 2, a_shape, pair->a);
    text_clear(&name);
    text_print(&name, "%s.lora_b", pair->name);
    gguf_writer_tensor(writer, name.data, DTYPE_F32, 2, b_shape, pair->b);
    text_finish(&name);
}

tmb_status adapter_save(const Adapter *adapter, const char *path)
{
    GgufWriter *writer = gguf_writer_create();
    gguf_writer_string(writer, "general.architecture", adapter->architecture);
    gguf_writer_string(writer, "general.type", "adapter");
    gguf_writer_string(writer, "adapter.type", "lora");
    gguf_writer_f32(writer, "adapter.lora.alpha", adapter->alpha);
    if (adapter->base_sha256[0])
        gguf_writer_string(writer, "timbre.base_sha256", adapter->base_sha256);
    for (uint32_t i = 0; i < adapter->count; i++)
        write_pair(writer, &adapter->pairs[i]);
    tmb_status status = gguf_writer_save(writer, path);
    gguf_writer_destroy(&writer);
    return status;
}

/* f32 values of a tensor of a plain type; NaN and infinities are refused. */
static tmb_status read_values(const Gguf *gguf, const GgufTensor *tensor, float *out)
{
    for (uint64_t i = 0; i < tensor->values; i++) {
        uint16_t half;
        if (tensor->dtype == DTYPE_F32) {
            memcpy(&out[i], tensor->data + 4 * i, sizeof out[i]);
        } else {
            memcpy(&half, tensor->data + 2 * i, sizeof half);
            out[i] = tensor->dtype == DTYPE_F16 ? half_to_float(half) : bfloat_to_float(half);
        }
        if (!isfinite(out[i]))
            return fail(TMB_BAD_INPUT, "%s: tensor %s holds a value that is not finite",
                        gguf_path(gguf), tensor->name);
    }
    return TMB_OK;
}

static bool plain(const GgufTensor *tensor)
{
    return tensor->dtype == DTYPE_F32 || tensor->dtype == DTYPE_F16 ||
           tensor->dtype == DTYPE_BF16;
}

/* One ".lora_a" tensor and its partner; other names are refused. */
static tmb_status read_pair(const Gguf *gguf, const GgufTensor *a, Adapter *adapter)
{
    static const char suffix[] = ".lora_a";
    size_t bytes = strlen(a->name);
    char name[256];
    if (bytes < sizeof suffix || bytes >= sizeof name ||
        strcmp(a->name + bytes - (sizeof suffix - 1), suffix))
        return fail(TMB_UNSUPPORTED, "%s: tensor %s is no part of a LoRA", gguf_path(gguf),
                    a->name);
    memcpy(name, a->name, bytes + 1);
    name[bytes - 1] = 'b';
    const GgufTensor *b;
    TRY(gguf_need_tensor(gguf, name, &b));
    if (a->dims != 2 || b->dims != 2 || a->shape[1] != b->shape[0] || !a->values ||
        !b->values || a->shape[1] > 65536 || !plain(a) || !plain(b))
        return fail(TMB_BAD_INPUT, "%s: %s and %s do not make a low-rank pair",
                    gguf_path(gguf), a->name, b->name);
    name[bytes - (sizeof suffix - 1)] = '\0';
    AdapterPair *pair;
    TRY(adapter_add(adapter, name, a->shape[0], b->shape[1], (uint32_t)a->shape[1], &pair));
    TRY(read_values(gguf, a, pair->a));
    return read_values(gguf, b, pair->b);
}

static bool is_b(const char *name)
{
    size_t bytes = strlen(name);
    return bytes > 7 && !strcmp(name + bytes - 7, ".lora_b");
}

static tmb_status read_adapter(const Gguf *gguf, Adapter *adapter)
{
    const char *general, *kind, *architecture, *sha256;
    TRY(gguf_string_or(gguf, "general.type", "model", &general));
    TRY(gguf_string_or(gguf, "adapter.type", "", &kind));
    if (strcmp(general, "adapter") || strcmp(kind, "lora"))
        return fail(TMB_BAD_INPUT, "%s is a GGUF, but no LoRA adapter (general.type is \"%s\")",
                    gguf_path(gguf), general);
    TRY(gguf_string_or(gguf, "general.architecture", "", &architecture));
    TRY(gguf_string_or(gguf, "timbre.base_sha256", "", &sha256));
    TRY(gguf_f32(gguf, "adapter.lora.alpha", &adapter->alpha));
    if (!isfinite(adapter->alpha) || adapter->alpha == 0)
        return fail(TMB_BAD_INPUT, "%s: adapter.lora.alpha is %g", gguf_path(gguf),
                    (double)adapter->alpha);
    snprintf(adapter->architecture, sizeof adapter->architecture, "%s", architecture);
    snprintf(adapter->base_sha256, sizeof adapter->base_sha256, "%s", sha256);
    for (size_t i = 0; i < gguf_tensor_count(gguf); i++)
        if (!is_b(gguf_tensor(gguf, i)->name))
            TRY(read_pair(gguf, gguf_tensor(gguf, i), adapter));
    if (2 * (size_t)adapter->count != gguf_tensor_count(gguf) || !adapter->count)
        return fail(TMB_BAD_INPUT, "%s: %zu tensors, %u of them in low-rank pairs",
                    gguf_path(gguf), gguf_tensor_count(gguf), 2 * adapter->count);
    return TMB_OK;
}

tmb_status adapter_open(const char *path, Adapter **out)
{
    Gguf *gguf;
    *out = NULL;
    TRY(gguf_open(path, &gguf));
    Adapter *adapter = adapter_create();
    tmb_status status = read_adapter(gguf, adapter);
    gguf_close(&gguf);
    if (status)
        adapter_destroy(&adapter);
    *out = adapter;
    return status;
}
