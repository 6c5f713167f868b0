// y[i] = value first + i of a tensor of type TYPE_…, i < count; for plain types any first and
// count, for blocks multiples of the block. SPLIT invocations share a group of 32 values: with 4,
// neighbours write neighbouring 16 bytes, as GPUs want it, with 1 what a group shares is decoded
// once. HALF: y is f16, two values a word; an odd count is padded with one zero.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/expand.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
layout(constant_id = 1) const uint SPLIT = 4;   // 1 or 4

layout(set = 0, binding = 0) readonly buffer Source { uint source[]; };
// The same memory twice: storing sixteen bytes at a time is twice as fast on lavapipe.
#ifdef HALF
layout(set = 0, binding = 1) writeonly buffer Y { uint y[]; };
layout(set = 0, binding = 1) writeonly buffer Y2 { uvec2 y2[]; };
layout(set = 0, binding = 1) writeonly buffer Y4 { uvec4 y4[]; };
#include "lib/half.glsl"
#else
layout(set = 0, binding = 1) writeonly buffer Y { float y[]; };
layout(set = 0, binding = 1) writeonly buffer Y4 { vec4 y4[]; };
#endif

#define SOURCE(i) source[i]
#include "lib/decode.glsl"

#ifdef HALF
#define PUT_FOUR(at, four) y2[(at) / 4u] = uvec2(half_pair((four).xy), half_pair((four).zw))
#else
#define PUT_FOUR(at, four) y4[(at) / 4u] = four
#endif

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    uint start = i / SPLIT * 32u, part = i % SPLIT, index = push.first + start;
    if (start >= push.count)
        return;
#if defined(TYPE_F16) || defined(TYPE_BF16) || defined(TYPE_F32)
    if (start + 32u > push.count || (index & 31u) != 0u) {
        uint begin = start + part * (32u / SPLIT), end = min(begin + 32u / SPLIT, push.count);
#ifdef HALF
        for (uint e = begin; e < end; e += 2)
            y[e / 2] = half_pair(vec2(decode1(push.first + e),
                                      e + 1 < end ? decode1(push.first + e + 1) : 0.0));
#else
        for (uint e = begin; e < end; e++)
            y[e] = decode1(push.first + e);
#endif
        return;
    }
#endif
    if (SPLIT > 1u) {
        vec4 low, high;
        decode_part(index, part, low, high);
        PUT_FOUR(start + part * 4u, low);
        PUT_FOUR(start + 16u + part * 4u, high);
        return;
    }
    vec4 v[8];
    decode32(index, v);
#ifdef HALF
    for (uint e = 0u; e < 4u; e++)
        y4[start / 8u + e] = uvec4(half_pair(v[2 * e].xy), half_pair(v[2 * e].zw),
                                   half_pair(v[2 * e + 1].xy), half_pair(v[2 * e + 1].zw));
#else
    for (uint e = 0u; e < 8u; e++)
        y4[start / 4u + e] = v[e];
#endif
}
