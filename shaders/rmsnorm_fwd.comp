// y[r,c] = x[r,c] * rstd[r] * w[c],  rstd[r] = 1 / sqrt(mean_c(x[r,c]^2) + eps).
// One group per row; any number of columns; f32 sums.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/rmsnorm.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 1) readonly buffer W { float w[]; };
layout(set = 0, binding = 2) writeonly buffer Y { float y[]; };
layout(set = 0, binding = 3) writeonly buffer Rstd { float rstd[]; };

shared float partial[THREADS];

void main()
{
    uint row = GROUP_INDEX;
    if (row >= push.rows)
        return;
    uint lane = gl_LocalInvocationID.x;
    uint base = row * push.cols;
    float sum = 0.0;
    for (uint c = lane; c < push.cols; c += THREADS)
        sum += x[base + c] * x[base + c];
    partial[lane] = sum;
    barrier();
    for (uint half_size = THREADS / 2; half_size > 0; half_size /= 2) {
        if (lane < half_size)
            partial[lane] += partial[lane + half_size];
        barrier();
    }
    float scale = inversesqrt(partial[0] / float(push.cols) + push.eps);
    for (uint c = lane; c < push.cols; c += THREADS)
        y[base + c] = x[base + c] * scale * w[c];
    if (lane == 0)
        rstd[row] = scale;
}
