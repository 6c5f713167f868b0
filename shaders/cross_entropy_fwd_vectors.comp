// cross_entropy_fwd for vocabularies that are a multiple of 4.  One group per row of the
// chunk, one pass with a running maximum.
#version 450
#extension GL_GOOGLE_include_directive : require
#if defined ONE_SUBGROUP || defined SUBGROUPS
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "lib/common.glsl"
#include "lib/vectors.glsl"
#include "lib/numeric.glsl"
#include "push/cross_entropy.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
#include "lib/reduce.glsl"

VECTORS(0, logits);
layout(set = 0, binding = 1) readonly buffer Labels { uint labels[]; };
layout(set = 0, binding = 2) writeonly buffer Loss { float loss[]; };
layout(set = 0, binding = 3) writeonly buffer Lse { float lse[]; };

void main()
{
    uint row = GROUP_INDEX;
    if (row >= push.rows)
        return;
    uint lane = gl_LocalInvocationID.x;
    uint vectors = push.vocab / 4;
    uint base = row * vectors;
    float highest = VECTOR_AT(logits, base).x;
    vec4 sums = vec4(0.0);
    for (uint i = lane; i < vectors; i += THREADS) {
        vec4 value = VECTOR_AT(logits, base + i);
        float above = max(max(highest, max(value.x, value.y)), max(value.z, value.w));
        sums = sums * exp_accurate(highest - above) + exp_accurate(value - above);
        highest = above;
    }
    float row_highest = group_max(highest);
    float sum = (sums.x + sums.y) + (sums.z + sums.w);
    sum = group_sum(sum * exp_accurate(highest - row_highest));
    if (lane == 0) {
        uint label = labels[push.first + row];
        lse[push.first + row] = row_highest + log_accurate(sum);
        // the small term last: the loss keeps its digits where the logits are large
        loss[push.first + row] = (row_highest - VECTOR_AT(logits, base + label / 4)[label % 4])
                               + log_accurate(sum);
    }
}
