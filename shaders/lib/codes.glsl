// Quantised values as integer codes, for sums over whole blocks: value i of a block is
// affine.x * code + affine.y, so only codes meet the vector's terms and the rest is done once a
// block. Define TYPE_Q4_0, TYPE_Q4_1 or TYPE_Q8_0; a step is STEP_BLOCKS blocks of 32 values in
// STEP_WORDS words, a whole number of words. With `words` a step's words it offers
//     CODE(block, i)    code i of the block, times 1 / CODE_FACTOR
//     AFFINE(block)     vec2 of scale and offset
//     CODE_FACTOR(block, lane)   vec4: factors of codes 4 lane … 4 lane + 3 (powers of two)
#ifndef LIB_CODES_GLSL
#define LIB_CODES_GLSL

#if defined(TYPE_Q8_0)   // 34 bytes: half scale, 32 signed bytes

const uint STEP_BLOCKS = 2u, STEP_WORDS = 17u;
// Code i is byte 2 + i of the first block and byte 36 + i of the step in the second.
#define CODE_BYTE(block, i) (2u + (block) * 34u + (i))
#define CODE(block, i) \
    float(int(words[CODE_BYTE(block, i) / 4u] << (24u - CODE_BYTE(block, i) % 4u * 8u)) >> 24)
#define CODE_FACTOR(block, lane) vec4(1.0)
#define AFFINE(block) \
    vec2(unpackHalf2x16(words[(block) * 8u] >> (block) * 16u).x, 0.0)

#else   // nibbles: value i low, i + 16 high in byte i

#if defined(TYPE_Q4_1)   // 20 bytes: half scale, half minimum, 16 bytes
const uint STEP_BLOCKS = 2u, STEP_WORDS = 10u;
#define CODE_BYTE(block, i) (4u + (block) * 20u + (i) % 16u)
#define AFFINE(block) unpackHalf2x16(words[(block) * 5u])
#else                    // TYPE_Q4_0, 18 bytes: half scale, 16 bytes
const uint STEP_BLOCKS = 2u, STEP_WORDS = 9u;
#define CODE_BYTE(block, i) (2u + (block) * 18u + (i) % 16u)
#define AFFINE(block) \
    (unpackHalf2x16(words[(block) * 4u] >> (block) * 16u).x * vec2(1.0, -8.0))
#endif

// Nibbles are masked where they stand, which saves the shift; the topmost is shifted, as its
// mask would be a negative number.
uint code_shift(uint byte, uint i)
{
    return byte % 4u * 8u + i / 16u * 4u;
}
uint code_bits(uint word, uint shift)
{
    return shift == 28u ? word >> 28u : word & (15u << shift);
}
float code_factor(uint shift)
{
    return shift == 28u ? 1.0 : 1.0 / float(1u << shift);
}
#define CODE_SHIFT(block, i) code_shift(CODE_BYTE(block, i), i)
#define CODE(block, i) \
    float(int(code_bits(words[CODE_BYTE(block, i) / 4u], CODE_SHIFT(block, i))))
#define CODE_FACTOR(block, lane)                            \
    vec4(code_factor(CODE_SHIFT(block, (lane) * 4u)),       \
         code_factor(CODE_SHIFT(block, (lane) * 4u + 1u)),  \
         code_factor(CODE_SHIFT(block, (lane) * 4u + 2u)),  \
         code_factor(CODE_SHIFT(block, (lane) * 4u + 3u)))

#endif
#endif
