// y[i] = value first + i of a tensor of type TYPE_…, i < count.  One group of 32 values per
// invocation; for plain types any first and count, for blocks multiples of the block.
// HALF: y is f16, two values a word; an odd count is padded with one zero.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/expand.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer Source { uint source[]; };
// The same memory twice: storing sixteen bytes at a time is twice as fast on lavapipe.
#ifdef HALF
layout(set = 0, binding = 1) writeonly buffer Y { uint y[]; };
layout(set = 0, binding = 1) writeonly buffer Y4 { uvec4 y4[]; };
#include "lib/half.glsl"
#else
layout(set = 0, binding = 1) writeonly buffer Y { float y[]; };
layout(set = 0, binding = 1) writeonly buffer Y4 { vec4 y4[]; };
#endif

#define SOURCE(i) source[i]
#include "lib/decode.glsl"

void main()
{
    uint start = (GROUP_INDEX * THREADS + gl_LocalInvocationID.x) * 32u;
    if (start >= push.count)
        return;
    uint index = push.first + start;
#if defined(TYPE_F16) || defined(TYPE_BF16) || defined(TYPE_F32)
    if (start + 32u > push.count || (index & 31u) != 0u) {
        uint end = min(start + 32u, push.count);
#ifdef HALF
        for (uint i = start; i < end; i += 2)
            y[i / 2] = half_pair(vec2(decode1(push.first + i),
                                      i + 1 < end ? decode1(push.first + i + 1) : 0.0));
#else
        for (uint i = start; i < end; i++)
            y[i] = decode1(push.first + i);
#endif
        return;
    }
#endif
    vec4 v[8];
    decode32(index, v);
#ifdef HALF
    for (uint i = 0u; i < 4u; i++)
        y4[start / 8u + i] = uvec4(half_pair(v[2 * i].xy), half_pair(v[2 * i].zw),
                                   half_pair(v[2 * i + 1].xy), half_pair(v[2 * i + 1].zw));
#else
    for (uint i = 0u; i < 8u; i++)
        y4[start / 4u + i] = v[i];
#endif
}
