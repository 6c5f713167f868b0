// decode32 of types in blocks of 256 values, for lib/decode.glsl.
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

void decode32(uint index, out vec4 v[8])
{
    uint block = index / 256u * 21u, group = index / 32u % 8u;
    vec2 both = unpackHalf2x16(SOURCE(block + 20u));
    uint scales = SOURCE(block + group / 2u) >> (group & 1u) * 16u;
    precise vec2 scale = both.x * vec2(ivec2(scales & 15u, scales >> 8 & 15u));
    precise vec2 minimum = both.y * vec2(ivec2(scales >> 4 & 15u, scales >> 12 & 15u));
    for (uint i = 0u; i < 8u; i++) {
        uint word = SOURCE(block + 4u + group / 4u * 8u + i) >> (group & 3u) * 2u;
        vec4 pair = decode_bytes(word & 0x03030303u);
        precise vec4 value = i < 4u ? scale.x * pair - minimum.x : scale.y * pair - minimum.y;
        v[i] = value;
    }
}

#elif defined(TYPE_Q3_K)   // 110 bytes: 32 of third bits, 64 of pairs, 12 of scales, half scale

// Scale `index` of 16: four bits in the first eight bytes, two in the last four.
float decode_q3_scale(uint first, uint index)
{
    uint low = decode_word(first + (index & 4u)) >> ((index & 3u) * 8u + index / 8u * 4u) & 15u;
    uint high = decode_word(first + 8u) >> ((index & 3u) * 8u + index / 4u * 2u) & 3u;
    return float(int(low | high << 4) - 32);
}
void decode32(uint index, out vec4 v[8])
{
    uint block = index / 256u * 110u, group = index / 32u % 8u;
    float d = decode_half(block + 108u);
    precise float scale0 = d * decode_q3_scale(block + 96u, group * 2u);
    precise float scale1 = d * decode_q3_scale(block + 96u, group * 2u + 1u);
    for (uint i = 0u; i < 8u; i++) {
        uint low = decode_word(block + 32u + group / 4u * 32u + i * 4u) >> (group & 3u) * 2u;
        uint third = decode_word(block + i * 4u) >> group & 0x01010101u;
        v[i] = (i < 4u ? scale0 : scale1) *
               (decode_bytes(low & 0x03030303u | third << 2) - 4.0);
    }
}

#elif defined(TYPE_Q4_K)   // 36 words: half scale, half minimum, eight 6-bit pairs, 128 bytes

void decode32(uint index, out vec4 v[8])
{
    uint block = index / 256u * 36u, group = index / 32u % 8u;
    vec2 scale = decode_k_scale(block, group);
    for (uint i = 0u; i < 8u; i++) {
        uint word = SOURCE(block + 4u + group / 2u * 8u + i) >> (group & 1u) * 4u;
        precise vec4 value = scale.x * decode_bytes(word & 0x0f0f0f0fu) - scale.y;
        v[i] = value;
    }
}

#elif defined(TYPE_Q5_K)   // 44 words: as Q4_K, with 32 bytes of fifth bits before the 128

void decode32(uint index, out vec4 v[8])
{
    uint block = index / 256u * 44u, group = index / 32u % 8u;
    vec2 scale = decode_k_scale(block, group);
    for (uint i = 0u; i < 8u; i++) {
        uint low = SOURCE(block + 12u + group / 2u * 8u + i) >> (group & 1u) * 4u;
        uint fifth = SOURCE(block + 4u + i) >> group & 0x01010101u;
        precise vec4 value = scale.x * decode_bytes(low & 0x0f0f0f0fu | fifth << 4) - scale.y;
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
#endif
