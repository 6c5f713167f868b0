// dx[r,c] = y[r,c] * (dy[r,c] - sum_c(y * dy)), added to dx when accumulate is set.
// One group per row.
#version 450
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "lib/common.glsl"
#include "push/softmax.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer Y { float y[]; };
layout(set = 0, binding = 1) readonly buffer Dy { float dy[]; };
layout(set = 0, binding = 2) buffer Dx { float dx[]; };

void main()
{
    uint row = GROUP_INDEX;
    if (row >= push.rows)
        return;
    uint lane = gl_LocalInvocationID.x;
    uint base = row * push.cols;
    float sum = 0.0;
    for (uint c = lane; c < push.cols; c += THREADS)
        sum += y[base + c] * dy[base + c];
    sum = group_sum(sum);
    for (uint c = lane; c < push.cols; c += THREADS) {
        float value = y[base + c] * (dy[base + c] - sum);
        if (push.accumulate != 0)
            value += dx[base + c];
        dx[base + c] = value;
    }
}
