// With p_j = exp(scale * dot(q, k_j) - lse) over the span of query row i and head h:
// dq[i,h] = scale * sum_j p_j * (dot(do, v_j) - d) * k_j,  added to dq when accumulate is set.
// Invocations per query row, head and slice of the head.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"
#include "lib/numeric.glsl"
#include "push/attention.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
layout(constant_id = 1) const uint HEAD_DIM = 64;
const uint VECS = HEAD_DIM / 4;
// Invocations that share a row: each makes all its scores, and sums up a slice of the head.
// A whole head in registers spilled on every card from 64 (keys) or 128 on.
const uint SLICES = (VECS + 15) / 16;
const uint SLICE = (VECS + SLICES - 1) / SLICES;

layout(set = 0, binding = 0) readonly buffer Q { vec4 q[]; };
layout(set = 0, binding = 1) readonly buffer K { vec4 k[]; };
layout(set = 0, binding = 2) readonly buffer V { vec4 v[]; };
layout(set = 0, binding = 3) readonly buffer Span { uvec2 span[]; };
layout(set = 0, binding = 4) readonly buffer Do { vec4 grad_o[]; };
layout(set = 0, binding = 5) readonly buffer Lse { float lse[]; };
layout(set = 0, binding = 6) readonly buffer D { float sums[]; };
layout(set = 0, binding = 7) buffer Dq { vec4 grad_q[]; };

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.rows * push.heads * SLICES)
        return;
    uint row = i % push.rows;          // neighbours read the same keys
    uint head = i / push.rows % push.heads;
    uint first = i / push.rows / push.heads * SLICE;
    uint group = head / (push.heads / push.kv_heads);
    uint at_row = row * push.heads + head;
    vec4 result[SLICE];
    [[unroll]] for (uint d = 0; d < SLICE; d++)
        result[d] = vec4(0.0);
    uvec2 seen = span[row];
    for (uint j = seen.x; j < seen.y; j++) {
        uint at = (j * push.kv_heads + group) * VECS;
        vec4 scores = vec4(0.0), changes = vec4(0.0);
        [[unroll]] for (uint d = 0; d < VECS; d++) {
            scores += q[at_row * VECS + d] * k[at + d];
            changes += grad_o[at_row * VECS + d] * v[at + d];
        }
        float score = push.scale * ((scores.x + scores.y) + (scores.z + scores.w));
        float change = (changes.x + changes.y) + (changes.z + changes.w);
        float weight = exp_accurate(score - lse[at_row]) * (change - sums[at_row]) * push.scale;
        [[unroll]] for (uint d = 0; d < SLICE; d++)
            result[d] += weight * k[at + min(first + d, VECS - 1)];
    }
    [[unroll]] for (uint d = 0; d < SLICE; d++) {
        if (first + d >= VECS)
            break;
        if (push.accumulate != 0)
            result[d] += grad_q[at_row * VECS + first + d];
        grad_q[at_row * VECS + first + d] = result[d];
    }
}
