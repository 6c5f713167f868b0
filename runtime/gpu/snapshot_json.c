/* A snapshot as JSON and back: one table of the fields says both. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "gpu/caps.h"

typedef enum FieldKind { FIELD_TEXT, FIELD_ID, FIELD_U32, FIELD_U64, FIELD_DOUBLE, FIELD_BOOL } FieldKind;

typedef struct Field {
    const char *name;
    FieldKind kind;
    size_t at, bytes;
} Field;

#define FIELD(kind, name) {#name, kind, offsetof(GpuSnapshot, name), sizeof((GpuSnapshot *)0)->name}
static const Field fields[] = {
    FIELD(FIELD_TEXT, name), FIELD(FIELD_TEXT, driver_name), FIELD(FIELD_TEXT, driver_info),
    FIELD(FIELD_ID, driver_uuid), FIELD(FIELD_ID, device_uuid), FIELD(FIELD_ID, cache_uuid),
    FIELD(FIELD_U32, vendor_id), FIELD(FIELD_U32, device_id), FIELD(FIELD_U32, api_version),
    FIELD(FIELD_U32, driver_version), FIELD(FIELD_U32, driver_id),
    FIELD(FIELD_U32, max_invocations), FIELD(FIELD_U32, max_group_size_x),
    FIELD(FIELD_U32, max_groups_x), FIELD(FIELD_U32, max_groups_y), FIELD(FIELD_U32, max_groups_z),
    FIELD(FIELD_U32, shared_bytes), FIELD(FIELD_U32, push_bytes),
    FIELD(FIELD_U32, storage_buffers_per_stage), FIELD(FIELD_U32, offset_align),
    FIELD(FIELD_U32, texel_elements), FIELD(FIELD_U32, texel_align),
    FIELD(FIELD_U64, storage_range), FIELD(FIELD_U64, allocation_bytes),
    FIELD(FIELD_DOUBLE, timestamp_nanoseconds), FIELD(FIELD_U32, queue_family),
    FIELD(FIELD_U32, timestamp_bits), FIELD(FIELD_U32, subgroup_size),
    FIELD(FIELD_U32, subgroup_min), FIELD(FIELD_U32, subgroup_max), FIELD(FIELD_U32, max_subgroups),
    FIELD(FIELD_BOOL, subgroup_arithmetic), FIELD(FIELD_BOOL, subgroup_size_control),
    FIELD(FIELD_BOOL, f16), FIELD(FIELD_BOOL, int8), FIELD(FIELD_BOOL, int16),
    FIELD(FIELD_BOOL, storage16), FIELD(FIELD_BOOL, storage8), FIELD(FIELD_BOOL, memory_model),
    FIELD(FIELD_BOOL, memory_budget), FIELD(FIELD_BOOL, coopmat), FIELD(FIELD_BOOL, executables),
};

/* JSON's numbers are doubles: what they cannot hold is written as a hexadecimal text. */
static void add_u64(cJSON *object, const char *name, uint64_t value)
{
    if (value <= 1ull << 53)
        cJSON_AddNumberToObject(object, name, (double)value);
    else
        json_add_hex(object, name, value);
}

static tmb_status read_u64(const JsonAt *at, const char *name, uint64_t *out)
{
    return cJSON_IsString(cJSON_GetObjectItemCaseSensitive(at->node, name)) ? json_hex(at, name, out)
                                                                            : json_u64(at, name, out);
}

static void add_id(cJSON *object, const Field *field, const unsigned char *bytes)
{
    char text[64] = "";
    for (size_t i = 0; i < field->bytes && 2 * i + 2 < sizeof text; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    cJSON_AddStringToObject(object, field->name, text);
}

static tmb_status read_id(const JsonAt *at, const Field *field, unsigned char *bytes)
{
    const char *text;
    TRY(json_string(at, field->name, &text));
    for (size_t i = 0; i < field->bytes; i++) {
        unsigned byte;
        if (strlen(text) != 2 * field->bytes || sscanf(text + 2 * i, "%2x", &byte) != 1)
            return fail(TMB_BAD_INPUT, "%s: %s must be %zu hexadecimal digits", at->source,
                        field->name, 2 * field->bytes);
        bytes[i] = (unsigned char)byte;
    }
    return TMB_OK;
}

static void add_field(cJSON *object, const Field *field, const void *value)
{
    switch (field->kind) {
    case FIELD_TEXT: cJSON_AddStringToObject(object, field->name, value); break;
    case FIELD_ID: add_id(object, field, value); break;
    case FIELD_U32: cJSON_AddNumberToObject(object, field->name, *(const uint32_t *)value); break;
    case FIELD_U64: add_u64(object, field->name, *(const uint64_t *)value); break;
    case FIELD_DOUBLE: cJSON_AddNumberToObject(object, field->name, *(const double *)value); break;
    case FIELD_BOOL: cJSON_AddBoolToObject(object, field->name, *(const bool *)value); break;
    }
}

static tmb_status read_field(const JsonAt *at, const Field *field, void *value)
{
    const char *text;
    switch (field->kind) {
    case FIELD_TEXT:
        TRY(json_string(at, field->name, &text));
        snprintf(value, field->bytes, "%s", text);
        return TMB_OK;
    case FIELD_ID: return read_id(at, field, value);
    case FIELD_U32: return json_u32(at, field->name, value);
    case FIELD_U64: return read_u64(at, field->name, value);
    case FIELD_DOUBLE: return json_double(at, field->name, value);
    case FIELD_BOOL: return json_bool(at, field->name, value);
    }
    return TMB_OK;
}

cJSON *snapshot_to_json(const GpuSnapshot *s)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "kind", caps_kind_name(s->kind));
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        add_field(object, &fields[i], (const char *)s + fields[i].at);
    cJSON *shapes = cJSON_AddArrayToObject(object, "shapes");
    for (uint32_t i = 0; i < s->shape_count; i++)
        cJSON_AddItemToArray(shapes, cJSON_CreateIntArray(
            (const int[]){(int)s->shape[i].m, (int)s->shape[i].n, (int)s->shape[i].k}, 3));
    cJSON *heaps = cJSON_AddArrayToObject(object, "heaps");
    for (uint32_t i = 0; i < s->heap_count; i++) {
        cJSON *heap = cJSON_CreateObject();
        add_u64(heap, "bytes", s->heap[i].bytes);
        cJSON_AddBoolToObject(heap, "device_local", s->heap[i].device_local);
        cJSON_AddItemToArray(heaps, heap);
    }
    cJSON *types = cJSON_AddArrayToObject(object, "types");
    for (uint32_t i = 0; i < s->type_count; i++) {
        cJSON *type = cJSON_CreateObject();
        cJSON_AddNumberToObject(type, "flags", s->type[i].flags);
        cJSON_AddNumberToObject(type, "heap", s->type[i].heap);
        cJSON_AddItemToArray(types, type);
    }
    return object;
}

static tmb_status read_kind(const JsonAt *at, GpuKind *out)
{
    const char *text;
    TRY(json_string(at, "kind", &text));
    for (*out = GPU_DISCRETE; *out <= GPU_OTHER; (*out)++)
        if (!strcmp(text, caps_kind_name(*out)))
            return TMB_OK;
    return fail(TMB_BAD_INPUT, "%s: \"%s\" is no kind of device", at->source, text);
}

static tmb_status read_array(const JsonAt *at, const char *name, size_t capacity, JsonAt *array,
                             uint32_t *count)
{
    TRY(json_array(at, name, array));
    if (json_count(array) > capacity)
        return fail(TMB_BAD_INPUT, "%s: %zu %s, at most %zu can be", at->source, json_count(array),
                    name, capacity);
    *count = (uint32_t)json_count(array);
    return TMB_OK;
}

static tmb_status read_shapes(const JsonAt *at, GpuSnapshot *s)
{
    JsonAt array;
    TRY(read_array(at, "shapes", SNAPSHOT_SHAPES, &array, &s->shape_count));
    for (uint32_t i = 0; i < s->shape_count; i++) {
        JsonAt shape = json_element(&array, i);
        uint64_t sides[3];
        TRY(json_as_array(&shape));
        if (json_count(&shape) != 3)
            return fail(TMB_BAD_INPUT, "%s: a shape has three sides", at->source);
        for (size_t k = 0; k < 3; k++) {
            JsonAt side = json_element(&shape, k);
            TRY(json_as_u64(&side, &sides[k]));
        }
        s->shape[i].m = (uint32_t)sides[0];
        s->shape[i].n = (uint32_t)sides[1];
        s->shape[i].k = (uint32_t)sides[2];
    }
    return TMB_OK;
}

static tmb_status read_memory(const JsonAt *at, GpuSnapshot *s)
{
    JsonAt heaps, types;
    TRY(read_array(at, "heaps", SNAPSHOT_HEAPS, &heaps, &s->heap_count));
    for (uint32_t i = 0; i < s->heap_count; i++) {
        JsonAt heap = json_element(&heaps, i);
        TRY(json_as_object(&heap));
        TRY(read_u64(&heap, "bytes", &s->heap[i].bytes));
        TRY(json_bool(&heap, "device_local", &s->heap[i].device_local));
    }
    TRY(read_array(at, "types", SNAPSHOT_TYPES, &types, &s->type_count));
    for (uint32_t i = 0; i < s->type_count; i++) {
        JsonAt type = json_element(&types, i);
        TRY(json_as_object(&type));
        TRY(json_u32(&type, "flags", &s->type[i].flags));
        TRY(json_u32(&type, "heap", &s->type[i].heap));
        if (s->type[i].heap >= s->heap_count)
            return fail(TMB_BAD_INPUT, "%s: a memory type of heap %u, there are %u", at->source,
                        s->type[i].heap, s->heap_count);
    }
    return TMB_OK;
}

tmb_status snapshot_from_json(const char *source, const cJSON *tree, GpuSnapshot *out)
{
    JsonAt at = json_at(source, tree);
    *out = (GpuSnapshot){0};
    TRY(json_as_object(&at));
    TRY(read_kind(&at, &out->kind));
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        TRY(read_field(&at, &fields[i], (char *)out + fields[i].at));
    TRY(read_shapes(&at, out));
    return read_memory(&at, out);
}
