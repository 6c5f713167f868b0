#ifndef BASE_DTYPE_H
#define BASE_DTYPE_H
/* Storage types of tensors, in files and behind shader bindings. */

#include <stdbool.h>
#include <stdint.h>

typedef enum Dtype {
    DTYPE_F32,
    DTYPE_U32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_Q8_0,
    DTYPE_Q4_0,
    DTYPE_Q4_1,
    DTYPE_Q5_0,
    DTYPE_Q5_1,
    DTYPE_Q2_K,
    DTYPE_Q3_K,
    DTYPE_Q4_K,
    DTYPE_Q5_K,
    DTYPE_Q6_K,
    DTYPE_IQ4_NL,
    DTYPE_NF4,      /* of bitsandbytes: f32 absmax, then 64 numbers of a table, first one high */
    DTYPE_COUNT
} Dtype;

typedef struct DtypeInfo {
    const char *name;       /* the field's name: "F32", "Q4_1", "Q6_K" */
    uint32_t block;         /* values in one block (1 for plain types) */
    uint32_t block_bytes;   /* bytes of one block in a file */
    int32_t ggml_type;      /* type number in GGUF, -1 if GGUF has none */
} DtypeInfo;

const DtypeInfo *dtype_info(Dtype dtype);
/* The Dtype behind a GGUF type number; false when we do not read that type. */
bool dtype_from_ggml(uint32_t ggml_type, Dtype *out);
/* Bytes of `values` values; values must be a multiple of the block. */
uint64_t dtype_bytes(Dtype dtype, uint64_t values);

/* IEEE half and bfloat16 conversions, round to nearest even. */
float half_to_float(uint16_t half);
uint16_t float_to_half(float value);
float bfloat_to_float(uint16_t bfloat);
uint16_t float_to_bfloat(float value);

#endif
