// attention_fwd for few query rows (decoding) on GPUs: one group per query row and head, which
// walks the row's keys THREADS at a time: first an invocation per key, for the scores, then
// one per value of the head, for the sums. Any head that is a multiple of 4.
#version 450
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"
#include "lib/numeric.glsl"
#include "push/attention.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
layout(constant_id = 1) const uint HEAD_DIM = 64;
#define SUBGROUP_CONSTANT 2
#include "lib/reduce.glsl"
const uint VECS = HEAD_DIM / 4;
const uint SLICES = (HEAD_DIM + THREADS - 1) / THREADS;

layout(set = 0, binding = 0) readonly buffer Q { vec4 q[]; };
layout(set = 0, binding = 1) readonly buffer K { vec4 k[]; };
layout(set = 0, binding = 2) readonly buffer V { float v[]; };
layout(set = 0, binding = 3) readonly buffer Span { uvec2 span[]; };
layout(set = 0, binding = 4) writeonly buffer O { float o[]; };
layout(set = 0, binding = 5) writeonly buffer Lse { float lse[]; };

shared vec4 query[VECS];
shared float weights[THREADS];

void main()
{
    if (GROUP_INDEX >= push.rows * push.heads)
        return;
    uint lane = gl_LocalInvocationID.x;
    uint row = GROUP_INDEX / push.heads, head = GROUP_INDEX % push.heads;
    uint group = head / (push.heads / push.kv_heads);
    for (uint d = lane; d < VECS; d += THREADS)
        query[d] = push.scale * q[GROUP_INDEX * VECS + d];
    barrier();

    uvec2 seen = span[row];
    float highest = -1e30, sum = 0.0, result[SLICES];
    [[unroll]] for (uint s = 0; s < SLICES; s++)
        result[s] = 0.0;
    for (uint j = seen.x; j < seen.y; j += THREADS) {
        uint count = min(THREADS, seen.y - j);
        float score = -2e30;
        if (lane < count) {
            uint at = ((j + lane) * push.kv_heads + group) * VECS;
            vec4 products = vec4(0.0);
            [[unroll]] for (uint d = 0; d < VECS; d++)
                products += query[d] * k[at + d];
            score = (products.x + products.y) + (products.z + products.w);
        }
        float above = max(highest, group_max(score));
        float keep = exp_accurate(highest - above);
        float weight = exp_accurate(score - above);
        highest = above;
        sum = sum * keep + weight;
        weights[lane] = weight;
        barrier();
        [[unroll]] for (uint s = 0; s < SLICES; s++) {
            uint at = (j * push.kv_heads + group) * HEAD_DIM
                    + min(s * THREADS + lane, HEAD_DIM - 1);
            float part = 0.0;
            for (uint c = 0; c < count; c++)
                part += weights[c] * v[at + c * push.kv_heads * HEAD_DIM];
            result[s] = result[s] * keep + part;
        }
        barrier();
    }
    sum = group_sum(sum);
    float norm = sum > 0.0 ? 1.0 / sum : 0.0;
    [[unroll]] for (uint s = 0; s < SLICES; s++)
        if (s * THREADS + lane < HEAD_DIM)
            o[GROUP_INDEX * HEAD_DIM + s * THREADS + lane] = result[s] * norm;
    if (lane == 0)
        lse[GROUP_INDEX] = sum > 0.0 ? highest + log_accurate(sum) : 0.0;
}
