// Key row j of kv head g is seen by the query rows i of [j, last[j]) of the heads of g; with
// p = exp(scale * dot(q[i,h], k[j,g]) - lse[i,h]):
// dv[j,g] = sum_{h,i} p * do[i,h],
// dk[j,g] = scale * sum_{h,i} p * (dot(do[i,h], v[j,g]) - d[i,h]) * q[i,h],
// both added to dk, dv when accumulate is set.  Invocations per key row, kv head and slice of
// the head, which walk the heads, then the rows, in rising order.
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
const uint SLICES = (VECS + 7) / 8;
const uint SLICE = (VECS + SLICES - 1) / SLICES;

layout(set = 0, binding = 0) readonly buffer Q { vec4 q[]; };
layout(set = 0, binding = 1) readonly buffer K { vec4 k[]; };
layout(set = 0, binding = 2) readonly buffer V { vec4 v[]; };
layout(set = 0, binding = 3) readonly buffer Span { uvec2 span[]; };
layout(set = 0, binding = 4) readonly buffer Last { uint last[]; };
layout(set = 0, binding = 5) readonly buffer Do { vec4 grad_o[]; };
layout(set = 0, binding = 6) readonly buffer Lse { float lse[]; };
layout(set = 0, binding = 7) readonly buffer D { float sums[]; };
layout(set = 0, binding = 8) buffer Dk { vec4 grad_k[]; };
layout(set = 0, binding = 9) buffer Dv { vec4 grad_v[]; };

void main()
{
    uint index = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (index >= push.rows * push.kv_heads * SLICES)
        return;
    uint j = index % push.rows;
    uint group = index / push.rows % push.kv_heads;
    uint first = index / push.rows / push.kv_heads * SLICE;
    uint per_group = push.heads / push.kv_heads;
    uint base = (j * push.kv_heads + group) * VECS;
    vec4 of_key[SLICE], of_value[SLICE];
    [[unroll]] for (uint d = 0; d < SLICE; d++)
        of_key[d] = of_value[d] = vec4(0.0);
    const uint end = last[j];
    for (uint head = group * per_group; head < (group + 1) * per_group; head++)
        for (uint i = j; i < end; i++) {
            uint at_row = i * push.heads + head;
            uint at = at_row * VECS;
            vec4 scores = vec4(0.0), changes = vec4(0.0);
            [[unroll]] for (uint d = 0; d < VECS; d++) {
                scores += k[base + d] * q[at + d];
                changes += v[base + d] * grad_o[at + d];
            }
            float score = push.scale * ((scores.x + scores.y) + (scores.z + scores.w));
            float change = (changes.x + changes.y) + (changes.z + changes.w);
            float weight = exp_accurate(score - lse[at_row]);
            float of_score = weight * (change - sums[at_row]) * push.scale;
            [[unroll]] for (uint d = 0; d < SLICE; d++) {
                of_value[d] += weight * grad_o[at + min(first + d, VECS - 1)];
                of_key[d] += of_score * q[at + min(first + d, VECS - 1)];
            }
        }
    [[unroll]] for (uint d = 0; d < SLICE; d++) {
        if (first + d >= VECS)
            break;
        if (push.accumulate != 0) {
            of_key[d] += grad_k[base + first + d];
            of_value[d] += grad_v[base + first + d];
        }
        grad_k[base + first + d] = of_key[d];
        grad_v[base + first + d] = of_value[d];
    }
}
