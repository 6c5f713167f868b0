// dw[c] += sum_r dy[r,c] * x[r,c] * rstd[r].  One invocation per column; rows are summed in
// blocks of 32, so that the rounding of a sum grows with the number of blocks only.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/rmsnorm.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 1) readonly buffer Rstd { float rstd[]; };
layout(set = 0, binding = 2) readonly buffer Dy { float dy[]; };
layout(set = 0, binding = 3) buffer Dw { float dw[]; };

void main()
{
    uint c = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (c >= push.cols)
        return;
    float sum = 0.0;
    for (uint block = 0; block < push.rows; block += 32) {
        float part = 0.0;
        uint end = min(block + 32, push.rows);
        for (uint r = block; r < end; r++)
            part += dy[r * push.cols + c] * x[r * push.cols + c] * rstd[r];
        sum += part;
    }
    dw[c] += sum;
}
