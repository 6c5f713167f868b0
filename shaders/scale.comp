// y[i] = factor * x[i], added to y when accumulate is set.  Four elements per invocation.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/scale.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 0) readonly buffer X4 { vec4 x4[]; };
layout(set = 0, binding = 1) buffer Y { float y[]; };
layout(set = 0, binding = 1) buffer Y4 { vec4 y4[]; };

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i < push.count / 4) {
        vec4 value = push.factor * x4[i];
        if (push.accumulate != 0)
            value += y4[i];
        y4[i] = value;
    } else if (i == push.count / 4) {
        for (uint e = 4 * i; e < push.count; e++)
            y[e] = push.factor * x[e] + (push.accumulate != 0 ? y[e] : 0.0);
    }
}
