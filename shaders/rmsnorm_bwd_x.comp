// dx[r,c] = rstd[r] * (w[c] * dy[r,c] - x[r,c] * rstd[r]^2 / cols * sum_c(x * w * dy)),
// added to dx when accumulate is set.  One group per row; any number of columns; f32 sums.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/rmsnorm.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 1) readonly buffer W { float w[]; };
layout(set = 0, binding = 2) readonly buffer Rstd { float rstd[]; };
layout(set = 0, binding = 3) readonly buffer Dy { float dy[]; };
layout(set = 0, binding = 4) buffer Dx { float dx[]; };

void main()
{
    uint row = GROUP_INDEX;
    if (row >= push.rows)
        return;
    uint lane = gl_LocalInvocationID.x;
    uint base = row * push.cols;
    float sum = 0.0;
    for (uint c = lane; c < push.cols; c += THREADS)
        sum += x[base + c] * w[c] * dy[base + c];
    float scale = rstd[row];
    float common_part = group_sum(sum) * scale * scale / float(push.cols);
    for (uint c = lane; c < push.cols; c += THREADS) {
        float value = scale * (w[c] * dy[base + c] - x[base + c] * common_part);
        if (push.accumulate != 0)
            value += dx[base + c];
        dx[base + c] = value;
    }
}
