// decode32 of types in blocks of 32 or 64 values, for lib/decode.glsl.
#ifndef LIB_DECODE_BLOCKS_GLSL
#define LIB_DECODE_BLOCKS_GLSL

// Bits 0…3 as bit 4 of four bytes.
uint decode_fifth(uint bits)
{
    return (bits & 1u) << 4 | (bits & 2u) << 11 | (bits & 4u) << 18 | (bits & 8u) << 25;
}

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

#elif defined(TYPE_Q5_1)   // 6 words: half scale, half minimum, fifth bits, 16 bytes as Q4_0

void decode32(uint index, out vec4 v[8])
{
    uint block = index / 32u * 6u;
    vec2 scale = unpackHalf2x16(SOURCE(block));
    uint fifth = SOURCE(block + 1u);
    for (uint i = 0u; i < 4u; i++) {
        uint word = SOURCE(block + 2u + i);
        uint low = word & 0x0f0f0f0fu | decode_fifth(fifth >> i * 4u);
        uint high = word >> 4 & 0x0f0f0f0fu | decode_fifth(fifth >> (i * 4u + 16u));
        precise vec4 first = scale.x * decode_bytes(low) + scale.y;
        precise vec4 second = scale.x * decode_bytes(high) + scale.y;
        v[i] = first;
        v[i + 4u] = second;
    }
}

#endif
#endif
