// y[r,c] = exp(x[r,c] - max_c x) / sum_c exp(x[r,c] - max_c x).  One group per row.
#version 450
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "lib/common.glsl"
#include "lib/numeric.glsl"
#include "push/softmax.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 1) writeonly buffer Y { float y[]; };

void main()
{
    uint row = GROUP_INDEX;
    if (row >= push.rows)
        return;
    uint lane = gl_LocalInvocationID.x;
    uint base = row * push.cols;
    float highest = x[base];
    for (uint c = lane; c < push.cols; c += THREADS)
        highest = max(highest, x[base + c]);
    highest = group_max(highest);
    float sum = 0.0;
    for (uint c = lane; c < push.cols; c += THREADS)
        sum += exp_accurate(x[base + c] - highest);
    float scale = 1.0 / group_sum(sum);
    for (uint c = lane; c < push.cols; c += THREADS)
        y[base + c] = exp_accurate(x[base + c] - highest) * scale;
}
