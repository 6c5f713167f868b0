// y[i] = a[i] + b[i], added to y when accumulate is set.  Four elements per invocation.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/add.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer A { float a[]; };
layout(set = 0, binding = 0) readonly buffer A4 { vec4 a4[]; };
layout(set = 0, binding = 1) readonly buffer B { float b[]; };
layout(set = 0, binding = 1) readonly buffer B4 { vec4 b4[]; };
layout(set = 0, binding = 2) buffer Y { float y[]; };
layout(set = 0, binding = 2) buffer Y4 { vec4 y4[]; };

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i < push.count / 4) {
        vec4 sum = a4[i] + b4[i];
        if (push.accumulate != 0)
            sum += y4[i];
        y4[i] = sum;
    } else if (i == push.count / 4) {
        for (uint e = 4 * i; e < push.count; e++)
            y[e] = a[e] + b[e] + (push.accumulate != 0 ? y[e] : 0.0);
    }
}
