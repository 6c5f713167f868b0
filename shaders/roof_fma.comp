// y[i] = sum_j of 16 values that start as x[i] + j and become fma(value, 0.9375, 0.25) eight
// times in each of `rounds`: nothing but arithmetic in registers, the most that a device can
// compute in f32. Eight, because CPU drivers pay for what a loop carries round by round.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/roof_fma.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 1) writeonly buffer Y { float y[]; };

#define STEP                                                         \
    a = fma(a, factor, offset), b = fma(b, factor, offset),          \
    c = fma(c, factor, offset), d = fma(d, factor, offset)

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.count)
        return;
    const vec4 factor = vec4(0.9375), offset = vec4(0.25);
    vec4 a = x[i] + vec4(0, 1, 2, 3), b = a + 4.0, c = a + 8.0, d = a + 12.0;
    for (uint round = 0; round < push.rounds; round++) {
        STEP; STEP; STEP; STEP; STEP; STEP; STEP; STEP;
    }
    vec4 sum = a + b + c + d;
    y[i] = sum.x + sum.y + sum.z + sum.w;
}
