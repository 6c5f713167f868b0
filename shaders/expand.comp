// y[i] = value first + i of a tensor of type TYPE_…, i < count.  One group of 32 values per
// invocation; for plain types any first and count, for blocks multiples of the block.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/expand.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer Source { uint source[]; };
layout(set = 0, binding = 1) writeonly buffer Y { float y[]; };
// The same memory: storing four at a time is twice as fast on lavapipe.
layout(set = 0, binding = 1) writeonly buffer Y4 { vec4 y4[]; };

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
        for (uint i = start; i < min(start + 32u, push.count); i++)
            y[i] = decode1(push.first + i);
        return;
    }
#endif
    vec4 v[8];
    decode32(index, v);
    for (uint i = 0u; i < 8u; i++)
        y4[start / 4u + i] = v[i];
}
