#ifndef DATA_SAFETENSORS_H
#define DATA_SAFETENSORS_H
/* Reading and writing safetensors files (Hugging Face): 8 bytes of header length, a JSON
 * header, the data. Types F32, F16 and BF16. The file is mapped, never trusted. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/status.h"

typedef struct Safetensors Safetensors;

typedef struct SafeTensor {
    const char *name;
    Dtype dtype;                 /* F32, F16, BF16 */
    uint32_t dims;               /* 0…4 */
    uint64_t shape[4];           /* shape[dims - 1] is contiguous; 1 beyond dims */
    uint64_t values;             /* product of the shape, at least 1 */
    const unsigned char *data;   /* inside the map, perhaps not aligned */
    uint64_t bytes;
} SafeTensor;

/* Maps and checks a file: TMB_BAD_INPUT when it is cut or damaged, TMB_UNSUPPORTED naming
 * tensor and type when there is one of another type. */
TMB_MUST_USE tmb_status safetensors_open(const char *path, Safetensors **out);
/* The same for bytes that the caller keeps; `path` is for messages. */
TMB_MUST_USE tmb_status safetensors_open_memory(const char *path, const void *data,
                                                uint64_t bytes, Safetensors **out);
void safetensors_close(Safetensors **file);

size_t safetensors_count(const Safetensors *file);
const SafeTensor *safetensors_tensor(const Safetensors *file, size_t index);
const SafeTensor *safetensors_find(const Safetensors *file, const char *name);   /* NULL: none */
/* The text under a key of the file's __metadata__, "" when there is none. */
const char *safetensors_note(const Safetensors *file, const char *key);
/* All values as f32 into out[values]. */
void safetensor_read(const SafeTensor *tensor, float *out);

/* Writes the tensors, in order, to a file that appears only when complete. Of each, name,
 * dtype, dims, shape and data are used; names must differ. */
TMB_MUST_USE tmb_status safetensors_save(const char *path, const SafeTensor *tensors,
                                         size_t count);
/* The same with entries for __metadata__ besides its "format". */
typedef struct SafeNote {
    const char *key, *text;
} SafeNote;
TMB_MUST_USE tmb_status safetensors_save_notes(const char *path, const SafeTensor *tensors,
                                               size_t count, const SafeNote *notes,
                                               size_t note_count);

#endif
