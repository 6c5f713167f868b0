// rmsnorm_fwd, with ADD and HALF as there, for columns that are a multiple of 4.  One group per
// row; f32 sums.
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

#ifdef ADD
VECTORS(0, a);
VECTORS(1, b);
VECTORS(2, w);
layout(set = 0, binding = 3) writeonly buffer X { vec4 x[]; };
layout(set = 0, binding = 4) writeonly buffer Y { vec4 y[]; };
layout(set = 0, binding = 5) writeonly buffer Rstd { float rstd[]; };
#define X_AT(i) (VECTOR_AT(a, i) + VECTOR_AT(b, i))
#else
VECTORS(0, x);
VECTORS(1, w);
layout(set = 0, binding = 2) writeonly buffer Y { vec4 y[]; };
layout(set = 0, binding = 3) writeonly buffer Rstd { float rstd[]; };
#define X_AT(i) VECTOR_AT(x, i)
#endif
#ifdef HALF
#define HALF_WORDS uvec2
#include "lib/half_rows.glsl"
#endif

void main()
{
    uint row = GROUP_INDEX;
    if (row >= push.rows)
        return;
    uint lane = gl_LocalInvocationID.x;
    uint vectors = push.cols / 4;
    uint base = row * vectors;
    // precise: with and without ADD the same bits
    precise vec4 squares = vec4(0.0);
    for (uint i = lane; i < vectors; i += THREADS) {
        precise vec4 value = X_AT(base + i);
        squares += value * value;
#ifdef ADD
        x[base + i] = value;
#endif
    }
    float sum = group_sum((squares.x + squares.y) + (squares.z + squares.w));
    precise float scale = 1.0 / sqrt(sum / float(push.cols) + push.eps);
#ifdef HALF
    uint exponent = 0;
#endif
    for (uint i = lane; i < vectors; i += THREADS) {
        precise vec4 value = X_AT(base + i);
        precise vec4 normed = value * scale * VECTOR_AT(w, i);
#ifdef HALF
        exponent = max(max(exponent, max(exponent_of(normed.x), exponent_of(normed.y))),
                       max(exponent_of(normed.z), exponent_of(normed.w)));
        if (push.keep != 0u)
#endif
        y[base + i] = normed;
    }
    if (lane == 0)
        rstd[row] = scale;
#ifdef HALF
    float factor = half_factor(row, exponent);
    for (uint i = lane; i < vectors; i += THREADS) {
        precise vec4 value = X_AT(base + i);
        precise vec4 normed = value * scale * VECTOR_AT(w, i) * factor;
        half_y[base + i] = uvec2(half_pair(normed.xy), half_pair(normed.zw));
    }
#endif
}
