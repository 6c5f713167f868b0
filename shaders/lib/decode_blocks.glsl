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

#elif defined(TYPE_IQ4_NL)   // 18 bytes: half scale, 16 bytes of numbers in a table, as Q4_0

// -127 -104 -83 -65  -49 -35 -22 -10  1 13 25 38  53 69 89 113, a byte each, lowest first
vec4 decode_iq4(uint numbers)
{
    uvec4 number = uvec4(numbers, numbers >> 8, numbers >> 16, numbers >> 24) & 15u;
    bvec4 odd = notEqual(number & 4u, uvec4(0u)), upper = notEqual(number & 8u, uvec4(0u));
    uvec4 low = mix(uvec4(0xbfad9881u), uvec4(0xf6eaddcfu), odd);
    uvec4 high = mix(uvec4(0x26190d01u), uvec4(0x71594535u), odd);
    uvec4 four = mix(low, high, upper);
    return vec4(ivec4(four << (24u - (number & 3u) * 8u)) >> 24);
}
void decode32(uint index, out vec4 v[8])
{
    uint block = index / 32u * 18u;
    float scale = decode_half(block);
    for (uint i = 0u; i < 4u; i++) {
        uint word = decode_word(block + 2u + i * 4u);
        v[i] = scale * decode_iq4(word);
        v[i + 4u] = scale * decode_iq4(word >> 4);
    }
}

#elif defined(TYPE_NF4)   // 9 words: absmax, 32 bytes of numbers in the table, first one high

// Dettmers et al., 2023. By selection: an indexed table would lie in slow memory.
vec4 decode_nf4(uint pairs)
{
    const float t[16] = float[](
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
        -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
        0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
        0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0);
    uvec4 number = uvec4(pairs >> 4, pairs, pairs >> 12, pairs >> 8);
    bvec4 bit0 = notEqual(number & 1u, uvec4(0u)), bit1 = notEqual(number & 2u, uvec4(0u));
    bvec4 bit2 = notEqual(number & 4u, uvec4(0u)), bit3 = notEqual(number & 8u, uvec4(0u));
    vec4 fours[4];
    for (uint i = 0u; i < 4u; i++)
        fours[i] = mix(mix(vec4(t[i * 4u]), vec4(t[i * 4u + 1u]), bit0),
                       mix(vec4(t[i * 4u + 2u]), vec4(t[i * 4u + 3u]), bit0), bit1);
    return mix(mix(fours[0], fours[1], bit2), mix(fours[2], fours[3], bit2), bit3);
}
void decode32(uint index, out vec4 v[8])
{
    uint block = index / 64u * 9u;
    float absmax = uintBitsToFloat(SOURCE(block));
    for (uint i = 0u; i < 4u; i++) {
        uint word = SOURCE(block + 1u + index / 32u % 2u * 4u + i);
        v[i * 2u] = absmax * decode_nf4(word);
        v[i * 2u + 1u] = absmax * decode_nf4(word >> 16);
    }
}

#endif
#endif
