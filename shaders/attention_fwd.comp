// Query row i of head h sees the key rows j of [span[i].begin, span[i].end):
// s_j = scale * dot(q[i,h], k[j,g]),  lse[i,h] = ln sum_j exp(s_j),
// o[i,h] = sum_j exp(s_j - lse) v[j,g],  g = h / (heads / kv_heads).
// An empty span gives o = 0, lse = 0.  Invocations per query row, head and slice of the head;
// a running maximum instead of a row of scores (Milakov and Gimelshein, 2018).
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
layout(set = 0, binding = 4) writeonly buffer O { vec4 o[]; };
layout(set = 0, binding = 5) writeonly buffer Lse { float lse[]; };

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.rows * push.heads * SLICES)
        return;
    uint row = i % push.rows;          // neighbours read the same keys
    uint head = i / push.rows % push.heads;
    uint first = i / push.rows / push.heads * SLICE;
    uint group = head / (push.heads / push.kv_heads);
    uint base = (row * push.heads + head) * VECS;
    vec4 result[SLICE];
    [[unroll]] for (uint d = 0; d < SLICE; d++)
        result[d] = vec4(0.0);
    uvec2 seen = span[row];
    float highest = -1e30, sum = 0.0;
    for (uint j = seen.x; j < seen.y; j++) {
        uint at = (j * push.kv_heads + group) * VECS;
        vec4 products = vec4(0.0);
        [[unroll]] for (uint d = 0; d < VECS; d++)
            products += q[base + d] * k[at + d];
        float score = push.scale * ((products.x + products.y) + (products.z + products.w));
        float above = max(highest, score);
        float keep = exp_accurate(highest - above);
        float weight = exp_accurate(score - above);
        highest = above;
        sum = sum * keep + weight;
        [[unroll]] for (uint d = 0; d < SLICE; d++)
            result[d] = result[d] * keep + weight * v[at + min(first + d, VECS - 1)];
    }
    float norm = sum > 0.0 ? 1.0 / sum : 0.0;
    [[unroll]] for (uint d = 0; d < SLICE; d++)
        if (first + d < VECS)
            o[base + first + d] = result[d] * norm;
    if (first == 0)
        lse[row * push.heads + head] = sum > 0.0 ? highest + log_accurate(sum) : 0.0;
}
