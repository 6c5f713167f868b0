#include "data/safetensors.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "data/bytemap.h"

#define MAX_HEADER_BYTES (UINT64_C(100) << 20)   /* the format's own limit */

struct Safetensors {
    char *path;
    OsMap map;
    bool mapped;
    SafeTensor *tensors;
    size_t count;
    ByteMap index;
    SafeNote *notes;             /* __metadata__ */
    size_t note_count;
    Arena arena;                 /* names and notes */
};

static const struct {
    const char *name;
    Dtype dtype;
} types[] = {{"F32", DTYPE_F32}, {"F16", DTYPE_F16}, {"BF16", DTYPE_BF16}};

/* ---- reading ------------------------------------------------------------ */

static tmb_status damaged(const Safetensors *file, const char *tensor, const char *what)
{
    return fail(TMB_BAD_INPUT, "%s: tensor %.200s %s; the file is cut or damaged", file->path,
                tensor, what);
}

/* A whole number that a double can hold. */
static bool whole(const cJSON *item, uint64_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || item->valuedouble > 0x1p53)
        return false;
    *out = (uint64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

static tmb_status read_type(const Safetensors *file, const cJSON *item, SafeTensor *tensor)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "dtype"));
    if (!name)
        return damaged(file, tensor->name, "has no dtype");
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(types[i].name, name) == 0) {
            tensor->dtype = types[i].dtype;
            return TMB_OK;
        }
    return fail(TMB_UNSUPPORTED, "%s: tensor %.200s has the type %.32s, which is not supported; "
                "F32, F16 and BF16 are", file->path, tensor->name, name);
}

static tmb_status read_shape(const Safetensors *file, const cJSON *item, SafeTensor *tensor)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape"), *extent;
    if (!cJSON_IsArray(shape))
        return damaged(file, tensor->name, "has no shape");
    tensor->values = 1;
    for (size_t i = 0; i < 4; i++)
        tensor->shape[i] = 1;
    cJSON_ArrayForEach(extent, shape) {
        uint64_t value;
        if (tensor->dims == 4)
            return damaged(file, tensor->name, "has more than 4 dimensions");
        if (!whole(extent, &value) || value < 1 ||
            value > (UINT64_C(1) << 56) / tensor->values)
            return damaged(file, tensor->name, "has an impossible shape");
        tensor->shape[tensor->dims++] = value;
        tensor->values *= value;
    }
    tensor->bytes = dtype_bytes(tensor->dtype, tensor->values);
    return TMB_OK;
}

static tmb_status read_tensor(Safetensors *file, const cJSON *item, uint64_t start)
{
    SafeTensor *tensor = &file->tensors[file->count];
    uint64_t begin, end, room = file->map.bytes - start;
    tensor->name = arena_string(&file->arena, item->string);
    TRY(read_type(file, item, tensor));
    TRY(read_shape(file, item, tensor));
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !whole(cJSON_GetArrayItem(offsets, 0), &begin) ||
        !whole(cJSON_GetArrayItem(offsets, 1), &end))
        return damaged(file, tensor->name, "has no data_offsets");
    if (begin > end || end > room)
        return damaged(file, tensor->name, "reaches beyond the end of the file");
    if (end - begin != tensor->bytes)
        return damaged(file, tensor->name, "has more or less data than its shape");
    tensor->data = file->map.data + start + begin;
    if (!bytemap_add(&file->index, tensor->name, strlen(tensor->name), (uint32_t)file->count))
        return damaged(file, tensor->name, "is there twice");
    file->count++;
    return TMB_OK;
}

static int by_place(const void *left, const void *right)
{
    const SafeTensor *a = *(SafeTensor *const *)left, *b = *(SafeTensor *const *)right;
    return a->data < b->data ? -1 : a->data > b->data;
}

static tmb_status check_overlap(const Safetensors *file)
{
    SafeTensor **order = mem_new(file->count, sizeof *order);
    tmb_status status = TMB_OK;
    for (size_t i = 0; i < file->count; i++)
        order[i] = &file->tensors[i];
    qsort(order, file->count, sizeof *order, by_place);
    for (size_t i = 1; i < file->count && status == TMB_OK; i++)
        if (order[i]->data < order[i - 1]->data + order[i - 1]->bytes)
            status = damaged(file, order[i]->name, "overlaps another");
    free(order);
    return status;
}

/* Entries that are no text are passed over: nothing depends on them. */
static void read_notes(Safetensors *file, const cJSON *metadata)
{
    const cJSON *item;
    file->notes = arena_new(&file->arena, (size_t)cJSON_GetArraySize(metadata) + 1,
                            sizeof *file->notes);
    cJSON_ArrayForEach(item, metadata)
        if (cJSON_IsString(item) && item->string)
            file->notes[file->note_count++] = (SafeNote){
                arena_string(&file->arena, item->string),
                arena_string(&file->arena, item->valuestring)};
}

static tmb_status read_header(Safetensors *file, const cJSON *header, uint64_t start)
{
    const cJSON *item;
    if (!cJSON_IsObject(header))
        return fail(TMB_BAD_INPUT, "%s: the safetensors header is no object; the file is damaged",
                    file->path);
    size_t count = (size_t)cJSON_GetArraySize(header);
    file->tensors = mem_try(count, sizeof *file->tensors);
    if (!file->tensors)
        return fail(TMB_OUT_OF_HOST, "%s: no memory for %zu tensors", file->path, count);
    TRY(bytemap_init(&file->index, count));
    cJSON_ArrayForEach(item, header) {
        if (strcmp(item->string, "__metadata__") != 0)
            TRY(read_tensor(file, item, start));
        else if (file->notes)
            return fail(TMB_BAD_INPUT, "%s: __metadata__ is there twice; the file is damaged, fetch it "
                        "again", file->path);
        else
            read_notes(file, item);
    }
    return check_overlap(file);
}

static tmb_status check_file(Safetensors *file)
{
    const unsigned char *data = file->map.data;
    uint64_t length = 0;
    if (file->map.bytes < 10)
        return fail(TMB_BAD_INPUT, "%s: %" PRIu64 " bytes are no safetensors file", file->path,
                    file->map.bytes);
    for (unsigned i = 0; i < 8; i++)
        length |= (uint64_t)data[i] << 8 * i;
    if (length > MAX_HEADER_BYTES || data[8] != '{')
        return fail(TMB_BAD_INPUT, "%s: this is not a safetensors file", file->path);
    if (length > file->map.bytes - 8)
        return fail(TMB_BAD_INPUT, "%s: the file ends inside its header; it is cut or damaged",
                    file->path);
    cJSON *header = NULL;
    tmb_status status = json_parse(file->path, (const char *)data + 8, (size_t)length, &header);
    if (status == TMB_OK)
        status = read_header(file, header, 8 + length);
    cJSON_Delete(header);
    return status;
}

tmb_status safetensors_open(const char *path, Safetensors **out)
{
    *out = NULL;
    Safetensors *file = MEM_NEW(Safetensors);
    tmb_status status;
    file->path = mem_string(path);
    TRY_OR(done, status, os_map(path, &file->map));
    file->mapped = true;
    TRY_OR(done, status, check_file(file));
    *out = file;
    file = NULL;
done:
    safetensors_close(&file);
    return status;
}

tmb_status safetensors_open_memory(const char *path, const void *data, uint64_t bytes,
                                   Safetensors **out)
{
    Safetensors *file = MEM_NEW(Safetensors);
    file->path = mem_string(path);
    file->map = (OsMap){.data = data, .bytes = bytes};
    tmb_status status = check_file(file);
    *out = file;
    if (status != TMB_OK)
        safetensors_close(out);
    return status;
}

void safetensors_close(Safetensors **file)
{
    if (!*file)
        return;
    if ((*file)->mapped)
        os_unmap(&(*file)->map);
    bytemap_finish(&(*file)->index);
    arena_finish(&(*file)->arena);
    free((*file)->tensors);
    free((*file)->path);
    free(*file);
    *file = NULL;
}

size_t safetensors_count(const Safetensors *file)
{
    return file->count;
}

const SafeTensor *safetensors_tensor(const Safetensors *file, size_t index)
{
    assert(index < file->count);
    return &file->tensors[index];
}

const SafeTensor *safetensors_find(const Safetensors *file, const char *name)
{
    uint32_t index;
    bool found = bytemap_find(&file->index, name, strlen(name), &index);
    return found ? &file->tensors[index] : NULL;
}

const char *safetensors_note(const Safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->note_count; i++)
        if (!strcmp(file->notes[i].key, key))
            return file->notes[i].text;
    return "";
}

void safetensor_read(const SafeTensor *tensor, float *out)
{
    if (tensor->dtype == DTYPE_F32) {
        memcpy(out, tensor->data, (size_t)tensor->bytes);
        return;
    }
    for (uint64_t i = 0; i < tensor->values; i++) {
        uint16_t bits;
        memcpy(&bits, tensor->data + 2 * i, sizeof bits);
        out[i] = tensor->dtype == DTYPE_F16 ? half_to_float(bits) : bfloat_to_float(bits);
    }
}

/* ---- writing ------------------------------------------------------------ */

static uint64_t tensor_bytes(const SafeTensor *tensor)
{
    uint64_t values = 1;
    for (uint32_t i = 0; i < tensor->dims; i++)
        values *= tensor->shape[i];
    return dtype_bytes(tensor->dtype, values);
}

/* Appends the text as a JSON string. */
static void quote(const char *text, Text *out)
{
    cJSON *string = cJSON_CreateString(text);
    char *quoted = string ? cJSON_PrintUnformatted(string) : NULL;
    assert(quoted);
    text_print(out, "%s", quoted);
    cJSON_free(quoted);
    cJSON_Delete(string);
}

/* The JSON header, padded with spaces so that the data begins at a multiple of 8. */
static void make_header(const SafeTensor *tensors, size_t count, const SafeNote *notes,
                        size_t note_count, Text *out)
{
    uint64_t at = 0;
    text_print(out, "{\"__metadata__\":{\"format\":\"pt\"");
    for (size_t i = 0; i < note_count; i++) {
        text_print(out, ",");
        quote(notes[i].key, out);
        text_print(out, ":");
        quote(notes[i].text, out);
    }
    text_print(out, "}");
    for (size_t i = 0; i < count; i++) {
        uint64_t end = at + tensor_bytes(&tensors[i]);
        const char *type = NULL;
        for (size_t j = 0; j < COUNT_OF(types); j++)
            if (types[j].dtype == tensors[i].dtype)
                type = types[j].name;
        assert(type);
        text_print(out, ",");
        quote(tensors[i].name, out);
        text_print(out, ":{\"dtype\":\"%s\",\"shape\":[", type);
        for (uint32_t j = 0; j < tensors[i].dims; j++)
            text_print(out, "%s%" PRIu64, j ? "," : "", tensors[i].shape[j]);
        text_print(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", at, end);
        at = end;
    }
    text_print(out, "}");
    while (out->bytes % 8)
        text_append(out, " ", 1);
}

tmb_status safetensors_save(const char *path, const SafeTensor *tensors, size_t count)
{
    return safetensors_save_notes(path, tensors, count, NULL, 0);
}

tmb_status safetensors_save_notes(const char *path, const SafeTensor *tensors, size_t count,
                                  const SafeNote *notes, size_t note_count)
{
    OsReplace *file = NULL;
    Text header = {0};
    unsigned char length[8];
    tmb_status status;
    make_header(tensors, count, notes, note_count, &header);
    for (unsigned i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)header.bytes >> 8 * i & 0xff);
    TRY_OR(done, status, os_replace_begin(path, &file));
    TRY_OR(done, status, os_replace_write(file, length, sizeof length));
    TRY_OR(done, status, os_replace_write(file, header.data, header.bytes));
    for (size_t i = 0; i < count; i++)
        TRY_OR(done, status, os_replace_write(file, tensors[i].data,
                                              (size_t)tensor_bytes(&tensors[i])));
    TRY_OR(done, status, os_replace_commit(&file));
done:
    os_replace_abort(&file);
    text_finish(&header);
    return status;
}
