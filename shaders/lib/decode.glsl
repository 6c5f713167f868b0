// Values of a tensor stored as F32, F16, BF16 or in GGUF's quantised blocks, read from the
// 32-bit words behind a binding. Before including this file define one of TYPE_F32 …
// TYPE_Q6_K and SOURCE(i), which gives word i as uint. It offers
//     float decode1(uint index)                      value `index` of the tensor
//     void decode32(uint index, out vec4 v[8])       values index … index + 31; index must be
//                                                    a multiple of 32 and all 32 must exist
// Both round exactly as the f32 arithmetic of GGUF's own Python package does: `precise`
// keeps a compiler from fusing the multiplication and the addition.
#ifndef LIB_DECODE_GLSL
#define LIB_DECODE_GLSL

// Blocks of 18, 22, 34 and 210 bytes start at even bytes, not at words: 32 bits from an even
// byte. The second word is the first again when the byte is aligned, never one too far.
uint decode_word(uint byte)
{
    uint low = SOURCE(byte >> 2), high = SOURCE((byte + 3u) >> 2);
    return (byte & 2u) != 0u ? low >> 16 | high << 16 : low;
}

float decode_half(uint byte)
{
    return unpackHalf2x16(SOURCE(byte >> 2) >> ((byte & 2u) * 8u)).x;
}

// Four numbers below 256, one from each byte. Through int: CPU drivers convert it in one
// instruction, uint takes several.
vec4 decode_bytes(uint word)
{
    return vec4(ivec4(uvec4(word, word >> 8, word >> 16, word >> 24) & 255u));
}

vec4 decode_signed_bytes(uint word)
{
    return vec4(ivec4(uvec4(word << 24, word << 16, word << 8, word)) >> 24);
}

#if defined(TYPE_F32)

float decode1(uint index) { return uintBitsToFloat(SOURCE(index)); }
void decode32(uint index, out vec4 v[8])
{
    for (uint i = 0u; i < 8u; i++)
        v[i] = uintBitsToFloat(uvec4(SOURCE(index + i * 4u), SOURCE(index + i * 4u + 1u),
                                     SOURCE(index + i * 4u + 2u), SOURCE(index + i * 4u + 3u)));
}

#elif defined(TYPE_F16)

float decode1(uint index) { return unpackHalf2x16(SOURCE(index >> 1) >> ((index & 1u) * 16u)).x; }
void decode32(uint index, out vec4 v[8])
{
    for (uint i = 0u; i < 8u; i++)
        v[i] = vec4(unpackHalf2x16(SOURCE(index / 2u + i * 2u)),
                    unpackHalf2x16(SOURCE(index / 2u + i * 2u + 1u)));
}

#elif defined(TYPE_BF16)

float decode1(uint index)
{
    return uintBitsToFloat(SOURCE(index >> 1) >> ((index & 1u) * 16u) << 16);
}
void decode32(uint index, out vec4 v[8])
{
    for (uint i = 0u; i < 8u; i++) {
        uint first = SOURCE(index / 2u + i * 2u), second = SOURCE(index / 2u + i * 2u + 1u);
        v[i] = uintBitsToFloat(uvec4(first << 16, first & 0xffff0000u,
                                     second << 16, second & 0xffff0000u));
    }
}

#else

#if defined(TYPE_Q8_0)   // 34 bytes: half scale, 32 signed bytes

void decode32(uint index, out vec4 v[8])
{
    uint block = index / 32u * 34u;
    float scale = decode_half(block);
    for (uint i = 0u; i < 8u; i++)
        v[i] = scale * decode_signed_bytes(decode_word(block + 2u + i * 4u));
}

#elif defined(TYPE_Q4_0)   // 18 bytes: half scale, 16 bytes: value i low, i + 16 high

void decode32(uint index, out vec4 v[8])
{
    uint block = index / 32u * 18u;
    float scale = decode_half(block);
    for (uint i = 0u; i < 4u; i++) {
        uint word = decode_word(block + 2u + i * 4u);
        v[i] = scale * (decode_bytes(word & 0x0f0f0f0fu) - 8.0);
        v[i + 4u] = scale * (decode_bytes(word >> 4 & 0x0f0f0f0fu) - 8.0);
    }
}

#elif defined(TYPE_Q4_1)   // 5 words: half scale, half minimum, 16 bytes as Q4_0

void decode32(uint index, out vec4 v[8])
{
    uint block = index / 32u * 5u;
    vec2 scale = unpackHalf2x16(SOURCE(block));
    for (uint i = 0u; i < 4u; i++) {
        uint word = SOURCE(block + 1u + i);
        precise vec4 low = scale.x * decode_bytes(word & 0x0f0f0f0fu) + scale.y;
        precise vec4 high = scale.x * decode_bytes(word >> 4 & 0x0f0f0f0fu) + scale.y;
        v[i] = low;
        v[i + 4u] = high;
    }
}

#elif defined(TYPE_Q5_0)   // 22 bytes: half scale, fifth bits of all values, 16 bytes as Q4_0

// Bits 0…3 as bit 4 of four bytes.
uint decode_fifth(uint bits)
{
    return (bits & 1u) << 4 | (bits & 2u) << 11 | (bits & 4u) << 18 | (bits & 8u) << 25;
}
void decode32(uint index, out vec4 v[8])
{
    uint block = index / 32u * 22u;
    float scale = decode_half(block);
    uint fifth = decode_word(block + 2u);
    for (uint i = 0u; i < 4u; i++) {
        uint word = decode_word(block + 6u + i * 4u);
        uint low = word & 0x0f0f0f0fu | decode_fifth(fifth >> i * 4u);
        uint high = word >> 4 & 0x0f0f0f0fu | decode_fifth(fifth >> (i * 4u + 16u));
        v[i] = scale * (decode_bytes(low) - 16.0);
        v[i + 4u] = scale * (decode_bytes(high) - 16.0);
    }
}

#elif defined(TYPE_Q4_K)   // 36 words: half scale, half minimum, eight 6-bit pairs, 128 bytes

void decode32(uint index, out vec4 v[8])
{
    uint block = index / 256u * 36u, group = index / 32u % 8u;
    vec2 both = unpackHalf2x16(SOURCE(block));
    uint shift = (group & 3u) * 8u;
    uint first = SOURCE(block + 1u) >> shift & 255u, second = SOURCE(block + 2u) >> shift & 255u;
    uint third = SOURCE(block + 3u) >> shift & 255u;
    uint scale = group < 4u ? first & 63u : third & 15u | (first >> 6) << 4;
    uint minimum = group < 4u ? second & 63u : third >> 4 | (second >> 6) << 4;
    precise float d = both.x * float(int(scale)), m = both.y * float(int(minimum));
    for (uint i = 0u; i < 8u; i++) {
        uint word = SOURCE(block + 4u + group / 2u * 8u + i) >> (group & 1u) * 4u;
        precise vec4 value = d * decode_bytes(word & 0x0f0f0f0fu) - m;
        v[i] = value;
    }
}

#elif defined(TYPE_Q6_K)   // 210 bytes: 128 low nibbles, 64 top pairs, 16 scales, half scale

void decode32(uint index, out vec4 v[8])
{
    uint block = index / 256u * 210u, group = index / 32u % 8u;
    uint part = group & 3u;   // of the 128 values that share top bytes
    uint low_at = block + group / 4u * 64u + (part & 1u) * 32u;
    uint top_at = block + 128u + group / 4u * 32u;
    uint scales = decode_word(block + 192u + group / 2u * 4u) >> (group & 1u) * 16u;
    float d = decode_half(block + 208u);
    precise float scale0 = d * float(int(scales << 24) >> 24);
    precise float scale1 = d * float(int(scales << 16) >> 24);
    for (uint i = 0u; i < 8u; i++) {
        uint low = decode_word(low_at + i * 4u) >> (part >> 1) * 4u & 0x0f0f0f0fu;
        uint top = decode_word(top_at + i * 4u) >> part * 2u & 0x03030303u;
        v[i] = (i < 4u ? scale0 : scale1) * (decode_bytes(low | top << 4) - 32.0);
    }
}

#endif

// One value at the price of its group of 32: for gathers of few rows, not for streams.
float decode1(uint index)
{
    vec4 v[8];
    decode32(index & ~31u, v);
    return v[index / 4u % 8u][index % 4u];
}

#endif
#endif
