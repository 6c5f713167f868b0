#ifndef EXPORT_SAFETENSORS_H
#define EXPORT_SAFETENSORS_H
/* The safetensors format: u64 length · JSON header {name: {dtype, shape, data_offsets}} ·
 * bytes. Matrices of plain float types, which is what adapters consist of. */

#include <stdint.h>

#include "base/json.h"
#include "base/os.h"
#include "base/status.h"

typedef struct SafeTensor {
    const char *name;            /* owned by the file */
    uint64_t rows, cols;
    const unsigned char *data;   /* inside the map, unaligned */
    enum { SAFE_F32, SAFE_F16, SAFE_BF16 } type;
} SafeTensor;

typedef struct SafeTensors {
    OsMap map;
    cJSON *header;
    char *path;
    SafeTensor *tensors;
    size_t count;
} SafeTensors;

/* Maps and checks a file: TMB_BAD_INPUT for a damaged one, TMB_UNSUPPORTED for tensors that
 * are no float matrices. */
TMB_MUST_USE tmb_status safetensors_open(const char *path, SafeTensors **out);
void safetensors_close(SafeTensors **file);
/* NULL when there is none. */
const SafeTensor *safetensors_find(const SafeTensors *file, const char *name);
/* Text under a key of __metadata__, "" when there is none. */
const char *safetensors_metadata(const SafeTensors *file, const char *key);
/* rows × cols values, widened; TMB_BAD_INPUT naming the tensor when one is not finite. */
TMB_MUST_USE tmb_status safetensors_values(const SafeTensors *file, const SafeTensor *tensor,
                                           float *values);

/* One f32 matrix to write, sorted by name as the reference implementation does. */
typedef struct SafeMatrix {
    const char *name;
    uint64_t rows, cols;
    const float *values;
} SafeMatrix;
/* Appears whole or not at all. metadata: pairs of key and text, count of pairs. */
TMB_MUST_USE tmb_status safetensors_save(const char *path, const SafeMatrix *matrices,
                                         size_t count, const char *const (*metadata)[2],
                                         size_t metadata_count);

#endif
