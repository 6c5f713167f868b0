// A row of a stored matrix in pieces that neighbouring invocations take: piece p lies next to piece
// p + 1 in memory, so that a subgroup reads whole lines. A value is affine.x * code + affine.y, so
// only codes meet the terms of a product and the rest is done once for all that share an affine.
// Needs SOURCE and lib/decode.glsl, for plain types and blocks of whole 16 bytes SOURCE4(i), words
// 4 i … 4 i + 3. It offers
//     VECTORS                    vec4 of codes in a piece
//     SHARING                    of which so many share an affine
//     AFFINE_SCALE, AFFINE_OFFSET   whether affine.x can differ from 1, affine.y from 0
//     piece_vector(p, i)         where vec4 i of piece p lies in the row, counted in vec4
//     decode_piece(start, p, …)  of the row that begins with value `start` of the tensor
// A type that has no pieces of its own here gets those of decode_eight.
#ifndef LIB_PIECES_GLSL
#define LIB_PIECES_GLSL

#if defined(TYPE_F32)
const uint VECTORS = 1u, SHARING = 1u;
const bool AFFINE_SCALE = false, AFFINE_OFFSET = false;
#elif defined(TYPE_F16) || defined(TYPE_BF16)
const uint VECTORS = 2u, SHARING = 2u;
const bool AFFINE_SCALE = false, AFFINE_OFFSET = false;
#elif defined(TYPE_Q8_0)
const uint VECTORS = 2u, SHARING = 2u;
const bool AFFINE_SCALE = true, AFFINE_OFFSET = false;
#elif defined(TYPE_Q4_0) || defined(TYPE_Q4_1)
const uint VECTORS = 2u, SHARING = 2u;
const bool AFFINE_SCALE = true, AFFINE_OFFSET = true;
#elif defined(TYPE_Q2_K) || defined(TYPE_Q3_K) || defined(TYPE_Q4_K) || defined(TYPE_Q5_K) || defined(TYPE_Q6_K)
#define BY_HALVES   // of 128 values: their words hold four values 32 apart, or two of two words
const uint VECTORS = 4u, SHARING = 1u;
const bool AFFINE_SCALE = true, AFFINE_OFFSET = true;
#else
const uint VECTORS = 2u, SHARING = 2u;
const bool AFFINE_SCALE = false, AFFINE_OFFSET = false;
#endif
const uint AFFINES = VECTORS / SHARING;

#if defined(TYPE_F32) || defined(TYPE_F16) || defined(TYPE_BF16) || defined(TYPE_Q8_0)
uint piece_vector(uint p, uint i) { return p * VECTORS + i; }
#elif defined(BY_HALVES)
uint piece_vector(uint p, uint i) { return p / 8u * 32u + p % 8u + i * 8u; }
#else   // values 4 i … and 16 + 4 i … of a group of 32
uint piece_vector(uint p, uint i) { return p / 4u * 8u + p % 4u + i * 4u; }
#endif

// Through uint: AMD converts any byte of a word in one instruction.
vec4 piece_bytes(uint word)
{
    return vec4(uvec4(word, word >> 8, word >> 16, word >> 24) & 255u);
}

#ifdef BY_HALVES
#include "lib/pieces_k.glsl"
#endif

void decode_piece(uint start, uint p, out vec4 code[VECTORS], out vec2 affine[AFFINES])
{
    affine[0] = vec2(1.0, 0.0);
#if defined(TYPE_F32)
    code[0] = uintBitsToFloat(SOURCE4(start / 4u + p));
#elif defined(TYPE_F16)
    uvec4 words = SOURCE4(start / 8u + p);
    code[0] = vec4(unpackHalf2x16(words.x), unpackHalf2x16(words.y));
    code[1] = vec4(unpackHalf2x16(words.z), unpackHalf2x16(words.w));
#elif defined(TYPE_BF16)
    uvec4 words = SOURCE4(start / 8u + p);
    uvec4 even = words << 16, odd = words & 0xffff0000u;
    code[0] = uintBitsToFloat(uvec4(even.x, odd.x, even.y, odd.y));
    code[1] = uintBitsToFloat(uvec4(even.z, odd.z, even.w, odd.w));
#elif defined(TYPE_Q8_0)   // eight bytes in two words, or three where they begin in the middle of one
    uint block = (start / 32u + p / 4u) * 34u, byte = block + 2u + p % 4u * 8u, at = byte >> 2;
    uint first = SOURCE(at), second = SOURCE(at + 1u), third = SOURCE((byte + 7u) >> 2);
    bool middle = (byte & 2u) != 0u;
    code[0] = decode_signed_bytes(middle ? first >> 16 | second << 16 : first);
    code[1] = decode_signed_bytes(middle ? second >> 16 | third << 16 : second);
    affine[0].x = decode_half(block);
#elif defined(TYPE_Q4_0) || defined(TYPE_Q4_1)
    uint block = start / 32u + p / 4u;
#ifdef TYPE_Q4_0
    uint word = decode_word(block * 18u + 2u + p % 4u * 4u);
    affine[0] = decode_half(block * 18u) * vec2(1.0, -8.0);
#else
    uint word = SOURCE(block * 5u + 1u + p % 4u);
    affine[0] = unpackHalf2x16(SOURCE(block * 5u));
#endif
    code[0] = piece_bytes(word & 0x0f0f0f0fu);
    code[1] = piece_bytes(word >> 4 & 0x0f0f0f0fu);
#elif defined(BY_HALVES)
    decode_half_piece(start / 256u + p / 16u, p / 8u % 2u, p % 8u, code, affine);
#else
    DecodeGroup group = decode_group(start + p / 4u * 32u);
    decode_eight(group, start + p / 4u * 32u, p % 4u, code[0], code[1]);
#endif
}

#endif
