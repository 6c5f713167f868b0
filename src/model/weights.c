/* Weights on their way from the file to the device or the interpreter. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/decode.h"
#include "model/architecture.h"

/* Angles in double: at position 8191 an f32 angle would be wrong in the fourth digit. */
void model_rope_table(const Model *model, uint64_t positions, float *table)
{
    const ModelConfig *config = &model->config;
    uint32_t half = config->rope_dims / 2;
    const GgufTensor *factors =
        model->rope_factors ? model_tensor(model, "rope_freqs.weight") : NULL;
    double scale = 1 / (double)config->rope_factor;
    for (uint32_t i = 0; i < half; i++) {
        double frequency = scale * pow(config->rope_base, -2.0 * i / config->rope_dims);
        if (factors) {
            float factor;
            memcpy(&factor, factors->data + 4 * (size_t)i, 4);
            frequency /= factor;
        }
        for (uint64_t p = 0; p < positions; p++) {
            table[(p * half + i) * 2] = (float)cos((double)p * frequency);
            table[(p * half + i) * 2 + 1] = (float)sin((double)p * frequency);
        }
    }
}

static bool is_rope_table(const Tensor *tensor)
{
    return !strcmp(tensor->name, "rope.table");
}

static tmb_status new_rope_table(const Model *model, const Tensor *tensor, float **table)
{
    *table = mem_try(tensor_elements(tensor), sizeof(float));
    if (!*table)
        return fail(TMB_OUT_OF_HOST, "a RoPE table of %.0f positions does not fit main memory",
                    (double)tensor->rows);
    model_rope_table(model, tensor->rows, *table);
    return TMB_OK;
}

static tmb_status find_source(const Model *model, const Tensor *tensor, const GgufTensor **out)
{
    *out = model_tensor(model, tensor->name);
    if (!*out || (*out)->dtype != tensor->dtype || (*out)->values != tensor_elements(tensor))
        return fail(TMB_USAGE, "%s does not come from %s", tensor->name,
                    gguf_path(model->gguf));
    return TMB_OK;
}

/* A damaged plain tensor shows here, where its pages are read anyway. */
static tmb_status check_values(const Model *model, const GgufTensor *tensor)
{
    if (tensor->dtype != DTYPE_F32 && tensor->dtype != DTYPE_F16 && tensor->dtype != DTYPE_BF16)
        return TMB_OK;
    uint32_t size = tensor->dtype == DTYPE_F32 ? 4 : 2;
    uint32_t exponent = tensor->dtype == DTYPE_F16 ? 0x7c00 : 0x7f80;
    for (uint64_t i = 0; i < tensor->values; i++) {
        uint16_t high;
        memcpy(&high, tensor->data + i * size + size - 2, 2);
        if ((high & exponent) == exponent)
            return fail(TMB_BAD_INPUT, "%s: value %.0f of %s is not a finite number; the file is "
                        "damaged, fetch it again", gguf_path(model->gguf), (double)i,
                        tensor->name);
    }
    return TMB_OK;
}

static tmb_status upload_rope(const Model *model, Store *store, const Tensor *tensor)
{
    float *table = NULL;
    TRY(new_rope_table(model, tensor, &table));
    tmb_status status = store_write(store, tensor->name, 0, table, tensor_bytes(tensor));
    free(table);
    return status;
}

tmb_status model_upload(const Model *model, Store *store)
{
    const Tensor *tensor;
    for (uint32_t i = 0; (tensor = store_tensor(store, i)); i++) {
        const GgufTensor *source;
        if (tensor->life != LIFE_WEIGHT)
            continue;
        if (is_rope_table(tensor)) {
            TRY(upload_rope(model, store, tensor));
            continue;
        }
        TRY(find_source(model, tensor, &source));
        TRY(check_values(model, source));
        TRY(store_write(store, tensor->name, 0, source->data, source->bytes));
        gguf_drop(model->gguf, source);
    }
    return TMB_OK;
}

tmb_status model_load_interp(const Model *model, const Graph *graph, Interp *interp)
{
    for (uint32_t i = 0; i < graph->tensor_count; i++) {
        const Tensor *tensor = graph->tensors[i];
        const GgufTensor *source;
        if (tensor->life != LIFE_WEIGHT || tensor->stretch)
            continue;
        if (is_rope_table(tensor)) {
            float *table = NULL;
            TRY(new_rope_table(model, tensor, &table));
            interp_load(interp, tensor, table);
            free(table);
            continue;
        }
        TRY(find_source(model, tensor, &source));
        interp_load(interp, tensor, source->data);
    }
    return TMB_OK;
}

/* One row as the references see it (a double per word or value), then decoded. */
static void widen_row(Dtype dtype, const unsigned char *row, uint64_t cols, double *words,
                      float *out)
{
    uint64_t bytes = dtype_bytes(dtype, cols);
    bool half = dtype == DTYPE_F16 || dtype == DTYPE_BF16;
    if (dtype == DTYPE_F32) {
        memcpy(out, row, bytes);
        return;
    }
    for (uint64_t i = 0; half && i < cols; i++) {
        uint16_t value;
        memcpy(&value, row + 2 * i, 2);
        out[i] = dtype == DTYPE_F16 ? half_to_float(value) : bfloat_to_float(value);
    }
    if (half)
        return;
    for (uint64_t at = 0; at < bytes; at += 4) {
        uint32_t word = 0;
        memcpy(&word, row + at, bytes - at < 4 ? bytes - at : 4);
        words[at / 4] = word;
    }
    for (uint64_t i = 0; i < cols; i += 32)
        decode_reference_32(dtype, words, i, out + i);
}

tmb_status model_weight_rows(const Model *model, const char *name, uint64_t first,
                             uint64_t count, float *out)
{
    const GgufTensor *tensor;
    TRY(gguf_need_tensor(model->gguf, name, &tensor));
    uint64_t cols = tensor->shape[0], rows = tensor->values / cols;
    if (first > rows || count > rows - first)
        return fail(TMB_USAGE, "%s has %.0f rows, %.0f from %.0f on were wanted", name,
                    (double)rows, (double)count, (double)first);
    uint64_t row_bytes = dtype_bytes(tensor->dtype, cols);
    double *words = MEM_NEW_ARRAY(double, row_bytes / 4 + 1);
    for (uint64_t r = 0; r < count; r++)
        widen_row(tensor->dtype, tensor->data + (first + r) * row_bytes, cols, words,
                  out + r * cols);
    free(words);
    return TMB_OK;
}
