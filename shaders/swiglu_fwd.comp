// y[i] = silu(gate[i]) * up[i],  silu(g) = g / (1 + exp(-g)).  Four elements per invocation;
// the count may end inside one.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numeric.glsl"
#include "lib/vectors.glsl"
#include "push/swiglu.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

VECTORS(0, gate);
VECTORS(1, up);
layout(set = 0, binding = 2) writeonly buffer Y4 { vec4 y4[]; };
layout(set = 0, binding = 2) writeonly buffer Y { float y[]; };
#ifndef TEXEL
layout(set = 0, binding = 0) readonly buffer Gate { float gate[]; };
layout(set = 0, binding = 1) readonly buffer Up { float up[]; };
#endif

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i < push.count / 4) {
        vec4 g = VECTOR_AT(gate, i);
        y4[i] = g / (1.0 + exp_accurate(-g)) * VECTOR_AT(up, i);
        return;
    }
    if (i == push.count / 4)
        for (uint e = 4 * i; e < push.count; e++)
            y[e] = VALUE_AT(gate, e) / (1.0 + exp_accurate(-VALUE_AT(gate, e))) * VALUE_AT(up, e);
}
