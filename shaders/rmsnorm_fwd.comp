// y[r,c] = x[r,c] * rstd[r] * w[c],  rstd[r] = 1 / sqrt(mean_c(x[r,c]^2) + eps).
// With ADD x = a + b is computed and written first. With HALF y is also written as cast_half_rows
// writes it, the same bits, and as f32 only with push.keep.
// One group per row; any number of columns; f32 sums.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/rmsnorm.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

#ifdef ADD
layout(set = 0, binding = 0) readonly buffer A { float a[]; };
layout(set = 0, binding = 1) readonly buffer B { float b[]; };
layout(set = 0, binding = 2) readonly buffer W { float w[]; };
layout(set = 0, binding = 3) writeonly buffer X { float x[]; };
layout(set = 0, binding = 4) writeonly buffer Y { float y[]; };
layout(set = 0, binding = 5) writeonly buffer Rstd { float rstd[]; };
#define X_AT(i) (a[i] + b[i])
#else
layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 1) readonly buffer W { float w[]; };
layout(set = 0, binding = 2) writeonly buffer Y { float y[]; };
layout(set = 0, binding = 3) writeonly buffer Rstd { float rstd[]; };
#define X_AT(i) x[i]
#endif
#ifdef HALF
#include "lib/half_rows.glsl"
#endif

shared float partial[THREADS];

void main()
{
    uint row = GROUP_INDEX;
    if (row >= push.rows)
        return;
    uint lane = gl_LocalInvocationID.x;
    uint base = row * push.cols;
    precise float sum = 0.0;   // with and without ADD the same bits
    for (uint c = lane; c < push.cols; c += THREADS) {
        precise float value = X_AT(base + c);
        sum += value * value;
#ifdef ADD
        x[base + c] = value;
#endif
    }
    partial[lane] = sum;
    barrier();
    for (uint half_size = THREADS / 2; half_size > 0; half_size /= 2) {
        if (lane < half_size)
            partial[lane] += partial[lane + half_size];
        barrier();
    }
    precise float scale = inversesqrt(partial[0] / float(push.cols) + push.eps);
#ifdef HALF
#define Y_AT(c) (X_AT(base + (c)) * scale * w[c])
    uint exponent = 0;
#endif
    for (uint c = lane; c < push.cols; c += THREADS) {
        precise float value = X_AT(base + c);
        precise float normed = value * scale * w[c];
#ifdef HALF
        exponent = max(exponent, exponent_of(normed));
        if (push.keep != 0u)
#endif
        y[base + c] = normed;
    }
    if (lane == 0)
        rstd[row] = scale;
#ifdef HALF
    float factor = half_factor(row, exponent);
    uint words = (push.cols + 1u) / 2u;
    for (uint i = lane; i < words; i += THREADS) {
        precise vec2 pair = vec2(Y_AT(2 * i), 0.0);
        if (2 * i + 1 < push.cols)
            pair.y = Y_AT(2 * i + 1);
        half_y[row * words + i] = half_pair(pair * factor);
    }
#endif
}
