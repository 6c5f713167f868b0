#include "export/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/mem.h"

static const struct {
    const char *name;
    uint32_t bytes;
} types[] = {[SAFE_F32] = {"F32", 4}, [SAFE_F16] = {"F16", 2}, [SAFE_BF16] = {"BF16", 2}};

/* ---- reading ------------------------------------------------------------ */

/* [rows, cols], whose product cannot overflow. */
static tmb_status read_shape(const JsonAt *entry, SafeTensor *tensor)
{
    JsonAt shape;
    TRY(json_array(entry, "shape", &shape));
    if (json_count(&shape) != 2)
        return fail(TMB_UNSUPPORTED, "%s: tensor %s has %zu dimensions, an adapter's have two",
                    entry->source, tensor->name, json_count(&shape));
    JsonAt rows = json_element(&shape, 0), cols = json_element(&shape, 1);
    TRY(json_as_u64(&rows, &tensor->rows));
    TRY(json_as_u64(&cols, &tensor->cols));
    if (!tensor->rows || !tensor->cols || tensor->rows > UINT32_MAX || tensor->cols > UINT32_MAX)
        return fail(TMB_BAD_INPUT, "%s: tensor %s is %" PRIu64 " × %" PRIu64, entry->source,
                    tensor->name, tensor->rows, tensor->cols);
    return TMB_OK;
}

static tmb_status read_type(const JsonAt *entry, SafeTensor *tensor)
{
    const char *name;
    TRY(json_string(entry, "dtype", &name));
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (!strcmp(types[i].name, name)) {
            tensor->type = i;
            return TMB_OK;
        }
    return fail(TMB_UNSUPPORTED, "%s: tensor %s is of type %s; F32, F16 and BF16 are read",
                entry->source, tensor->name, name);
}

/* One entry of the header; `data` are the `bytes` bytes behind it. */
static tmb_status read_tensor(const JsonAt *entry, const unsigned char *data, uint64_t bytes,
                              SafeTensor *tensor)
{
    JsonAt offsets;
    uint64_t begin, end;
    TRY(read_type(entry, tensor));
    TRY(read_shape(entry, tensor));
    TRY(json_array(entry, "data_offsets", &offsets));
    if (json_count(&offsets) != 2)
        return fail(TMB_BAD_INPUT, "%s: tensor %s has no two data_offsets", entry->source,
                    tensor->name);
    JsonAt first = json_element(&offsets, 0), last = json_element(&offsets, 1);
    TRY(json_as_u64(&first, &begin));
    TRY(json_as_u64(&last, &end));
    if (begin > end || end > bytes ||
        (end - begin) / types[tensor->type].bytes / tensor->rows < tensor->cols ||
        end - begin != tensor->rows * tensor->cols * types[tensor->type].bytes)
        return fail(TMB_BAD_INPUT, "%s: the bytes of tensor %s do not fit its shape or the file; "
                    "is it cut off?", entry->source, tensor->name);
    tensor->data = data + begin;
    return TMB_OK;
}

static tmb_status read_file(SafeTensors *file)
{
    uint64_t header_bytes;
    const OsMap *map = &file->map;
    if (map->bytes < sizeof header_bytes)
        return fail(TMB_BAD_INPUT, "%s: too short for safetensors", file->path);
    memcpy(&header_bytes, map->data, sizeof header_bytes);
    if (header_bytes > map->bytes - sizeof header_bytes || header_bytes > 100000000)
        return fail(TMB_BAD_INPUT, "%s is no safetensors file, or it is cut off", file->path);
    const unsigned char *data = map->data + sizeof header_bytes;
    TRY(json_parse(file->path, (const char *)data, (size_t)header_bytes, &file->header));
    JsonAt at = json_at(file->path, file->header);
    TRY(json_as_object(&at));
    file->tensors = MEM_NEW_ARRAY(SafeTensor, (size_t)cJSON_GetArraySize(file->header));
    const cJSON *item;
    cJSON_ArrayForEach(item, file->header) {
        if (!strcmp(item->string, "__metadata__"))
            continue;
        JsonAt entry;
        SafeTensor *tensor = &file->tensors[file->count];
        tensor->name = item->string;
        TRY(json_object(&at, item->string, &entry));
        TRY(read_tensor(&entry, data + header_bytes, map->bytes - sizeof header_bytes -
                        header_bytes, tensor));
        file->count++;
    }
    return TMB_OK;
}

tmb_status safetensors_open(const char *path, SafeTensors **out)
{
    SafeTensors *file = MEM_NEW(SafeTensors);
    file->path = mem_string(path);
    tmb_status status = os_map(path, &file->map);
    if (!status)
        status = read_file(file);
    if (status)
        safetensors_close(&file);
    *out = file;
    return status;
}

void safetensors_close(SafeTensors **file)
{
    if (!*file)
        return;
    os_unmap(&(*file)->map);
    cJSON_Delete((*file)->header);
    free((*file)->tensors);
    free((*file)->path);
    free(*file);
    *file = NULL;
}

const SafeTensor *safetensors_find(const SafeTensors *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (!strcmp(file->tensors[i].name, name))
            return &file->tensors[i];
    return NULL;
}

const char *safetensors_metadata(const SafeTensors *file, const char *key)
{
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(file->header, "__metadata__");
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(metadata, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

tmb_status safetensors_values(const SafeTensors *file, const SafeTensor *tensor, float *values)
{
    for (uint64_t i = 0; i < tensor->rows * tensor->cols; i++) {
        uint16_t half;
        if (tensor->type == SAFE_F32) {
            memcpy(&values[i], tensor->data + 4 * i, sizeof values[i]);
        } else {
            memcpy(&half, tensor->data + 2 * i, sizeof half);
            values[i] = tensor->type == SAFE_F16 ? half_to_float(half) : bfloat_to_float(half);
        }
        if (!isfinite(values[i]))
            return fail(TMB_BAD_INPUT, "%s: tensor %s holds a value that is not finite",
                        file->path, tensor->name);
    }
    return TMB_OK;
}

/* ---- writing ------------------------------------------------------------ */

static cJSON *header_entry(const SafeMatrix *matrix, uint64_t *at)
{
    cJSON *entry = cJSON_CreateObject();
    cJSON *shape = cJSON_AddArrayToObject(entry, "shape");
    cJSON *offsets = cJSON_AddArrayToObject(entry, "data_offsets");
    cJSON_AddStringToObject(entry, "dtype", types[SAFE_F32].name);
    cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)matrix->rows));
    cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)matrix->cols));
    cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)*at));
    *at += matrix->rows * matrix->cols * sizeof(float);
    cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)*at));
    return entry;
}

tmb_status safetensors_save(const char *path, const SafeMatrix *matrices, size_t count,
                            const char *const (*metadata)[2], size_t metadata_count)
{
    uint64_t at = 0;
    cJSON *header = cJSON_CreateObject();
    cJSON *notes = cJSON_AddObjectToObject(header, "__metadata__");
    for (size_t i = 0; i < metadata_count; i++)
        cJSON_AddStringToObject(notes, metadata[i][0], metadata[i][1]);
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToObject(header, matrices[i].name, header_entry(&matrices[i], &at));
    char *printed = cJSON_PrintUnformatted(header);
    Text text = {0};
    text_append(&text, printed, strlen(printed));
    while (text.bytes % 8)       /* the data begins aligned, as the reference writes it */
        text_append(&text, " ", 1);
    cJSON_free(printed);
    cJSON_Delete(header);

    OsReplace *file = NULL;
    uint64_t header_bytes = text.bytes;
    tmb_status status = os_replace_begin(path, &file);
    if (!status)
        status = os_replace_write(file, &header_bytes, sizeof header_bytes);
    if (!status)
        status = os_replace_write(file, text.data, text.bytes);
    for (size_t i = 0; !status && i < count; i++)
        status = os_replace_write(file, matrices[i].values,
                                  (size_t)(matrices[i].rows * matrices[i].cols) * sizeof(float));
    if (!status)
        status = os_replace_commit(&file);
    os_replace_abort(&file);
    text_finish(&text);
    return status;
}
