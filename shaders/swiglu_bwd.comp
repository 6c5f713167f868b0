// With s = 1 / (1 + exp(-gate)):  dup = dy * gate * s,
// dgate = dy * up * s * (1 + gate * (1 - s)); both added when accumulate is set.
// Four elements per invocation; the count may end inside one.
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
VECTORS(2, dy);
layout(set = 0, binding = 3) buffer Dgate4 { vec4 dgate4[]; };
layout(set = 0, binding = 4) buffer Dup4 { vec4 dup4[]; };
layout(set = 0, binding = 3) buffer Dgate { float dgate[]; };
layout(set = 0, binding = 4) buffer Dup { float dup[]; };
#ifndef TEXEL
layout(set = 0, binding = 0) readonly buffer Gate { float gate[]; };
layout(set = 0, binding = 1) readonly buffer Up { float up[]; };
layout(set = 0, binding = 2) readonly buffer Dy { float dy[]; };
#endif

void derivatives(vec4 g, vec4 u, vec4 d, out vec4 of_gate, out vec4 of_up)
{
    vec4 s = 1.0 / (1.0 + exp_accurate(-g));
    of_gate = d * u * s * (1.0 + g * (1.0 - s));
    of_up = d * g * s;
}

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    vec4 of_gate, of_up;
    if (i < push.count / 4) {
        derivatives(VECTOR_AT(gate, i), VECTOR_AT(up, i), VECTOR_AT(dy, i), of_gate, of_up);
        if (push.accumulate != 0) {
            of_gate += dgate4[i];
            of_up += dup4[i];
        }
        dgate4[i] = of_gate;
        dup4[i] = of_up;
        return;
    }
    if (i == push.count / 4)
        for (uint e = 4 * i; e < push.count; e++) {
            derivatives(vec4(VALUE_AT(gate, e)), vec4(VALUE_AT(up, e)), vec4(VALUE_AT(dy, e)),
                        of_gate, of_up);
            dgate[e] = of_gate.x + (push.accumulate != 0 ? dgate[e] : 0.0);
            dup[e] = of_up.x + (push.accumulate != 0 ? dup[e] : 0.0);
        }
}
