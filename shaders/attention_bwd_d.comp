// d[i,h] = dot(o[i,h], do[i,h]).  LANES invocations per query row and head, neighbours at neighbouring
// fours; with TEXEL, for CPU drivers, one.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"
#include "lib/vectors.glsl"
#include "push/attention.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
layout(constant_id = 1) const uint HEAD_DIM = 64;
const uint VECS = HEAD_DIM / 4;
#ifdef TEXEL
const uint LANES = 1;
#else
layout(constant_id = 2) const uint LANES = 16;   // a power of two
shared float partial[THREADS];
#endif

VECTORS(0, o);
VECTORS(1, grad_o);
layout(set = 0, binding = 2) writeonly buffer D { float sums[]; };

void main()
{
    uint lane = gl_LocalInvocationID.x, first = GROUP_INDEX * (THREADS / LANES);
    uint i = first + lane / LANES, count = push.rows * push.heads;
    if (first >= count)
        return;
    vec4 products = vec4(0.0);
    if (i < count)
        [[unroll]] for (uint d = lane % LANES; d < VECS; d += LANES)
            products += VECTOR_AT(o, i * VECS + d) * VECTOR_AT(grad_o, i * VECS + d);
    float sum = (products.x + products.y) + (products.z + products.w);
#ifndef TEXEL
    if (LANES > 1) {
        partial[lane] = sum;
        barrier();
        [[unroll]] for (uint half_size = LANES / 2; half_size > 0; half_size /= 2) {
            if (lane % LANES < half_size)
                partial[lane] += partial[lane + half_size];
            barrier();
        }
        sum = partial[lane];
    }
#endif
    if (i < count && lane % LANES == 0)
        sums[i] = sum;
}
