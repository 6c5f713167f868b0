// y[i] = a[i] + b[i], added to y when accumulate is set.  Four elements per invocation;
// the count may end inside one.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/vectors.glsl"
#include "push/add.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

VECTORS(0, a);
VECTORS(1, b);
layout(set = 0, binding = 2) buffer Y4 { vec4 y4[]; };
layout(set = 0, binding = 2) buffer Y { float y[]; };
#ifndef TEXEL
layout(set = 0, binding = 0) readonly buffer A { float a[]; };
layout(set = 0, binding = 1) readonly buffer B { float b[]; };
#endif

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i < push.count / 4) {
        vec4 sum = VECTOR_AT(a, i) + VECTOR_AT(b, i);
        if (push.accumulate != 0)
            sum += y4[i];
        y4[i] = sum;
        return;
    }
    if (i == push.count / 4)
        for (uint e = 4 * i; e < push.count; e++)
            y[e] = VALUE_AT(a, e) + VALUE_AT(b, e) + (push.accumulate != 0 ? y[e] : 0.0);
}
