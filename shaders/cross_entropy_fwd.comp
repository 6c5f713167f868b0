// lse[first+r] = ln sum_c exp(logits[r,c]),  loss[first+r] = lse - logits[r, labels[first+r]].
// One group per row of the chunk, one pass: every invocation keeps a running maximum and
// the sum relative to it; any vocabulary.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numeric.glsl"
#include "push/cross_entropy.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer Logits { float logits[]; };
layout(set = 0, binding = 1) readonly buffer Labels { uint labels[]; };
layout(set = 0, binding = 2) writeonly buffer Loss { float loss[]; };
layout(set = 0, binding = 3) writeonly buffer Lse { float lse[]; };

void main()
{
    uint row = GROUP_INDEX;
    if (row >= push.rows)
        return;
    uint lane = gl_LocalInvocationID.x;
    uint base = row * push.vocab;
    float highest = logits[base];
    float sum = 0.0;
    for (uint c = lane; c < push.vocab; c += THREADS) {
        float value = logits[base + c];
        if (value > highest) {
            sum *= exp_accurate(highest - value);
            highest = value;
        }
        sum += exp_accurate(value - highest);
    }
    float row_highest = group_max(highest);
    sum = group_sum(sum * exp_accurate(highest - row_highest));
    if (lane == 0) {
        float value = row_highest + log_accurate(sum);
        lse[push.first + row] = value;
        // the small term last: the loss keeps its digits where the logits are large
        loss[push.first + row] = (row_highest - logits[base + labels[push.first + row]])
                               + log_accurate(sum);
    }
}
