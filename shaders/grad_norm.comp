// out[t] = sum of grad[i]^2 over i = offset[t] … offset[t] + count[t] - 1; the table holds
// (offset, count) of every tensor.  One group per tensor, fixed order; 32 terms at a time,
// so that the rounding of long sums stays small.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/grad_norm.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer Grad { float grad[]; };
layout(set = 0, binding = 1) readonly buffer Table { uint table[]; };
layout(set = 0, binding = 2) writeonly buffer Out { float squares[]; };

void main()
{
    uint tensor = GROUP_INDEX;
    if (tensor >= push.tensors)
        return;
    uint lane = gl_LocalInvocationID.x;
    uint first = table[2 * tensor];
    uint end = first + table[2 * tensor + 1];
    float sum = 0.0;
    for (uint block = first + lane; block < end; block += 32 * THREADS) {
        float part = 0.0;
        uint block_end = min(block + 32 * THREADS, end);
        for (uint i = block; i < block_end; i += THREADS)
            part += grad[i] * grad[i];
        sum += part;
    }
    sum = group_sum(sum);
    if (lane == 0)
        squares[tensor] = sum;
}
