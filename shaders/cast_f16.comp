// y[i] = x[i] rounded to f16, two values a word; an odd count is padded with one zero.
// Four elements per invocation.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/copy.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 0) readonly buffer X4 { vec4 x4[]; };
layout(set = 0, binding = 1) writeonly buffer Y { uint y[]; };
layout(set = 0, binding = 1) writeonly buffer Y2 { uvec2 y2[]; };

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i < push.count / 4) {
        vec4 value = x4[i];
        y2[i] = uvec2(packHalf2x16(value.xy), packHalf2x16(value.zw));
    } else if (i == push.count / 4) {
        for (uint e = 4 * i; e < push.count; e += 2)
            y[e / 2] = packHalf2x16(vec2(x[e], e + 1 < push.count ? x[e + 1] : 0.0));
    }
}
