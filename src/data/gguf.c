#include "data/gguf.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "data/bytemap.h"

enum {
    DEFAULT_ALIGNMENT = 32,
    MAX_NAME_BYTES = 65535,      /* the specification's limit for keys */
    MAX_ARRAY_DEPTH = 4,
    MAX_TEXT_BYTES = 1 << 20,    /* of a string value that is copied for its readers */
};

struct Gguf {
    char *path;
    OsMap map;                   /* handle unused when opened from memory */
    bool mapped;
    uint32_t version;
    GgufEntry *entries;
    size_t entry_count;
    GgufTensor *tensors;
    size_t tensor_count;
    ByteMap entry_index, tensor_index;
    Arena arena;                 /* names and string values */
};

/* A place in the file while it is checked. */
typedef struct Cursor {
    const Gguf *gguf;
    uint64_t at;
} Cursor;

static const uint8_t type_bytes[GGUF_TYPE_COUNT] = {
    [GGUF_U8] = 1, [GGUF_I8] = 1, [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4,
    [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_U64] = 8, [GGUF_I64] = 8,
    [GGUF_F64] = 8,              /* strings and arrays: 0, they vary */
};

/* ---- bytes -------------------------------------------------------------- */

uint64_t gguf_load(const unsigned char *data, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)data[i] << 8 * i;
    return value;
}

static tmb_status cut(const Cursor *cursor, const char *what)
{
    return fail(TMB_BAD_INPUT,
                "%s: the file ends inside %s at byte %" PRIu64 " of %" PRIu64
                "; it is cut or damaged, fetch it again",
                cursor->gguf->path, what, cursor->at, cursor->gguf->map.bytes);
}

static uint64_t left(const Cursor *cursor)
{
    return cursor->gguf->map.bytes - cursor->at;
}

static tmb_status take(Cursor *cursor, unsigned bytes, const char *what, uint64_t *out)
{
    if (left(cursor) < bytes)
        return cut(cursor, what);
    *out = gguf_load(cursor->gguf->map.data + cursor->at, bytes);
    cursor->at += bytes;
    return TMB_OK;
}

static tmb_status take_string(Cursor *cursor, const char *what, const char **data,
                              uint64_t *bytes)
{
    TRY(take(cursor, 8, what, bytes));
    if (*bytes > left(cursor))
        return cut(cursor, what);
    *data = (const char *)cursor->gguf->map.data + cursor->at;
    cursor->at += *bytes;
    return TMB_OK;
}

/* A key or tensor name: short, and without bytes that would garble a message. */
static tmb_status take_name(Cursor *cursor, Arena *arena, const char *what, const char **out)
{
    const char *data;
    uint64_t bytes, start = cursor->at;
    TRY(take_string(cursor, what, &data, &bytes));
    bool usable = bytes > 0 && bytes <= MAX_NAME_BYTES;
    for (uint64_t i = 0; usable && i < bytes; i++)
        usable = (unsigned char)data[i] > 0x20 && data[i] != 0x7f;
    if (!usable)
        return fail(TMB_BAD_INPUT, "%s: %s at byte %" PRIu64 " is no usable name; "
                    "the file is damaged", cursor->gguf->path, what, start);
    *out = arena_string_n(arena, data, (size_t)bytes);
    return TMB_OK;
}

/* ---- checking the metadata ---------------------------------------------- */

static tmb_status check_type(const Cursor *cursor, const char *key, uint64_t type)
{
    if (type >= GGUF_TYPE_COUNT)
        return fail(TMB_BAD_INPUT, "%s: metadata key %s has the unknown type %" PRIu64
                    "; the file is damaged", cursor->gguf->path, key, type);
    return TMB_OK;
}

static tmb_status skip_array(Cursor *cursor, const char *key, int depth, uint64_t *item,
                             uint64_t *count);

/* Moves past one value of the type, checking everything inside it. */
static tmb_status skip_value(Cursor *cursor, const char *key, uint64_t type, int depth)
{
    uint64_t item, count;
    const char *data;
    if (type == GGUF_STRING)
        return take_string(cursor, key, &data, &count);
    if (type == GGUF_ARRAY)
        return skip_array(cursor, key, depth, &item, &count);
    return take(cursor, type_bytes[type], key, &item);
}

static tmb_status skip_array(Cursor *cursor, const char *key, int depth, uint64_t *item,
                             uint64_t *count)
{
    TRY(take(cursor, 4, key, item));
    TRY(check_type(cursor, key, *item));
    TRY(take(cursor, 8, key, count));
    if (depth >= MAX_ARRAY_DEPTH)
        return fail(TMB_BAD_INPUT, "%s: metadata key %s nests arrays more than %d deep",
                    cursor->gguf->path, key, MAX_ARRAY_DEPTH);
    unsigned fixed = type_bytes[*item];
    uint64_t least = fixed ? fixed : *item == GGUF_STRING ? 8 : 12;
    if (*count > left(cursor) / least)       /* also bounds the loop below */
        return cut(cursor, key);
    if (fixed) {
        cursor->at += *count * fixed;
        return TMB_OK;
    }
    for (uint64_t i = 0; i < *count; i++)
        TRY(skip_value(cursor, key, *item, depth + 1));
    return TMB_OK;
}

static tmb_status read_entry(Gguf *gguf, Cursor *cursor, GgufEntry *entry)
{
    uint64_t type, item = 0, start;
    TRY(take_name(cursor, &gguf->arena, "a metadata key", &entry->key));
    TRY(take(cursor, 4, entry->key, &type));
    TRY(check_type(cursor, entry->key, type));
    start = cursor->at;
    entry->count = 1;
    if (type == GGUF_ARRAY)
        TRY(skip_array(cursor, entry->key, 0, &item, &entry->count));
    else
        TRY(skip_value(cursor, entry->key, type, 0));
    entry->type = (GgufType)type;
    entry->item = (GgufType)item;
    entry->value = gguf->map.data + start;
    entry->bytes = cursor->at - start;
    const char *text = (const char *)entry->value + 8;
    size_t text_bytes = type == GGUF_STRING ? (size_t)(entry->bytes - 8) : SIZE_MAX;
    if (text_bytes <= MAX_TEXT_BYTES && !memchr(text, 0, text_bytes))
        entry->text = arena_string_n(&gguf->arena, text, text_bytes);
    return TMB_OK;
}

static tmb_status read_entries(Gguf *gguf, Cursor *cursor, uint64_t count)
{
    /* an entry has at least 13 bytes: a count beyond that is caught before allocating */
    if (count > left(cursor) / 13)
        return fail(TMB_BAD_INPUT, "%s: the header claims %" PRIu64 " metadata entries, more than "
                    "the file can hold; it is damaged", gguf->path, count);
    gguf->entries = mem_try((size_t)count, sizeof *gguf->entries);
    if (!gguf->entries)
        return fail(TMB_OUT_OF_HOST, "%s: no memory for %" PRIu64 " metadata entries",
                    gguf->path, count);
    TRY(bytemap_init(&gguf->entry_index, (size_t)count));
    for (size_t i = 0; i < count; i++) {
        GgufEntry *entry = &gguf->entries[i];
        TRY(read_entry(gguf, cursor, entry));
        if (!bytemap_add(&gguf->entry_index, entry->key, strlen(entry->key), (uint32_t)i))
            return fail(TMB_BAD_INPUT, "%s: metadata key %s is there twice", gguf->path,
                        entry->key);
        gguf->entry_count = i + 1;
    }
    return TMB_OK;
}

/* ---- checking the tensors ----------------------------------------------- */

/* Types that GGUF knows and we do not read, so that a refusal can name them. */
static const struct { uint32_t type; const char *name; } unread_types[] = {
    {9, "Q8_1"}, {15, "Q8_K"}, {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"},
    {19, "IQ1_S"}, {21, "IQ3_S"}, {22, "IQ2_S"}, {23, "IQ4_XS"}, {24, "I8"}, {25, "I16"},
    {26, "I32"}, {27, "I64"}, {28, "F64"}, {29, "IQ1_M"}, {34, "TQ1_0"}, {35, "TQ2_0"},
    {39, "MXFP4"},
};

static tmb_status refuse_type(const Gguf *gguf, const char *tensor, uint64_t type)
{
    for (size_t i = 0; i < COUNT_OF(unread_types); i++)
        if (unread_types[i].type == type)
            return fail(TMB_UNSUPPORTED, "%s: tensor %s has the type %s, which is not supported; "
                        "use a file of type F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M or IQ4_NL",
                        gguf->path, tensor, unread_types[i].name);
    return fail(TMB_UNSUPPORTED, "%s: tensor %s has the unknown type number %" PRIu64
                "; the file is damaged or newer than this program", gguf->path, tensor, type);
}

static tmb_status read_shape(Cursor *cursor, GgufTensor *tensor)
{
    const char *path = cursor->gguf->path;
    uint64_t dims;
    TRY(take(cursor, 4, tensor->name, &dims));
    if (dims < 1 || dims > 4)
        return fail(TMB_BAD_INPUT, "%s: tensor %s has %" PRIu64 " dimensions, 1 to 4 are possible; "
                    "the file is damaged", path, tensor->name, dims);
    tensor->dims = (uint32_t)dims;
    tensor->values = 1;
    for (unsigned i = 0; i < 4; i++) {
        tensor->shape[i] = 1;
        if (i < dims)
            TRY(take(cursor, 8, tensor->name, &tensor->shape[i]));
        /* 2^56 values are more than any file holds; keeps later products from overflowing */
        if (tensor->shape[i] < 1 || tensor->shape[i] > (UINT64_C(1) << 56) / tensor->values)
            return fail(TMB_BAD_INPUT, "%s: tensor %s has the impossible extent %" PRIu64
                        "; the file is damaged", path, tensor->name, tensor->shape[i]);
        tensor->values *= tensor->shape[i];
    }
    return TMB_OK;
}

static tmb_status read_tensor(Gguf *gguf, Cursor *cursor, GgufTensor *tensor)
{
    uint64_t type;
    TRY(take_name(cursor, &gguf->arena, "a tensor name", &tensor->name));
    TRY(read_shape(cursor, tensor));
    TRY(take(cursor, 4, tensor->name, &type));
    TRY(take(cursor, 8, tensor->name, &tensor->offset));
    if (type > INT32_MAX || !dtype_from_ggml((uint32_t)type, &tensor->dtype))
        return refuse_type(gguf, tensor->name, type);
    const DtypeInfo *info = dtype_info(tensor->dtype);
    if (tensor->shape[0] % info->block)
        return fail(TMB_BAD_INPUT, "%s: tensor %s has %" PRIu64 " columns, not a multiple of the %u "
                    "in a block of %s; the file is damaged", gguf->path, tensor->name,
                    tensor->shape[0], info->block, info->name);
    tensor->bytes = dtype_bytes(tensor->dtype, tensor->values);
    return TMB_OK;
}

static tmb_status read_tensors(Gguf *gguf, Cursor *cursor, uint64_t count)
{
    if (count > left(cursor) / 33)           /* 8+1 name, 4 dims, 8 extent, 4 type, 8 offset */
        return fail(TMB_BAD_INPUT, "%s: the header claims %" PRIu64 " tensors, more than the file "
                    "can hold; it is damaged", gguf->path, count);
    gguf->tensors = mem_try((size_t)count, sizeof *gguf->tensors);
    if (!gguf->tensors)
        return fail(TMB_OUT_OF_HOST, "%s: no memory for %" PRIu64 " tensors", gguf->path, count);
    TRY(bytemap_init(&gguf->tensor_index, (size_t)count));
    for (size_t i = 0; i < count; i++) {
        GgufTensor *tensor = &gguf->tensors[i];
        TRY(read_tensor(gguf, cursor, tensor));
        if (!bytemap_add(&gguf->tensor_index, tensor->name, strlen(tensor->name), (uint32_t)i))
            return fail(TMB_BAD_INPUT, "%s: tensor %s is there twice", gguf->path, tensor->name);
        gguf->tensor_count = i + 1;
    }
    return TMB_OK;
}

static int by_offset(const void *left_item, const void *right_item)
{
    uint64_t a = (*(GgufTensor *const *)left_item)->offset;
    uint64_t b = (*(GgufTensor *const *)right_item)->offset;
    return a < b ? -1 : a > b;
}

/* Turns offsets within the data section into places in the file; each tensor must lie
 * in the file, aligned, and apart from every other. */
static tmb_status place_tensors(Gguf *gguf, const Cursor *cursor)
{
    uint32_t alignment;
    TRY(gguf_u32_or(gguf, "general.alignment", DEFAULT_ALIGNMENT, &alignment));
    if (alignment < 8 || alignment > 1u << 20 || (alignment & (alignment - 1)))
        return fail(TMB_BAD_INPUT, "%s: general.alignment is %u, not a power of two from 8 to "
                    "1048576; the file is damaged", gguf->path, alignment);
    uint64_t start = (cursor->at + alignment - 1) / alignment * alignment;
    GgufTensor **order = mem_new(gguf->tensor_count, sizeof *order);
    tmb_status status = TMB_OK;
    for (size_t i = 0; i < gguf->tensor_count && status == TMB_OK; i++) {
        GgufTensor *tensor = order[i] = &gguf->tensors[i];
        uint64_t room = gguf->map.bytes > start ? gguf->map.bytes - start : 0;
        if (tensor->offset % alignment)
            status = fail(TMB_BAD_INPUT, "%s: tensor %s starts at offset %" PRIu64 ", not at a "
                          "multiple of %u; the file is damaged", gguf->path, tensor->name,
                          tensor->offset, alignment);
        else if (tensor->offset > room || tensor->bytes > room - tensor->offset)
            status = fail(TMB_BAD_INPUT, "%s: tensor %s reaches beyond the end of the file "
                          "(%" PRIu64 " bytes); it is cut or damaged, fetch it again",
                          gguf->path, tensor->name, gguf->map.bytes);
        else
            tensor->offset += start;
        tensor->data = gguf->map.data + (status == TMB_OK ? tensor->offset : 0);
    }
    if (status == TMB_OK)
        qsort(order, gguf->tensor_count, sizeof *order, by_offset);
    for (size_t i = 1; i < gguf->tensor_count && status == TMB_OK; i++)
        if (order[i]->offset - order[i - 1]->offset < order[i - 1]->bytes)
            status = fail(TMB_BAD_INPUT, "%s: tensors %s and %s overlap; the file is damaged",
                          gguf->path, order[i - 1]->name, order[i]->name);
    free(order);
    return status;
}

/* ---- opening ------------------------------------------------------------ */

static tmb_status read_header(Gguf *gguf, Cursor *cursor, uint64_t *tensors, uint64_t *entries)
{
    uint64_t magic, version;
    if (!gguf->map.bytes)
        return fail(TMB_BAD_INPUT, "%s: the file is empty", gguf->path);
    if (gguf->map.bytes < 4 || memcmp(gguf->map.data, "GGUF", 4) != 0)
        return fail(TMB_BAD_INPUT, "%s: this is not a GGUF file", gguf->path);
    TRY(take(cursor, 4, "the header", &magic));
    TRY(take(cursor, 4, "the header", &version));
    if (version && !(version & 0xffff))      /* 3 written big-endian reads as 3 << 24 */
        return fail(TMB_BAD_INPUT, "%s: this is a big-endian GGUF file; little-endian ones can "
                    "be read", gguf->path);
    if (version != 2 && version != 3)
        return fail(TMB_UNSUPPORTED, "%s: GGUF version %" PRIu64 " is not supported, 2 and 3 are; "
                    "convert the model again with a current llama.cpp", gguf->path, version);
    gguf->version = (uint32_t)version;
    TRY(take(cursor, 8, "the header", tensors));
    return take(cursor, 8, "the header", entries);
}

static tmb_status check_file(Gguf *gguf)
{
    Cursor cursor = {gguf, 0};
    uint64_t tensors, entries;
    TRY(read_header(gguf, &cursor, &tensors, &entries));
    TRY(read_entries(gguf, &cursor, entries));
    TRY(read_tensors(gguf, &cursor, tensors));
    return place_tensors(gguf, &cursor);
}

tmb_status gguf_open(const char *path, Gguf **out)
{
    *out = NULL;
    Gguf *gguf = MEM_NEW(Gguf);
    gguf->path = mem_string(path);
    tmb_status status;
    TRY_OR(done, status, os_map(path, &gguf->map));
    gguf->mapped = true;
    TRY_OR(done, status, check_file(gguf));
    *out = gguf;
    gguf = NULL;
done:
    gguf_close(&gguf);
    return status;
}

tmb_status gguf_open_memory(const char *path, const void *data, uint64_t bytes, Gguf **out)
{
    Gguf *gguf = MEM_NEW(Gguf);
    gguf->path = mem_string(path);
    gguf->map = (OsMap){.data = data, .bytes = bytes};
    tmb_status status = check_file(gguf);
    *out = gguf;
    if (status != TMB_OK)
        gguf_close(out);
    return status;
}

void gguf_close(Gguf **gguf)
{
    if (!*gguf)
        return;
    if ((*gguf)->mapped)
        os_unmap(&(*gguf)->map);
    bytemap_finish(&(*gguf)->entry_index);
    bytemap_finish(&(*gguf)->tensor_index);
    arena_finish(&(*gguf)->arena);
    free((*gguf)->entries);
    free((*gguf)->tensors);
    free((*gguf)->path);
    free(*gguf);
    *gguf = NULL;
}

/* ---- looking up --------------------------------------------------------- */

const char *gguf_path(const Gguf *gguf)
{
    return gguf->path;
}

uint32_t gguf_version(const Gguf *gguf)
{
    return gguf->version;
}

uint64_t gguf_file_bytes(const Gguf *gguf)
{
    return gguf->map.bytes;
}

void gguf_drop(const Gguf *gguf, const GgufTensor *tensor)
{
    if (gguf->mapped)
        os_map_drop(&gguf->map, tensor->offset, tensor->bytes);
}

size_t gguf_tensor_count(const Gguf *gguf)
{
    return gguf->tensor_count;
}

const GgufTensor *gguf_tensor(const Gguf *gguf, size_t index)
{
    assert(index < gguf->tensor_count);
    return &gguf->tensors[index];
}

const GgufTensor *gguf_find_tensor(const Gguf *gguf, const char *name)
{
    uint32_t index;
    bool found = bytemap_find(&gguf->tensor_index, name, strlen(name), &index);
    return found ? &gguf->tensors[index] : NULL;
}

tmb_status gguf_need_tensor(const Gguf *gguf, const char *name, const GgufTensor **out)
{
    *out = gguf_find_tensor(gguf, name);
    if (!*out)
        return fail(TMB_BAD_INPUT, "%s: tensor %s is missing", gguf->path, name);
    return TMB_OK;
}

size_t gguf_entry_count(const Gguf *gguf)
{
    return gguf->entry_count;
}

const GgufEntry *gguf_entry(const Gguf *gguf, size_t index)
{
    assert(index < gguf->entry_count);
    return &gguf->entries[index];
}

const GgufEntry *gguf_find_entry(const Gguf *gguf, const char *key)
{
    uint32_t index;
    bool found = bytemap_find(&gguf->entry_index, key, strlen(key), &index);
    return found ? &gguf->entries[index] : NULL;
}
