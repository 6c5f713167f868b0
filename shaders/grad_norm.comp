// out[t] = sum of grad[i]^2 over i = offset[t] … offset[t] + count[t] - 1; the table holds
// (offset, count) of every tensor.  One group per tensor, four values an invocation at a time,
// fixed order; 32 terms are summed before they join the sum, so that the rounding of long sums
// stays small.
#version 450
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "lib/common.glsl"
#include "push/grad_norm.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 256;
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer Grad { float grad[]; };
layout(set = 0, binding = 0) readonly buffer Grad4 { vec4 grad4[]; };
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
    // whole vec4 lie in [first4, end4); up to three values before and after them remain
    uint first4 = (first + 3) / 4, end4 = max(end / 4, first4);
    float sum = 0.0;
    for (uint block = first4 + lane; block < end4; block += 32 * THREADS) {
        vec4 part = vec4(0.0);
        uint block_end = min(block + 32 * THREADS, end4);
        for (uint i = block; i < block_end; i += THREADS)
            part += grad4[i] * grad4[i];
        sum += (part.x + part.y) + (part.z + part.w);
    }
    uint before = first + lane, after = 4 * end4 + lane;
    if (before < min(4 * first4, end))
        sum += grad[before] * grad[before];
    if (after < end)
        sum += grad[after] * grad[after];
    sum = group_sum(sum);
    if (lane == 0)
        squares[tensor] = sum;
}
