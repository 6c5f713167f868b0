#ifndef DATA_GGUF_WRITE_H
#define DATA_GGUF_WRITE_H
/* Writing GGUF version 3: metadata in the order it was added, then tensors. */

#include "data/gguf.h"

typedef struct GgufWriter GgufWriter;

GgufWriter *gguf_writer_create(void);
void gguf_writer_destroy(GgufWriter **writer);

/* Keys must differ; the values are copied. */
void gguf_writer_u32(GgufWriter *writer, const char *key, uint32_t value);
void gguf_writer_f32(GgufWriter *writer, const char *key, float value);
void gguf_writer_bool(GgufWriter *writer, const char *key, bool value);
void gguf_writer_string(GgufWriter *writer, const char *key, const char *value);
void gguf_writer_strings(GgufWriter *writer, const char *key, const char *const *values,
                         size_t count);
void gguf_writer_f32s(GgufWriter *writer, const char *key, const float *values, size_t count);
void gguf_writer_i32s(GgufWriter *writer, const char *key, const int32_t *values, size_t count);
/* An entry of another file, as it is there. */
void gguf_writer_copy(GgufWriter *writer, const GgufEntry *entry);

/* shape[0] is the contiguous extent, a multiple of the type's block. The name is copied;
 * `data` (dtype_bytes of the product) is read when saving and must live until then. */
void gguf_writer_tensor(GgufWriter *writer, const char *name, Dtype dtype, uint32_t dims,
                        const uint64_t *shape, const void *data);

/* Writes the file at once or not at all (OsReplace). */
TMB_MUST_USE tmb_status gguf_writer_save(const GgufWriter *writer, const char *path);

#endif
