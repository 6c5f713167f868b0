#ifndef TESTS_MODEL_PACKED_H
#define TESTS_MODEL_PACKED_H
/* The case of golden/make_golden.py: one row of two packed segments with masked prompts
 * and a dead tail, and adapter values by formula. The live rows are odd in number: times an odd
 * width they do not fill vectors of four. */

#include <stdlib.h>
#include <string.h>

#include "model/lora.h"

enum { PACKED_ROWS = 48, PACKED_LABELS = 26, PACKED_LIVE = 43, PACKED_RANK = 4 };

static inline uint64_t packed_splitmix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* Value i of adapter tensor `item`, exact in f32. */
static inline float packed_adapter(uint32_t item, uint64_t i)
{
    uint64_t word = packed_splitmix(((uint64_t)item << 32) + i) >> 40;
    return (float)(((double)word / 8388608 - 1) * 0.25);
}

/* A graph may have room for as many labels as rows, and an interpreter loads all of them. */
typedef struct Packed {
    uint32_t tokens[PACKED_ROWS], positions[PACKED_ROWS], span[2 * PACKED_ROWS];
    uint32_t last[PACKED_ROWS], label_rows[PACKED_ROWS], labels[PACKED_ROWS];
    float label_weights[PACKED_ROWS];
} Packed;

static inline void packed_segment(Packed *packed, uint32_t begin, uint32_t end)
{
    for (uint32_t i = begin; i < end; i++) {
        packed->positions[i] = i - begin;
        packed->span[2 * i] = begin;
        packed->span[2 * i + 1] = i + 1;
        packed->last[i] = end;
    }
}

static inline Packed packed_case(uint32_t vocab)
{
    Packed packed;
    uint32_t begins[2] = {0, 29}, ends[2] = {29, PACKED_LIVE}, masked[2] = {11, 6}, label = 0;
    uint32_t tokens[PACKED_ROWS];
    memset(&packed, 0, sizeof packed);
    for (uint32_t i = 0; i < PACKED_ROWS; i++) {
        tokens[i] = (uint32_t)(packed_splitmix(((uint64_t)1 << 48) + i) % vocab);
        packed.last[i] = i;    /* dead unless a segment covers it */
    }
    for (uint32_t s = 0; s < 2; s++) {
        packed_segment(&packed, begins[s], ends[s]);
        for (uint32_t i = begins[s] + masked[s]; i < ends[s]; i++) {
            packed.label_rows[label] = i;
            packed.labels[label] = tokens[i + 1];
            packed.label_weights[label++] = 1;
        }
    }
    for (uint32_t i = 0; i < PACKED_ROWS; i++)
        packed.tokens[i] = tokens[i];
    return packed;
}

static inline Values packed_values(uint32_t rows)
{
    Values values = {{0}};
    values.at[VALUE_ROWS] = rows;
    values.at[VALUE_LABELS] = PACKED_LABELS;
    values.at[VALUE_LOSS_SCALE] = 1.0 / PACKED_LABELS;
    return values;
}

/* Input `index`: its name, data and number of 32-bit words; NULL beyond the last. */
static inline const char *packed_input(const Packed *packed, uint32_t index, const void **data,
                                       uint32_t *words)
{
    const struct { const char *name; const void *data; uint32_t words; } inputs[] = {
        {"tokens", packed->tokens, PACKED_ROWS},
        {"positions", packed->positions, PACKED_ROWS},
        {"span", packed->span, 2 * PACKED_ROWS},
        {"last", packed->last, PACKED_ROWS},
        {"label_rows", packed->label_rows, PACKED_LABELS},
        {"labels", packed->labels, PACKED_LABELS},
        {"label_weights", packed->label_weights, PACKED_LABELS},
    };
    if (index >= sizeof inputs / sizeof *inputs)
        return NULL;
    *data = inputs[index].data;
    *words = inputs[index].words;
    return inputs[index].name;
}

/* An interpreter with weights, adapter and inputs loaded. */
static inline tmb_status packed_interp(const Model *model, const Lora *lora, const Graph *graph,
                                       const Packed *packed, Interp **out)
{
    const void *data;
    const char *name;
    uint32_t words;
    TRY(interp_create(graph, out));
    TRY(model_load_interp(model, graph, *out));
    for (uint32_t i = 0; (name = packed_input(packed, i, &data, &words)); i++)
        interp_load(*out, graph_find(graph, name), data);
    const Parameters *set = lora_parameters(lora);
    for (uint32_t i = 0; i < set->count; i++) {
        double *to = interp_data(*out, graph_find(graph, set->items[i].name));
        for (uint64_t v = 0; v < set->items[i].rows * set->items[i].cols; v++)
            to[v] = packed_adapter(i, v);
    }
    return TMB_OK;
}

static inline tmb_status packed_device(const Lora *lora, Store *store, Program *program,
                                       const Packed *packed)
{
    const void *data;
    const char *name;
    uint32_t words;
    for (uint32_t i = 0; (name = packed_input(packed, i, &data, &words)); i++)
        TRY(program_write(program, name, data, 4 * (uint64_t)words));
    const Parameters *set = lora_parameters(lora);
    for (uint32_t i = 0; i < set->count; i++) {
        uint64_t count = set->items[i].rows * set->items[i].cols;
        float *values = MEM_NEW_ARRAY(float, count);
        for (uint64_t v = 0; v < count; v++)
            values[v] = packed_adapter(i, v);
        tmb_status status = store_set(store, LIFE_PARAMETER, &set->items[i], values);
        free(values);
        TRY(status);
    }
    return TMB_OK;
}

#endif
