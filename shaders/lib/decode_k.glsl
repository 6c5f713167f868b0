// decode_group and decode_eight of types in blocks of 256 values, for lib/decode.glsl.
#ifndef LIB_DECODE_K_GLSL
#define LIB_DECODE_K_GLSL

// Q4_K and Q5_K: factors of group `group` of 32, out of the block's half pair and its three
// words of 6-bit numbers. A value is x times its number minus y.
vec2 decode_k_scale(uint block, uint group)
{
    vec2 both = unpackHalf2x16(SOURCE(block));
    uint shift = (group & 3u) * 8u;
    uint first = SOURCE(block + 1u) >> shift & 255u, second = SOURCE(block + 2u) >> shift & 255u;
    uint third = SOURCE(block + 3u) >> shift & 255u;
    uint scale = group < 4u ? first & 63u : third & 15u | (first >> 6) << 4;
    uint minimum = group < 4u ? second & 63u : third >> 4 | (second >> 6) << 4;
    precise vec2 scaled = both * vec2(ivec2(scale, minimum));
    return scaled;
}

#if defined(TYPE_Q2_K)   // 21 words: 16 bytes of scale and minimum, 64 of pairs, half pair

DecodeGroup decode_group(uint index)
{
    uint block = index / 256u * 21u, group = index / 32u % 8u;
    vec2 both = unpackHalf2x16(SOURCE(block + 20u));
    uint scales = SOURCE(block + group / 2u) >> (group & 1u) * 16u;
    precise vec2 scale = both.x * vec2(ivec2(scales & 15u, scales >> 8 & 15u));
    precise vec2 minimum = both.y * vec2(ivec2(scales >> 4 & 15u, scales >> 12 & 15u));
    return DecodeGroup(vec4(scale, minimum), 0u);
}
void decode_eight(DecodeGroup group, uint index, uint i, out vec4 low, out vec4 high)
{
    uint word = index / 256u * 21u + 4u + index / 128u % 2u * 8u + i, shift = index / 32u % 4u * 2u;
    precise vec4 first = group.scale.x * decode_bytes(SOURCE(word) >> shift & 0x03030303u) -
                         group.scale.z;
    precise vec4 second = group.scale.y * decode_bytes(SOURCE(word + 4u) >> shift & 0x03030303u) -
                          group.scale.w;
    low = first;
    high = second;
}

#elif defined(TYPE_Q3_K)   // 110 bytes: 32 of third bits, 64 of pairs, 12 of scales, half scale

// Scale `index` of 16: four bits in the first eight bytes, two in the last four.
float decode_q3_scale(uint first, uint index)
{
    uint low = decode_word(first + (index & 4u)) >> ((index & 3u) * 8u + index / 8u * 4u) & 15u;
    uint high = decode_word(first + 8u) >> ((index & 3u) * 8u + index / 4u * 2u) & 3u;
    return float(int(low | high << 4) - 32);
}
DecodeGroup decode_group(uint index)
{
    uint block = index / 256u * 110u, group = index / 32u % 8u;
    float d = decode_half(block + 108u);
    precise vec2 scale = d * vec2(decode_q3_scale(block + 96u, group * 2u),
                                  decode_q3_scale(block + 96u, group * 2u + 1u));
    return DecodeGroup(scale.xyxy, 0u);
}
// Four values from their pairs and third bits.
vec4 decode_q3(uint block, uint pairs, uint group, uint i)
{
    uint low = decode_word(pairs + i * 4u) >> (group & 3u) * 2u;
    uint third = decode_word(block + i * 4u) >> group & 0x01010101u;
    return decode_bytes(low & 0x03030303u | third << 2) - 4.0;
}
void decode_eight(DecodeGroup group, uint index, uint i, out vec4 low, out vec4 high)
{
    uint block = index / 256u * 110u, number = index / 32u % 8u;
    uint pairs = block + 32u + number / 4u * 32u;
    low = group.scale.x * decode_q3(block, pairs, number, i);
    high = group.scale.y * decode_q3(block, pairs, number, i + 4u);
}

#elif defined(TYPE_Q4_K)   // 36 words: half scale, half minimum, eight 6-bit pairs, 128 bytes

DecodeGroup decode_group(uint index)
{
    return DecodeGroup(decode_k_scale(index / 256u * 36u, index / 32u % 8u).xyxy, 0u);
}
void decode_eight(DecodeGroup group, uint index, uint i, out vec4 low, out vec4 high)
{
    uint word = index / 256u * 36u + 4u + index / 64u % 4u * 8u + i, shift = index / 32u % 2u * 4u;
    precise vec4 first = group.scale.x * decode_bytes(SOURCE(word) >> shift & 0x0f0f0f0fu) -
                         group.scale.y;
    precise vec4 second = group.scale.x * decode_bytes(SOURCE(word + 4u) >> shift & 0x0f0f0f0fu) -
                          group.scale.y;
    low = first;
    high = second;
}

#elif defined(TYPE_Q5_K)   // 44 words: as Q4_K, with 32 bytes of fifth bits before the 128

DecodeGroup decode_group(uint index)
{
    return DecodeGroup(decode_k_scale(index / 256u * 44u, index / 32u % 8u).xyxy, 0u);
}
// Four numbers of five bits.
vec4 decode_q5(uint block, uint group, uint i)
{
    uint low = SOURCE(block + 12u + group / 2u * 8u + i) >> (group & 1u) * 4u;
    uint fifth = SOURCE(block + 4u + i) >> group & 0x01010101u;
    return decode_bytes(low & 0x0f0f0f0fu | fifth << 4);
}
void decode_eight(DecodeGroup group, uint index, uint i, out vec4 low, out vec4 high)
{
    uint block = index / 256u * 44u, number = index / 32u % 8u;
    precise vec4 first = group.scale.x * decode_q5(block, number, i) - group.scale.y;
    precise vec4 second = group.scale.x * decode_q5(block, number, i + 4u) - group.scale.y;
    low = first;
    high = second;
}

#elif defined(TYPE_Q6_K)   // 210 bytes: 128 low nibbles, 64 top pairs, 16 scales, half scale

DecodeGroup decode_group(uint index)
{
    uint block = index / 256u * 210u, group = index / 32u % 8u;
    uint scales = decode_word(block + 192u + group / 2u * 4u) >> (group & 1u) * 16u;
    float d = decode_half(block + 208u);
    precise vec2 scale = d * vec2(ivec2(scales << 24, scales << 16) >> 24);
    return DecodeGroup(scale.xyxy, 0u);
}
// Four values at byte 4 i of those whose nibbles and top pairs begin at two bytes.
vec4 decode_q6(uint low_at, uint top_at, uint part, uint i)
{
    uint low = decode_word(low_at + i * 4u) >> (part >> 1) * 4u & 0x0f0f0f0fu;
    uint top = decode_word(top_at + i * 4u) >> part * 2u & 0x03030303u;
    return decode_bytes(low | top << 4) - 32.0;
}
void decode_eight(DecodeGroup group, uint index, uint i, out vec4 low, out vec4 high)
{
    uint block = index / 256u * 210u, number = index / 32u % 8u;
    uint part = number & 3u;   // of the 128 values that share top bytes
    uint low_at = block + number / 4u * 64u + (part & 1u) * 32u;
    uint top_at = block + 128u + number / 4u * 32u;
    low = group.scale.x * decode_q6(low_at, top_at, part, i);
    high = group.scale.y * decode_q6(low_at, top_at, part, i + 4u);
}

#endif
#endif
