// decode_group and decode_eight of types in blocks of 32 or 64 values, for lib/decode.glsl.
#ifndef LIB_DECODE_BLOCKS_GLSL
#define LIB_DECODE_BLOCKS_GLSL

// Bits 0…3 as bit 4 of four bytes.
uint decode_fifth(uint bits)
{
    return (bits & 1u) << 4 | (bits & 2u) << 11 | (bits & 4u) << 18 | (bits & 8u) << 25;
}

#if defined(TYPE_Q8_0)   // 34 bytes: half scale, 32 signed bytes

DecodeGroup decode_group(uint index)
{
    return DecodeGroup(vec4(decode_half(index / 32u * 34u)), 0u);
}
void decode_eight(DecodeGroup group, uint index, uint i, out vec4 low, out vec4 high)
{
    uint codes = index / 32u * 34u + 2u + i * 4u;
    low = group.scale.x * decode_signed_bytes(decode_word(codes));
    high = group.scale.x * decode_signed_bytes(decode_word(codes + 16u));
}

#elif defined(TYPE_Q4_0)   // 18 bytes: half scale, 16 bytes: value i low, i + 16 high

DecodeGroup decode_group(uint index)
{
    return DecodeGroup(vec4(decode_half(index / 32u * 18u)), 0u);
}
void decode_eight(DecodeGroup group, uint index, uint i, out vec4 low, out vec4 high)
{
    uint word = decode_word(index / 32u * 18u + 2u + i * 4u);
    low = group.scale.x * (decode_bytes(word & 0x0f0f0f0fu) - 8.0);
    high = group.scale.x * (decode_bytes(word >> 4 & 0x0f0f0f0fu) - 8.0);
}

#elif defined(TYPE_Q4_1)   // 5 words: half scale, half minimum, 16 bytes as Q4_0

DecodeGroup decode_group(uint index)
{
    return DecodeGroup(unpackHalf2x16(SOURCE(index / 32u * 5u)).xyxy, 0u);
}
void decode_eight(DecodeGroup group, uint index, uint i, out vec4 low, out vec4 high)
{
    uint word = SOURCE(index / 32u * 5u + 1u + i);
    precise vec4 first = group.scale.x * decode_bytes(word & 0x0f0f0f0fu) + group.scale.y;
    precise vec4 second = group.scale.x * decode_bytes(word >> 4 & 0x0f0f0f0fu) + group.scale.y;
    low = first;
    high = second;
}

#elif defined(TYPE_Q5_0)   // 22 bytes: half scale, fifth bits of all values, 16 bytes as Q4_0

DecodeGroup decode_group(uint index)
{
    uint block = index / 32u * 22u;
    return DecodeGroup(vec4(decode_half(block)), decode_word(block + 2u));
}
void decode_eight(DecodeGroup group, uint index, uint i, out vec4 low, out vec4 high)
{
    uint word = decode_word(index / 32u * 22u + 6u + i * 4u);
    uint first = word & 0x0f0f0f0fu | decode_fifth(group.fifth >> i * 4u);
    uint second = word >> 4 & 0x0f0f0f0fu | decode_fifth(group.fifth >> (i * 4u + 16u));
    low = group.scale.x * (decode_bytes(first) - 16.0);
    high = group.scale.x * (decode_bytes(second) - 16.0);
}

#elif defined(TYPE_Q5_1)   // 6 words: half scale, half minimum, fifth bits, 16 bytes as Q4_0

DecodeGroup decode_group(uint index)
{
    uint block = index / 32u * 6u;
    return DecodeGroup(unpackHalf2x16(SOURCE(block)).xyxy, SOURCE(block + 1u));
}
void decode_eight(DecodeGroup group, uint index, uint i, out vec4 low, out vec4 high)
{
    uint word = SOURCE(index / 32u * 6u + 2u + i);
    uint first = word & 0x0f0f0f0fu | decode_fifth(group.fifth >> i * 4u);
    uint second = word >> 4 & 0x0f0f0f0fu | decode_fifth(group.fifth >> (i * 4u + 16u));
    precise vec4 front = group.scale.x * decode_bytes(first) + group.scale.y;
    precise vec4 back = group.scale.x * decode_bytes(second) + group.scale.y;
    low = front;
    high = back;
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
DecodeGroup decode_group(uint index)
{
    return DecodeGroup(vec4(decode_half(index / 32u * 18u)), 0u);
}
void decode_eight(DecodeGroup group, uint index, uint i, out vec4 low, out vec4 high)
{
    uint word = decode_word(index / 32u * 18u + 2u + i * 4u);
    low = group.scale.x * decode_iq4(word);
    high = group.scale.x * decode_iq4(word >> 4);
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
DecodeGroup decode_group(uint index)
{
    return DecodeGroup(vec4(uintBitsToFloat(SOURCE(index / 64u * 9u))), 0u);
}
void decode_eight(DecodeGroup group, uint index, uint i, out vec4 low, out vec4 high)
{
    uint word = index / 64u * 9u + 1u + index / 32u % 2u * 4u + i / 2u, shift = i % 2u * 16u;
    low = group.scale.x * decode_nf4(SOURCE(word) >> shift);
    high = group.scale.x * decode_nf4(SOURCE(word + 2u) >> shift);
}

#endif
#endif
