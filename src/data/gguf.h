#ifndef DATA_GGUF_H
#define DATA_GGUF_H
/* Reading GGUF files, versions 2 and 3, little-endian (the ggml project's
 * docs/gguf.md). The file is mapped, never trusted: every count, length and
 * offset is checked once at opening, so that readers need no further checks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/status.h"

typedef struct Gguf Gguf;

/* The value types of the metadata, numbered as in the file. */
typedef enum GgufType {
    GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL,
    GGUF_STRING, GGUF_ARRAY, GGUF_U64, GGUF_I64, GGUF_F64, GGUF_TYPE_COUNT
} GgufType;

/* One tensor. shape[0] is the contiguous extent (the columns), as in the file: a
 * linear of `out` rows and `in` columns has dims 2, shape {in, out, 1, 1}. */
typedef struct GgufTensor {
    const char *name;
    Dtype dtype;
    uint32_t dims;               /* 1…4 */
    uint64_t shape[4];           /* 1 beyond dims */
    uint64_t values;             /* product of the shape */
    const unsigned char *data;   /* aligned to at least 8 bytes, inside the map */
    uint64_t offset, bytes;      /* of the data, in the file */
} GgufTensor;

/* Maps and checks a file. A file that is cut, damaged, big-endian or no GGUF at all is
 * TMB_BAD_INPUT; a version or tensor type we do not read is TMB_UNSUPPORTED. */
TMB_MUST_USE tmb_status gguf_open(const char *path, Gguf **out);
/* The same for bytes that the caller keeps (8-byte aligned); `path` is for messages. */
TMB_MUST_USE tmb_status gguf_open_memory(const char *path, const void *data, uint64_t bytes,
                                         Gguf **out);
void gguf_close(Gguf **gguf);

const char *gguf_path(const Gguf *gguf);
uint32_t gguf_version(const Gguf *gguf);
uint64_t gguf_file_bytes(const Gguf *gguf);
/* Lets the system drop the pages behind a tensor (after its upload); they can be read again. */
void gguf_drop(const Gguf *gguf, const GgufTensor *tensor);

size_t gguf_tensor_count(const Gguf *gguf);
const GgufTensor *gguf_tensor(const Gguf *gguf, size_t index);             /* in file order */
const GgufTensor *gguf_find_tensor(const Gguf *gguf, const char *name);    /* NULL: none */
/* TMB_BAD_INPUT naming the file and the tensor when it is missing. */
TMB_MUST_USE tmb_status gguf_need_tensor(const Gguf *gguf, const char *name,
                                         const GgufTensor **out);

/* ---- metadata ----------------------------------------------------------- */

bool gguf_has(const Gguf *gguf, const char *key);
/* The value of a key: missing, of another kind or out of range is TMB_BAD_INPUT naming
 * file and key. Any integer type that holds a fitting value is taken for u32, and
 * f32 takes both float types. Strings belong to the Gguf; one with a NUL byte or of more
 * than 1 MiB is refused. */
TMB_MUST_USE tmb_status gguf_u32(const Gguf *gguf, const char *key, uint32_t *out);
TMB_MUST_USE tmb_status gguf_f32(const Gguf *gguf, const char *key, float *out);
TMB_MUST_USE tmb_status gguf_bool(const Gguf *gguf, const char *key, bool *out);
TMB_MUST_USE tmb_status gguf_string(const Gguf *gguf, const char *key, const char **out);
/* The same, but a missing key gives the fallback. A key of the wrong kind still fails. */
TMB_MUST_USE tmb_status gguf_u32_or(const Gguf *gguf, const char *key, uint32_t fallback,
                                    uint32_t *out);
TMB_MUST_USE tmb_status gguf_f32_or(const Gguf *gguf, const char *key, float fallback,
                                    float *out);
TMB_MUST_USE tmb_status gguf_bool_or(const Gguf *gguf, const char *key, bool fallback,
                                     bool *out);
TMB_MUST_USE tmb_status gguf_string_or(const Gguf *gguf, const char *key, const char *fallback,
                                       const char **out);

/* An array of numbers or booleans, or of strings; not of arrays. */
typedef struct GgufArray {
    GgufType type;
    uint64_t count;
    const unsigned char *data;   /* inside the map, unaligned */
} GgufArray;
TMB_MUST_USE tmb_status gguf_number_array(const Gguf *gguf, const char *key, GgufArray *out);
double gguf_array_number(const GgufArray *array, uint64_t index);   /* index < count */
TMB_MUST_USE tmb_status gguf_string_array(const Gguf *gguf, const char *key, GgufArray *out);
/* Takes the next string off an array of strings: false when none is left. The bytes
 * lie in the map, without a terminator. */
bool gguf_array_next(GgufArray *strings, const char **data, size_t *bytes);

/* Walks all keys in file order, for listings and copies. `value` is what gguf.h calls a
 * value: its raw bytes in the file, as gguf_writer_raw takes them. */
typedef struct GgufEntry {
    const char *key;
    GgufType type;
    GgufType item;               /* of an array */
    uint64_t count;              /* items of an array, else 1 */
    const unsigned char *value;
    uint64_t bytes;
    const char *text;            /* of a string: a copy; NULL when longer than 1 MiB or with a NUL */
} GgufEntry;
size_t gguf_entry_count(const Gguf *gguf);
const GgufEntry *gguf_entry(const Gguf *gguf, size_t index);
const GgufEntry *gguf_find_entry(const Gguf *gguf, const char *key);       /* NULL: none */
/* The value in one line for people: "32", "\"llama\"", "[49152 strings]". */
void gguf_entry_print(const GgufEntry *entry, char *line, size_t bytes);

/* An unsigned number of 1 to 8 bytes as the file has it, aligned or not. */
uint64_t gguf_load(const unsigned char *data, unsigned bytes);

#endif
