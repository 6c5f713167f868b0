#include "base/dtype.h"

#include <assert.h>
#include <string.h>

/* block sizes and type numbers: the GGUF specification */
static const DtypeInfo infos[DTYPE_COUNT] = {
    [DTYPE_F32] = {"F32", 1, 4, 0},       [DTYPE_U32] = {"U32", 1, 4, -1},
    [DTYPE_F16] = {"F16", 1, 2, 1},       [DTYPE_BF16] = {"BF16", 1, 2, 30},
    [DTYPE_Q8_0] = {"Q8_0", 32, 34, 8},   [DTYPE_Q4_0] = {"Q4_0", 32, 18, 2},
    [DTYPE_Q4_1] = {"Q4_1", 32, 20, 3},   [DTYPE_Q5_0] = {"Q5_0", 32, 22, 6},
    [DTYPE_Q5_1] = {"Q5_1", 32, 24, 7},   [DTYPE_Q2_K] = {"Q2_K", 256, 84, 10},
    [DTYPE_Q3_K] = {"Q3_K", 256, 110, 11}, [DTYPE_Q4_K] = {"Q4_K", 256, 144, 12},
    [DTYPE_Q5_K] = {"Q5_K", 256, 176, 13}, [DTYPE_Q6_K] = {"Q6_K", 256, 210, 14},
    [DTYPE_IQ4_NL] = {"IQ4_NL", 32, 18, 20}, [DTYPE_NF4] = {"NF4", 64, 36, -1},
};

const DtypeInfo *dtype_info(Dtype dtype)
{
    assert((unsigned)dtype < DTYPE_COUNT);
    return &infos[dtype];
}

bool dtype_from_ggml(uint32_t ggml_type, Dtype *out)
{
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (infos[i].ggml_type >= 0 && (uint32_t)infos[i].ggml_type == ggml_type) {
            *out = (Dtype)i;
            return true;
        }
    return false;
}

uint64_t dtype_bytes(Dtype dtype, uint64_t values)
{
    const DtypeInfo *info = dtype_info(dtype);
    assert(values % info->block == 0);
    return values / info->block * info->block_bytes;
}

static float float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 31u, mantissa = half & 1023u;
    if (exponent == 31)
        return float_from_bits(sign | 0x7f800000u | mantissa << 13);
    if (exponent)
        return float_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    float small = (float)mantissa * 0x1p-24f;   /* subnormal or zero, exact */
    return sign ? -small : small;
}

uint16_t float_to_half(float value)
{
    uint32_t bits = bits_from_float(value);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return sign | 0x7e00u;
    if (magnitude >= 0x477ff000u)               /* rounds to 65536 or more */
        return sign | 0x7c00u;
    if (magnitude < 0x38800000u) {              /* below the smallest normal half */
        /* adding 0.5 leaves the value's units of 2^-24 in the low bits, rounded to even */
        uint32_t shifted = bits_from_float(float_from_bits(magnitude) + 0.5f);
        return sign | (uint16_t)(shifted - 0x3f000000u);
    }
    uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
    return sign | (uint16_t)((rounded - 0x38000000u) >> 13);
}

float bfloat_to_float(uint16_t bfloat)
{
    return float_from_bits((uint32_t)bfloat << 16);
}

uint16_t float_to_bfloat(float value)
{
    uint32_t bits = bits_from_float(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
