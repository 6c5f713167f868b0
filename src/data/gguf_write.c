#include "data/gguf_write.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"

enum { ALIGNMENT = 32 };   /* GGUF's default, so that no key has to say it */

typedef struct TensorSource {
    const void *data;
    uint64_t bytes;
} TensorSource;

struct GgufWriter {
    Text entries, tensors;          /* both sections as they will lie in the file */
    uint64_t entry_count, tensor_count;
    uint64_t data_bytes;            /* of the tensors so far, each padded to ALIGNMENT */
    TensorSource *sources;
};

static void put(Text *text, uint64_t value, unsigned bytes)
{
    char raw[8];
    for (unsigned i = 0; i < bytes; i++)
        raw[i] = (char)(value >> 8 * i & 0xff);
    text_append(text, raw, bytes);
}

static void put_string(Text *text, const char *string)
{
    put(text, strlen(string), 8);
    text_append(text, string, strlen(string));
}

static void put_f32(Text *text, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put(text, bits, 4);
}

static Text *begin(GgufWriter *writer, const char *key, GgufType type)
{
    put_string(&writer->entries, key);
    put(&writer->entries, type, 4);
    writer->entry_count++;
    return &writer->entries;
}

static Text *begin_array(GgufWriter *writer, const char *key, GgufType item, size_t count)
{
    Text *text = begin(writer, key, GGUF_ARRAY);
    put(text, item, 4);
    put(text, count, 8);
    return text;
}

GgufWriter *gguf_writer_create(void)
{
    return MEM_NEW(GgufWriter);
}

void gguf_writer_destroy(GgufWriter **writer)
{
    if (!*writer)
        return;
    text_finish(&(*writer)->entries);
    text_finish(&(*writer)->tensors);
    free((*writer)->sources);
    free(*writer);
    *writer = NULL;
}

void gguf_writer_u32(GgufWriter *writer, const char *key, uint32_t value)
{
    put(begin(writer, key, GGUF_U32), value, 4);
}

void gguf_writer_f32(GgufWriter *writer, const char *key, float value)
{
    put_f32(begin(writer, key, GGUF_F32), value);
}

void gguf_writer_bool(GgufWriter *writer, const char *key, bool value)
{
    put(begin(writer, key, GGUF_BOOL), value, 1);
}

void gguf_writer_string(GgufWriter *writer, const char *key, const char *value)
{
    put_string(begin(writer, key, GGUF_STRING), value);
}

void gguf_writer_strings(GgufWriter *writer, const char *key, const char *const *values,
                         size_t count)
{
    Text *text = begin_array(writer, key, GGUF_STRING, count);
    for (size_t i = 0; i < count; i++)
        put_string(text, values[i]);
}

void gguf_writer_f32s(GgufWriter *writer, const char *key, const float *values, size_t count)
{
    Text *text = begin_array(writer, key, GGUF_F32, count);
    for (size_t i = 0; i < count; i++)
        put_f32(text, values[i]);
}

void gguf_writer_i32s(GgufWriter *writer, const char *key, const int32_t *values, size_t count)
{
    Text *text = begin_array(writer, key, GGUF_I32, count);
    for (size_t i = 0; i < count; i++)
        put(text, (uint32_t)values[i], 4);
}

void gguf_writer_copy(GgufWriter *writer, const GgufEntry *entry)
{
    Text *text = begin(writer, entry->key, entry->type);
    text_append(text, (const char *)entry->value, (size_t)entry->bytes);
}

static uint64_t padded(uint64_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void gguf_writer_tensor(GgufWriter *writer, const char *name, Dtype dtype, uint32_t dims,
                        const uint64_t *shape, const void *data)
{
    uint64_t values = 1;
    assert(dims >= 1 && dims <= 4 && dtype_info(dtype)->ggml_type >= 0);
    assert(shape[0] % dtype_info(dtype)->block == 0);
    put_string(&writer->tensors, name);
    put(&writer->tensors, dims, 4);
    for (uint32_t i = 0; i < dims; i++) {
        put(&writer->tensors, shape[i], 8);
        values *= shape[i];
    }
    put(&writer->tensors, (uint32_t)dtype_info(dtype)->ggml_type, 4);
    put(&writer->tensors, writer->data_bytes, 8);
    size_t index = (size_t)writer->tensor_count++;
    writer->sources = mem_grow(writer->sources, index + 1, sizeof *writer->sources);
    writer->sources[index] = (TensorSource){data, dtype_bytes(dtype, values)};
    writer->data_bytes += padded(writer->sources[index].bytes);
}

static tmb_status write_padded(OsReplace *file, const void *data, uint64_t bytes)
{
    static const char zeros[ALIGNMENT];
    TRY(os_replace_write(file, data, (size_t)bytes));
    return os_replace_write(file, zeros, (size_t)(padded(bytes) - bytes));
}

tmb_status gguf_writer_save(const GgufWriter *writer, const char *path)
{
    OsReplace *file = NULL;
    Text head = {0};
    tmb_status status;
    text_append(&head, "GGUF", 4);
    put(&head, 3, 4);
    put(&head, writer->tensor_count, 8);
    put(&head, writer->entry_count, 8);
    text_append(&head, writer->entries.data, writer->entries.bytes);
    text_append(&head, writer->tensors.data, writer->tensors.bytes);
    TRY_OR(done, status, os_replace_begin(path, &file));
    TRY_OR(done, status, write_padded(file, head.data, head.bytes));
    for (size_t i = 0; i < writer->tensor_count; i++)
        TRY_OR(done, status, write_padded(file, writer->sources[i].data,
                                          writer->sources[i].bytes));
    TRY_OR(done, status, os_replace_commit(&file));
done:
    os_replace_abort(&file);
    text_finish(&head);
    return status;
}
