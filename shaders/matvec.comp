// y[r, first_row + j] = sum_k x[r,k] * w[j,k] (+ y), r < rows <= 16: a few vectors through a
// stored matrix (type TYPE_…) without expanding it; its last rows may have outputs of their own.  One
// invocation per row of w; k a multiple of the type's block; f32 sums.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/matvec.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
layout(constant_id = 1) const uint ROWS = 16;   // vectors, at least push.rows

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 1) readonly buffer W { uint w[]; };
#include "lib/matvec_output.glsl"

#define SOURCE(i) w[i]
#include "lib/decode.glsl"

void main()
{
    uint j = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (j >= push.n)
        return;
    float sum[ROWS];
    for (uint r = 0u; r < ROWS; r++)
        sum[r] = 0.0;
    // Groups of 32 values may straddle rows of a plain type when k is no multiple of 32.
    uint whole = push.k % 32u == 0u ? push.k : 0u;
    for (uint s = 0u; s < whole; s += 32u) {
        vec4 v[8];
        decode32(j * push.k + s, v);
        for (uint r = 0u; r < ROWS; r++) {
            uint at = min(r, push.rows - 1u) * push.x_stride + s;
            for (uint i = 0u; i < 8u; i++)
                sum[r] += dot(v[i], vec4(x[at + i * 4u], x[at + i * 4u + 1u],
                                         x[at + i * 4u + 2u], x[at + i * 4u + 3u]));
        }
    }
    for (uint s = whole; s < push.k; s++)
        for (uint r = 0u; r < ROWS; r++)
            sum[r] += x[min(r, push.rows - 1u) * push.x_stride + s] * decode1(j * push.k + s);
    for (uint r = 0u; r < min(ROWS, push.rows); r++)
        put(r, j, sum[r]);
}
