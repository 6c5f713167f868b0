#include "graph/parameters.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN_VALUES = 64 };   /* 256 bytes: legal buffer offset on every device */

void parameters_init(Parameters *set, uint64_t range)
{
    *set = (Parameters){.range = range ? range : 128u << 20};
}

void parameters_finish(Parameters *set)
{
    arena_finish(&set->arena);
    free(set->items);
    free(set->chunk_values);
    free(set->chunk_first);
    *set = (Parameters){0};
}

static void new_chunk(Parameters *set)
{
    uint32_t count = set->chunk_count + 1;
    set->chunk_values = mem_grow(set->chunk_values, count, sizeof *set->chunk_values);
    set->chunk_first = mem_grow(set->chunk_first, count, sizeof *set->chunk_first);
    set->chunk_values[set->chunk_count] = 0;
    set->chunk_first[set->chunk_count] = set->count;
    set->chunk_count = count;
}

tmb_status parameters_add(Parameters *set, const char *name, uint64_t rows, uint64_t cols)
{
    uint64_t values = (rows * cols + ALIGN_VALUES - 1) / ALIGN_VALUES * ALIGN_VALUES;
    uint64_t most = set->range / 4;
    if (values > most)
        return fail(TMB_OUT_OF_DEVICE,
                    "trained tensor %s has %.1f MiB, but one binding of this device covers "
                    "%.1f MiB; choose a lower rank or fewer targets",
                    name, (double)values * 4 / (1 << 20), (double)set->range / (1 << 20));
    if (!set->chunk_count || set->chunk_values[set->chunk_count - 1] + values > most)
        new_chunk(set);
    if (set->count == set->capacity) {
        set->capacity = set->capacity ? 2 * set->capacity : 64;
        set->items = mem_grow(set->items, set->capacity, sizeof *set->items);
    }
    uint64_t *used = &set->chunk_values[set->chunk_count - 1];
    set->items[set->count++] = (Parameter){
        .name = arena_string(&set->arena, name),
        .rows = rows,
        .cols = cols,
        .chunk = set->chunk_count - 1,
        .offset = *used,
    };
    *used += values;
    return TMB_OK;
}

const Parameter *parameters_find(const Parameters *set, const char *name)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (!strcmp(set->items[i].name, name))
            return &set->items[i];
    return NULL;
}

uint64_t parameters_values(const Parameters *set)
{
    uint64_t values = 0;
    for (uint32_t i = 0; i < set->chunk_count; i++)
        values += set->chunk_values[i];
    return values;
}

Tensor *parameters_tensor(const Parameters *set, Graph *graph, const char *name)
{
    Tensor *tensor = graph_find(graph, name);
    if (tensor)
        return tensor;
    const Parameter *parameter = parameters_find(set, name);
    assert(parameter);
    tensor = graph_tensor(graph, LIFE_PARAMETER, DTYPE_F32, parameter->rows, parameter->cols,
                          name);
    tensor->chunk = parameter->chunk;
    tensor->offset = parameter->offset;
    return tensor;
}
