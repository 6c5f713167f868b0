// Pieces of types in blocks of 256, for lib/pieces.glsl: piece i of eight of half `part` of 128
// values holds values 4 i … 4 i + 3 of each of its four groups of 32, whose bits share words.
#ifndef LIB_PIECES_K_GLSL
#define LIB_PIECES_K_GLSL

#if defined(TYPE_Q4_K) || defined(TYPE_Q5_K)

void decode_half_piece(uint block, uint part, uint i, out vec4 code[4], out vec2 affine[4])
{
#ifdef TYPE_Q4_K
    uint first = block * 36u, low = first + 4u + part * 16u + i, fifth = 0u;
#else
    uint first = block * 44u, low = first + 12u + part * 16u + i;
    uint fifth = SOURCE(first + 4u + i) >> part * 4u;
#endif
    uvec4 head = SOURCE4(first / 4u);   // half scale, half minimum, 6-bit numbers
    uvec2 numbers = part == 0u ? head.yz & 0x3f3f3f3fu
                               : (uvec2(head.w, head.w >> 4) & 0x0f0f0f0fu) | (head.yz >> 2 & 0x30303030u);
    vec2 both = unpackHalf2x16(head.x);
    vec4 scale = both.x * piece_bytes(numbers.x), minimum = -both.y * piece_bytes(numbers.y);
    uvec2 words = uvec2(SOURCE(low), SOURCE(low + 8u));
    [[unroll]] for (uint g = 0u; g < 4u; g++) {
        uint bits = words[g / 2u] >> g % 2u * 4u & 0x0f0f0f0fu;
#ifdef TYPE_Q5_K
        bits |= (fifth >> g & 0x01010101u) << 4;
#endif
        code[g] = piece_bytes(bits);
        affine[g] = vec2(scale[g], minimum[g]);
    }
}

#elif defined(TYPE_Q6_K)

void decode_half_piece(uint block, uint part, uint i, out vec4 code[4], out vec2 affine[4])
{
    uint first = block * 210u, low = first + part * 64u + i * 4u;
    uvec2 words = uvec2(decode_word(low), decode_word(low + 32u));
    uint top = decode_word(first + 128u + part * 32u + i * 4u);
    uint scales = first + 192u + part * 8u;
    uvec2 pair = uvec2(decode_word(scales), decode_word(scales + 4u)) >> i / 4u * 8u;
    float d = decode_half(first + 208u);
    [[unroll]] for (uint g = 0u; g < 4u; g++) {
        uint bits = words[g % 2u] >> g / 2u * 4u & 0x0f0f0f0fu;
        code[g] = piece_bytes(bits | (top >> g * 2u & 0x03030303u) << 4);
        float scale = d * float(int(pair[g / 2u] << (24u - g % 2u * 16u)) >> 24);
        affine[g] = scale * vec2(1.0, -32.0);
    }
}

#elif defined(TYPE_Q2_K)

void decode_half_piece(uint block, uint part, uint i, out vec4 code[4], out vec2 affine[4])
{
    uint first = block * 21u, word = SOURCE(first + 4u + part * 8u + i);
    uvec2 scales = uvec2(SOURCE(first + part * 2u), SOURCE(first + part * 2u + 1u)) >> i / 4u * 8u;
    vec2 both = unpackHalf2x16(SOURCE(first + 20u)) * vec2(1.0, -1.0);
    [[unroll]] for (uint g = 0u; g < 4u; g++) {
        uint two = scales[g / 2u] >> g % 2u * 16u;
        code[g] = piece_bytes(word >> g * 2u & 0x03030303u);
        affine[g] = both * vec2(uvec2(two & 15u, two >> 4 & 15u));
    }
}

#elif defined(TYPE_Q3_K)

void decode_half_piece(uint block, uint part, uint i, out vec4 code[4], out vec2 affine[4])
{
    uint first = block * 110u, third = decode_word(first + i * 4u) >> part * 4u;
    uint word = decode_word(first + 32u + part * 32u + i * 4u);
    uvec2 low = uvec2(decode_word(first + 96u), decode_word(first + 100u)) >> (i / 4u * 8u + part * 4u);
    uint high = decode_word(first + 104u) >> (i / 4u * 8u + part * 4u);
    float d = decode_half(first + 108u);
    [[unroll]] for (uint g = 0u; g < 4u; g++) {
        code[g] = piece_bytes((word >> g * 2u & 0x03030303u) | (third >> g & 0x01010101u) << 2);
        uint scale = (low[g / 2u] >> g % 2u * 16u & 15u) | (high >> (g % 2u * 16u + g / 2u * 2u) & 3u) << 4;
        affine[g] = d * float(int(scale) - 32) * vec2(1.0, -4.0);
    }
}

#endif
#endif
