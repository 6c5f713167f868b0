// d[i,h] = dot(o[i,h], do[i,h]).  One invocation per query row and head.
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

VECTORS(0, o);
VECTORS(1, grad_o);
layout(set = 0, binding = 2) writeonly buffer D { float sums[]; };

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.rows * push.heads)
        return;
    vec4 products = vec4(0.0);
    [[unroll]] for (uint d = 0; d < VECS; d++)
        products += VECTOR_AT(o, i * VECS + d) * VECTOR_AT(grad_o, i * VECS + d);
    sums[i] = (products.x + products.y) + (products.z + products.w);
}
