/* Adapters between main memory and the device. */
#include "train/adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

tmb_status adapter_from(const Model *model, const char *base_sha256, const Lora *lora,
                        AdapterRead read, void *user, Adapter **out)
{
    Adapter *adapter = adapter_create();
    tmb_status status = TMB_OK;
    snprintf(adapter->architecture, sizeof adapter->architecture, "%s",
             model_config(model)->architecture);
    snprintf(adapter->base_sha256, sizeof adapter->base_sha256, "%s", base_sha256);
    adapter->alpha = lora_alpha(lora);
    for (uint32_t i = 0; !status && i < lora_count(lora); i++) {
        const ModelLinear *linear = lora_linear(lora, i);
        AdapterPair *pair;
        status = adapter_add(adapter, linear->name, linear->in, linear->out, lora_rank(lora),
                             &pair);
        if (!status)
            status = read(user, 2 * i, pair->a);
        if (!status)
            status = read(user, 2 * i + 1, pair->b);
    }
    if (status)
        adapter_destroy(&adapter);
    *out = adapter;
    return status;
}

static bool find_linear(const Model *model, const char *name, ModelLinear *out)
{
    for (uint32_t i = 0; model_linear(model, i, out); i++)
        if (!strcmp(out->name, name))
            return true;
    return false;
}

tmb_status adapter_check(const Adapter *adapter, const char *path, const Model *model,
                         const char *base_sha256)
{
    const char *architecture = model_config(model)->architecture;
    const char *base_path = gguf_path(model_gguf(model));
    if (adapter->base_sha256[0] && base_sha256[0] && strcmp(adapter->base_sha256, base_sha256))
        return fail(TMB_BAD_INPUT, "%s was trained on another base (SHA-256 %.12s…) than %s "
                    "(%.12s…); use the model it was trained on", path, adapter->base_sha256,
                    base_path, base_sha256);
    if (adapter->architecture[0] && strcmp(adapter->architecture, architecture))
        return fail(TMB_BAD_INPUT, "%s is for the architecture %s, %s is %s", path,
                    adapter->architecture, base_path, architecture);
    for (uint32_t i = 0; i < adapter->count; i++) {
        const AdapterPair *pair = &adapter->pairs[i];
        ModelLinear linear;
        if (!find_linear(model, pair->name, &linear))
            return fail(TMB_BAD_INPUT, "%s changes %s, which is no linear of %s", path,
                        pair->name, base_path);
        if (linear.in != pair->in || linear.out != pair->out)
            return fail(TMB_BAD_INPUT, "%s: %s is %llu × %llu, in %s it is %llu × %llu; use the "
                        "model it was trained on", path, pair->name,
                        (unsigned long long)pair->out, (unsigned long long)pair->in, base_path,
                        (unsigned long long)linear.out, (unsigned long long)linear.in);
    }
    return TMB_OK;
}

tmb_status adapter_lora(const Adapter *adapter, const Model *model, uint64_t range, Lora **out)
{
    Text list = {0};
    for (uint32_t i = 0; i < adapter->count; i++) {
        const char *target = lora_target(adapter->pairs[i].name);
        if (target)
            text_print(&list, "%s,", target);   /* again and again: naming one twice is harmless */
    }
    LoraParams params = {.rank = adapter_rank(adapter), .alpha = adapter->alpha,
                         .targets = list.data};
    tmb_status status = lora_create(model, &params, range, out);
    text_finish(&list);
    return status;
}

/* A pair as the Lora's shape wants it: A gets rows of zeros, B columns of zeros, and B the
 * factor that turns alpha / rank into this pair's own alpha / rank. */
static tmb_status set_padded(const AdapterPair *pair, uint32_t rank, const Parameter *a,
                             const Parameter *b, Store *store)
{
    float *wide_a = mem_try((size_t)rank * (size_t)pair->in, sizeof *wide_a);
    float *wide_b = mem_try((size_t)rank * (size_t)pair->out, sizeof *wide_b);
    float factor = (float)rank / (float)pair->rank;
    tmb_status status = TMB_OK;
    if (!wide_a || !wide_b) {
        status = fail(TMB_OUT_OF_HOST, "no memory for the adapter of %s", pair->name);
    } else {
        memcpy(wide_a, pair->a, (size_t)(pair->rank * pair->in) * sizeof *wide_a);
        for (uint64_t row = 0; row < pair->out; row++)
            for (uint32_t column = 0; column < pair->rank; column++)
                wide_b[row * rank + column] = factor * pair->b[row * pair->rank + column];
        status = store_set(store, LIFE_PARAMETER, a, wide_a);
        if (!status)
            status = store_set(store, LIFE_PARAMETER, b, wide_b);
    }
    free(wide_a);
    free(wide_b);
    return status;
}

tmb_status adapter_to_store(const Adapter *adapter, const Lora *lora, Store *store)
{
    const Parameters *parameters = lora_parameters(lora);
    for (uint32_t i = 0; i < lora_count(lora); i++) {
        const Parameter *a = &parameters->items[2 * i], *b = &parameters->items[2 * i + 1];
        const AdapterPair *pair = adapter_find(adapter, lora_linear(lora, i)->name);
        if (!pair)
            continue;   /* the Store's zeros: this layer has no adapter */
        if (pair->rank != lora_rank(lora)) {
            TRY(set_padded(pair, lora_rank(lora), a, b, store));
            continue;
        }
        TRY(store_set(store, LIFE_PARAMETER, a, pair->a));
        TRY(store_set(store, LIFE_PARAMETER, b, pair->b));
    }
    return TMB_OK;
}
