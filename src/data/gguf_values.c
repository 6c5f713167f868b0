/* The metadata of a GGUF file, by key and type. gguf.c has checked that every value
 * lies inside the file. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "data/gguf.h"

static const char *const type_names[GGUF_TYPE_COUNT] = {
    [GGUF_U8] = "u8", [GGUF_I8] = "i8", [GGUF_U16] = "u16", [GGUF_I16] = "i16",
    [GGUF_U32] = "u32", [GGUF_I32] = "i32", [GGUF_F32] = "f32", [GGUF_BOOL] = "bool",
    [GGUF_STRING] = "string", [GGUF_ARRAY] = "array", [GGUF_U64] = "u64",
    [GGUF_I64] = "i64", [GGUF_F64] = "f64",
};

/* A number of a fixed-size type, as a signed or an unsigned integer and as a double. */
typedef struct Number {
    bool integer, negative;
    uint64_t magnitude;      /* of an integer */
    double value;
} Number;

static Number number_from_signed(int64_t value)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    return (Number){true, value < 0, magnitude, (double)value};
}

static Number number_at(GgufType type, const unsigned char *data)
{
    float single;
    double real;
    uint64_t bits;
    switch (type) {
    case GGUF_U8: case GGUF_BOOL: bits = gguf_load(data, 1); break;
    case GGUF_U16: bits = gguf_load(data, 2); break;
    case GGUF_U32: bits = gguf_load(data, 4); break;
    case GGUF_U64: bits = gguf_load(data, 8); break;
    case GGUF_I8: return number_from_signed((int8_t)gguf_load(data, 1));
    case GGUF_I16: return number_from_signed((int16_t)gguf_load(data, 2));
    case GGUF_I32: return number_from_signed((int32_t)gguf_load(data, 4));
    case GGUF_I64: return number_from_signed((int64_t)gguf_load(data, 8));
    case GGUF_F32:
        memcpy(&single, data, sizeof single);
        return (Number){false, single < 0, 0, (double)single};
    case GGUF_F64:
        memcpy(&real, data, sizeof real);
        return (Number){false, real < 0, 0, real};
    default:
        assert(!"strings and arrays are no numbers");
        return (Number){0};
    }
    return (Number){true, false, bits, (double)bits};
}

static tmb_status need(const Gguf *gguf, const char *key, const GgufEntry **out)
{
    *out = gguf_find_entry(gguf, key);
    if (!*out)
        return fail(TMB_BAD_INPUT, "%s: metadata key %s is missing", gguf_path(gguf), key);
    return TMB_OK;
}

static tmb_status wrong(const Gguf *gguf, const GgufEntry *entry, const char *wanted)
{
    char line[96];
    gguf_entry_print(entry, line, sizeof line);
    return fail(TMB_BAD_INPUT, "%s: metadata key %s is %s (%s), where %s is needed",
                gguf_path(gguf), entry->key, line, type_names[entry->type], wanted);
}

bool gguf_has(const Gguf *gguf, const char *key)
{
    return gguf_find_entry(gguf, key) != NULL;
}

static bool is_number(GgufType type)
{
    return type != GGUF_STRING && type != GGUF_ARRAY;
}

tmb_status gguf_u32(const Gguf *gguf, const char *key, uint32_t *out)
{
    static const char wanted[] = "a whole number below 2^32";
    const GgufEntry *entry;
    TRY(need(gguf, key, &entry));
    if (!is_number(entry->type) || entry->type == GGUF_BOOL)
        return wrong(gguf, entry, wanted);
    Number number = number_at(entry->type, entry->value);
    if (!number.integer || number.negative || number.magnitude > UINT32_MAX)
        return wrong(gguf, entry, wanted);
    *out = (uint32_t)number.magnitude;
    return TMB_OK;
}

tmb_status gguf_f32(const Gguf *gguf, const char *key, float *out)
{
    const GgufEntry *entry;
    TRY(need(gguf, key, &entry));
    if (entry->type != GGUF_F32 && entry->type != GGUF_F64)
        return wrong(gguf, entry, "a real number");
    *out = (float)number_at(entry->type, entry->value).value;
    return TMB_OK;
}

tmb_status gguf_bool(const Gguf *gguf, const char *key, bool *out)
{
    const GgufEntry *entry;
    TRY(need(gguf, key, &entry));
    if (entry->type != GGUF_BOOL || entry->value[0] > 1)
        return wrong(gguf, entry, "true or false");
    *out = entry->value[0] == 1;
    return TMB_OK;
}

tmb_status gguf_string(const Gguf *gguf, const char *key, const char **out)
{
    const GgufEntry *entry;
    TRY(need(gguf, key, &entry));
    if (entry->type != GGUF_STRING)
        return wrong(gguf, entry, "a string");
    if (!entry->text)
        return fail(TMB_BAD_INPUT, "%s: the string of metadata key %s has a NUL byte or more than "
                    "1 MiB; the file is damaged", gguf_path(gguf), key);
    *out = entry->text;
    return TMB_OK;
}

tmb_status gguf_u32_or(const Gguf *gguf, const char *key, uint32_t fallback, uint32_t *out)
{
    *out = fallback;
    return gguf_has(gguf, key) ? gguf_u32(gguf, key, out) : TMB_OK;
}

tmb_status gguf_f32_or(const Gguf *gguf, const char *key, float fallback, float *out)
{
    *out = fallback;
    return gguf_has(gguf, key) ? gguf_f32(gguf, key, out) : TMB_OK;
}

tmb_status gguf_bool_or(const Gguf *gguf, const char *key, bool fallback, bool *out)
{
    *out = fallback;
    return gguf_has(gguf, key) ? gguf_bool(gguf, key, out) : TMB_OK;
}

tmb_status gguf_string_or(const Gguf *gguf, const char *key, const char *fallback,
                          const char **out)
{
    *out = fallback;
    return gguf_has(gguf, key) ? gguf_string(gguf, key, out) : TMB_OK;
}

/* ---- arrays ------------------------------------------------------------- */

enum { ARRAY_HEADER = 4 + 8 };   /* item type, count */

tmb_status gguf_number_array(const Gguf *gguf, const char *key, GgufArray *out)
{
    const GgufEntry *entry;
    TRY(need(gguf, key, &entry));
    if (entry->type != GGUF_ARRAY || !is_number(entry->item))
        return wrong(gguf, entry, "an array of numbers");
    *out = (GgufArray){entry->item, entry->count, entry->value + ARRAY_HEADER};
    return TMB_OK;
}

double gguf_array_number(const GgufArray *array, uint64_t index)
{
    static const uint8_t bytes[GGUF_TYPE_COUNT] = {
        [GGUF_U8] = 1, [GGUF_I8] = 1, [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4,
        [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_U64] = 8, [GGUF_I64] = 8,
        [GGUF_F64] = 8,
    };
    assert(index < array->count);
    return number_at(array->type, array->data + index * bytes[array->type]).value;
}

tmb_status gguf_string_array(const Gguf *gguf, const char *key, GgufArray *out)
{
    const GgufEntry *entry;
    TRY(need(gguf, key, &entry));
    if (entry->type != GGUF_ARRAY || entry->item != GGUF_STRING)
        return wrong(gguf, entry, "an array of strings");
    *out = (GgufArray){entry->item, entry->count, entry->value + ARRAY_HEADER};
    return TMB_OK;
}

bool gguf_array_next(GgufArray *strings, const char **data, size_t *bytes)
{
    assert(strings->type == GGUF_STRING);
    if (!strings->count)
        return false;
    *bytes = (size_t)gguf_load(strings->data, 8);
    *data = (const char *)strings->data + 8;
    strings->data += 8 + *bytes;
    strings->count--;
    return true;
}

/* ---- listing ------------------------------------------------------------ */

static void print_string(const GgufEntry *entry, char *line, size_t bytes)
{
    size_t at = 0, i = 0, total = (size_t)(entry->bytes - 8);
    const unsigned char *text = entry->value + 8;
    line[at++] = '"';
    for (; i < total && at + 8 < bytes; i++) {
        char escape = text[i] == '\n' ? 'n' : text[i] == '\t' ? 't' : 0;
        if (escape)
            line[at++] = '\\';
        line[at++] = escape ? escape : text[i] < 0x20 || text[i] == 0x7f ? '?' : (char)text[i];
    }
    if (i < total) {
        for (; i > 0 && at > 1 && (text[i] & 0xc0) == 0x80; i--)
            at--;                     /* not in the middle of a character */
        memcpy(line + at, "...", 3);
        at += 3;
    }
    line[at++] = '"';
    line[at] = '\0';
}

void gguf_entry_print(const GgufEntry *entry, char *line, size_t bytes)
{
    assert(bytes >= 32);
    if (entry->type == GGUF_STRING) {
        print_string(entry, line, bytes);
    } else if (entry->type == GGUF_ARRAY) {
        snprintf(line, bytes, "[%" PRIu64 " x %s]", entry->count, type_names[entry->item]);
    } else if (entry->type == GGUF_BOOL) {
        snprintf(line, bytes, "%s", entry->value[0] ? "true" : "false");
    } else {
        Number number = number_at(entry->type, entry->value);
        if (number.integer)
            snprintf(line, bytes, "%s%" PRIu64, number.negative ? "-" : "", number.magnitude);
        else
            snprintf(line, bytes, "%.9g", number.value);
    }
}
