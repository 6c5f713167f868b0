#include "kernels/decode.h"

#include <assert.h>
#include <string.h>

#include "base/rng.h"

/* ---- bytes behind doubles that hold words ------------------------------- */

typedef struct Block {
    const double *words;
    uint64_t start;      /* byte */
} Block;

static unsigned byte_at(Block block, unsigned i)
{
    uint64_t at = block.start + i;
    return (unsigned)((uint32_t)block.words[at / 4] >> at % 4 * 8 & 255u);
}

static int signed_at(Block block, unsigned i)
{
    return (int8_t)byte_at(block, i);
}

static float half_at(Block block, unsigned i)
{
    return half_to_float((uint16_t)(byte_at(block, i) | byte_at(block, i + 1) << 8));
}

static float float_at(Block block, unsigned i)
{
    uint32_t bits = 0;
    float value;
    for (unsigned byte = 0; byte < 4; byte++)
        bits |= (uint32_t)byte_at(block, i + byte) << byte * 8;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Nibble of value i: 16 bytes hold values 0…15 low and 16…31 high. */
static unsigned nibble_at(Block block, unsigned first, unsigned i)
{
    return byte_at(block, first + i % 16) >> i / 16 * 4 & 15u;
}

/* ---- one function per type: 32 values, `group` of 32 in the block -------- */

static void q8_0(Block block, unsigned group, float values[32])
{
    (void)group;
    for (unsigned i = 0; i < 32; i++)
        values[i] = half_at(block, 0) * (float)signed_at(block, 2 + i);
}

static void q4_0(Block block, unsigned group, float values[32])
{
    (void)group;
    for (unsigned i = 0; i < 32; i++)
        values[i] = half_at(block, 0) * (float)((int)nibble_at(block, 2, i) - 8);
}

static void q4_1(Block block, unsigned group, float values[32])
{
    (void)group;
    for (unsigned i = 0; i < 32; i++) {
        /* a variable of its own: the product is rounded before the sum */
        volatile float product = half_at(block, 0) * (float)nibble_at(block, 4, i);
        values[i] = product + half_at(block, 2);
    }
}

static void q5_0(Block block, unsigned group, float values[32])
{
    (void)group;
    for (unsigned i = 0; i < 32; i++) {
        unsigned fifth = byte_at(block, 2 + i / 8) >> i % 8 & 1u;
        values[i] = half_at(block, 0) * (float)((int)(nibble_at(block, 6, i) | fifth << 4) - 16);
    }
}

static void q5_1(Block block, unsigned group, float values[32])
{
    (void)group;
    for (unsigned i = 0; i < 32; i++) {
        unsigned fifth = byte_at(block, 4 + i / 8) >> i % 8 & 1u;
        volatile float product = half_at(block, 0) * (float)(nibble_at(block, 8, i) | fifth << 4);
        values[i] = product + half_at(block, 2);
    }
}

static void q2_k(Block block, unsigned group, float values[32])
{
    for (unsigned i = 0; i < 32; i++) {
        unsigned scales = byte_at(block, group * 2 + i / 16);
        unsigned pair = byte_at(block, 16 + group / 4 * 32 + i) >> group % 4 * 2 & 3u;
        float d = half_at(block, 80) * (float)(scales & 15u);
        volatile float product = d * (float)pair, m = half_at(block, 82) * (float)(scales >> 4);
        values[i] = product - m;
    }
}

static void q3_k(Block block, unsigned group, float values[32])
{
    for (unsigned i = 0; i < 32; i++) {
        unsigned index = group * 2 + i / 16;
        unsigned low = byte_at(block, 96 + index % 8) >> index / 8 * 4 & 15u;
        unsigned high = byte_at(block, 104 + index % 4) >> index / 4 * 2 & 3u;
        unsigned pair = byte_at(block, 32 + group / 4 * 32 + i) >> group % 4 * 2 & 3u;
        unsigned third = byte_at(block, i) >> group & 1u;
        float d = half_at(block, 108) * (float)((int)(low | high << 4) - 32);
        values[i] = d * (float)((int)(pair | third << 2) - 4);
    }
}

/* Q4_K and Q5_K: factor and minimum of a group, and number i of the group below 16. */
static float k_scale(Block block, unsigned group, float *minimum)
{
    unsigned first = byte_at(block, 4 + group % 4), second = byte_at(block, 8 + group % 4);
    unsigned third = byte_at(block, 12 + group % 4);
    unsigned scale = group < 4 ? first & 63u : (third & 15u) | first >> 6 << 4;
    unsigned smallest = group < 4 ? second & 63u : third >> 4 | second >> 6 << 4;
    *minimum = half_at(block, 2) * (float)smallest;
    return half_at(block, 0) * (float)scale;
}

static unsigned k_nibble(Block block, unsigned first, unsigned group, unsigned i)
{
    return byte_at(block, first + group / 2 * 32 + i) >> group % 2 * 4 & 15u;
}

static void q4_k(Block block, unsigned group, float values[32])
{
    float m, d = k_scale(block, group, &m);
    for (unsigned i = 0; i < 32; i++) {
        volatile float product = d * (float)k_nibble(block, 16, group, i);
        values[i] = product - m;
    }
}

static void q5_k(Block block, unsigned group, float values[32])
{
    float m, d = k_scale(block, group, &m);
    for (unsigned i = 0; i < 32; i++) {
        unsigned fifth = byte_at(block, 16 + i) >> group & 1u;
        volatile float product = d * (float)(k_nibble(block, 48, group, i) | fifth << 4);
        values[i] = product - m;
    }
}

static void q6_k(Block block, unsigned group, float values[32])
{
    unsigned part = group % 4;
    for (unsigned i = 0; i < 32; i++) {
        unsigned low = byte_at(block, group / 4 * 64 + part % 2 * 32 + i) >> part / 2 * 4 & 15u;
        unsigned top = byte_at(block, 128 + group / 4 * 32 + i) >> part * 2 & 3u;
        float d = half_at(block, 208) * (float)signed_at(block, 192 + group * 2 + i / 16);
        values[i] = d * (float)((int)(low | top << 4) - 32);
    }
}

static void iq4_nl(Block block, unsigned group, float values[32])
{
    static const int8_t table[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1, 13, 25, 38, 53, 69, 89, 113};
    (void)group;
    for (unsigned i = 0; i < 32; i++)
        values[i] = half_at(block, 0) * (float)table[nibble_at(block, 2, i)];
}

/* The values of bitsandbytes' functional.py, each the nearest f32. */
static void nf4(Block block, unsigned group, float values[32])
{
    static const float table[16] = {
        -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
        -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
        0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
        0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
    };
    for (unsigned i = 0; i < 32; i++)
        values[i] = float_at(block, 0) *
                    table[byte_at(block, 4 + group * 16 + i / 2) >> (i % 2 ? 0 : 4) & 15u];
}

typedef struct Decoder {
    void (*decode)(Block block, unsigned group, float values[32]);
    struct { uint8_t at, bytes; } scale[2];   /* halves (2) or f32 (4) in a block */
} Decoder;

static const Decoder decoders[DTYPE_COUNT] = {
    [DTYPE_Q8_0] = {q8_0, {{0, 2}}},         [DTYPE_Q4_0] = {q4_0, {{0, 2}}},
    [DTYPE_Q4_1] = {q4_1, {{0, 2}, {2, 2}}}, [DTYPE_Q5_0] = {q5_0, {{0, 2}}},
    [DTYPE_Q5_1] = {q5_1, {{0, 2}, {2, 2}}}, [DTYPE_Q2_K] = {q2_k, {{80, 2}, {82, 2}}},
    [DTYPE_Q3_K] = {q3_k, {{108, 2}}},       [DTYPE_Q4_K] = {q4_k, {{0, 2}, {2, 2}}},
    [DTYPE_Q5_K] = {q5_k, {{0, 2}, {2, 2}}}, [DTYPE_Q6_K] = {q6_k, {{208, 2}}},
    [DTYPE_IQ4_NL] = {iq4_nl, {{0, 2}}},     [DTYPE_NF4] = {nf4, {{0, 4}}},
};

void decode_reference_32(Dtype dtype, const double *source, uint64_t index, float values[32])
{
    const DtypeInfo *info = dtype_info(dtype);
    if (info->block == 1) {
        for (unsigned i = 0; i < 32; i++)
            values[i] = (float)source[index + i];
        return;
    }
    assert(decoders[dtype].decode && index % 32 == 0);
    Block block = {source, index / info->block * info->block_bytes};
    decoders[dtype].decode(block, (unsigned)(index % info->block / 32), values);
}

float decode_reference(Dtype dtype, const double *source, uint64_t index)
{
    if (dtype_info(dtype)->block == 1)
        return (float)source[index];
    float values[32];
    decode_reference_32(dtype, source, index / 32 * 32, values);
    return values[index % 32];
}

static void put_half(double *words, uint64_t byte, uint16_t half)
{
    uint32_t word = (uint32_t)words[byte / 4], shift = byte % 4 * 8;
    words[byte / 4] = (word & ~(0xffffu << shift)) | (uint32_t)half << shift;
}

static void put_scale(double *words, uint64_t byte, unsigned bytes, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (bytes == 2)
        put_half(words, byte, float_to_half(value));
    if (bytes == 4)
        words[byte / 4] = bits;
}

/* Of either sign, as files have them; now and then below the normal numbers of f16, or zero. */
static float random_scale(Rng *rng, uint64_t number)
{
    const double size = 0.01 + 0.05 * rng_double(rng), sign = rng_double(rng) < 0.5 ? -1 : 1;
    return (float)(sign * size * (number % 11 == 7 ? 0x1p-11 : number % 13 == 9 ? 0 : 1));
}

void decode_random_blocks(Dtype dtype, double *words, uint64_t count, uint64_t seed)
{
    const DtypeInfo *info = dtype_info(dtype);
    const Decoder *decoder = &decoders[dtype];
    Rng rng;
    rng_init(&rng, seed);
    for (uint64_t i = 0; i < count; i++)
        words[i] = (double)(uint32_t)rng_u64(&rng);
    for (uint64_t start = 0; start + info->block_bytes <= count * 4; start += info->block_bytes)
        for (int i = 0; i < 2; i++)
            if (decoder->scale[i].bytes)
                put_scale(words, start + decoder->scale[i].at, decoder->scale[i].bytes,
                          random_scale(&rng, start / info->block_bytes + (uint64_t)i));
}

#define KERNEL(...)
#define TYPE(name, NAME, BLOCK)                                                             \
    bool decode_##name##_weight_input(const void *push, unsigned index, double *values,     \
                                      uint64_t count, uint64_t seed)                        \
    {                                                                                       \
        (void)push;                                                                         \
        if (index == 1)                                                                     \
            decode_random_blocks(DTYPE_##NAME, values, count, seed);                        \
        return index == 1;                                                                  \
    }
#include "kernels.def"
