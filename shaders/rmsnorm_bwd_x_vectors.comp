// rmsnorm_bwd_x for columns that are a multiple of 4.  One group per row; f32 sums.
#version 450
#extension GL_GOOGLE_include_directive : require
#if defined ONE_SUBGROUP || defined SUBGROUPS
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "lib/common.glsl"
#include "lib/vectors.glsl"
#include "push/rmsnorm.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
#include "lib/reduce.glsl"

VECTORS(0, x);
VECTORS(1, w);
layout(set = 0, binding = 2) readonly buffer Rstd { float rstd[]; };
VECTORS(3, dy);
layout(set = 0, binding = 4) buffer Dx { vec4 dx[]; };

void main()
{
    uint row = GROUP_INDEX;
    if (row >= push.rows)
        return;
    uint lane = gl_LocalInvocationID.x;
    uint vectors = push.cols / 4;
    uint base = row * vectors;
    vec4 products = vec4(0.0);
    for (uint i = lane; i < vectors; i += THREADS)
        products += VECTOR_AT(x, base + i) * VECTOR_AT(w, i) * VECTOR_AT(dy, base + i);
    float sum = group_sum((products.x + products.y) + (products.z + products.w));
    float scale = rstd[row];
    float common_part = sum * scale * scale / float(push.cols);
    for (uint i = lane; i < vectors; i += THREADS) {
        vec4 value = scale * (VECTOR_AT(w, i) * VECTOR_AT(dy, base + i)
                              - VECTOR_AT(x, base + i) * common_part);
        if (push.accumulate != 0)
            value += dx[base + i];
        dx[base + i] = value;
    }
}
