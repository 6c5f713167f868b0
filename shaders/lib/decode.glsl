// Values of a tensor stored as F32, F16, BF16 or in GGUF's quantised blocks, read from the
// 32-bit words behind a binding. Before including this file define TYPE_F32 or the like
// and SOURCE(i), which gives word i as uint. It offers
//     float decode1(uint index)                      value `index` of the tensor
//     void decode32(uint index, out vec4 v[8])       values index … index + 31; index must be
//                                                    a multiple of 32 and all 32 must exist
//     void decode_part(uint index, uint i, out vec4 low, out vec4 high)
//                                                    of these values 4 i … 4 i + 3 and 16 + 4 i …,
//                                                    i < 4: neighbours that take neighbouring
//                                                    parts read and write whole lines
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
#elif defined(TYPE_F16)

float decode1(uint index) { return unpackHalf2x16(SOURCE(index >> 1) >> ((index & 1u) * 16u)).x; }
#elif defined(TYPE_BF16)

float decode1(uint index)
{
    return uintBitsToFloat(SOURCE(index >> 1) >> ((index & 1u) * 16u) << 16);
}
#endif
#if defined(TYPE_F32) || defined(TYPE_F16) || defined(TYPE_BF16)

// Four values from a multiple of four on.
vec4 decode_four(uint index)
{
#if defined(TYPE_F32)
    return uintBitsToFloat(uvec4(SOURCE(index), SOURCE(index + 1u), SOURCE(index + 2u), SOURCE(index + 3u)));
#else
    uint first = SOURCE(index / 2u), second = SOURCE(index / 2u + 1u);
#ifdef TYPE_F16
    return vec4(unpackHalf2x16(first), unpackHalf2x16(second));
#else
    return uintBitsToFloat(uvec4(first << 16, first & 0xffff0000u, second << 16, second & 0xffff0000u));
#endif
#endif
}
void decode32(uint index, out vec4 v[8])
{
    for (uint i = 0u; i < 8u; i++)
        v[i] = decode_four(index + i * 4u);
}
void decode_part(uint index, uint i, out vec4 low, out vec4 high)
{
    low = decode_four(index + i * 4u);
    high = decode_four(index + 16u + i * 4u);
}

#else

struct DecodeGroup {
    vec4 scale;   // scales and minima, as the type has them
    uint fifth;   // bits of all 32 values, of types that store them apart
};
#include "lib/decode_blocks.glsl"
#include "lib/decode_k.glsl"

void decode32(uint index, out vec4 v[8])
{
    DecodeGroup group = decode_group(index);
    for (uint i = 0u; i < 4u; i++)
        decode_eight(group, index, i, v[i], v[i + 4u]);
}

void decode_part(uint index, uint i, out vec4 low, out vec4 high)
{
    decode_eight(decode_group(index), index, i, low, high);
}

// One value at the price of its group of 32: for gathers of few rows, not for streams.
float decode1(uint index)
{
    vec4 v[8];
    decode32(index & ~31u, v);
    return v[index / 4u % 8u][index % 4u];
}

#endif
#endif
