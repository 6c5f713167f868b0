// attention_fwd for few query rows (decoding) on GPUs: one group per query row and head walks the
// row's keys THREADS at a time. LANES neighbours read a key, or a value row, side by side, so that
// memory is read in whole lines, and THREADS / LANES keys at once; the parts of a score meet in
// shared memory, those of the result at the end. Any head that is a multiple of 4.
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
const uint LANES = VECS >= 64 ? 32 : VECS >= 32 ? 16 : VECS >= 8 ? 8 : VECS >= 4 ? 4 : VECS >= 2 ? 2 : 1;
const uint STEP = LANES >= 4 ? 4 : LANES;   // keys of an invocation under way at once
const uint SLOTS = THREADS / LANES, PARTS = (VECS + LANES - 1) / LANES, PITCH = LANES + 1;

layout(set = 0, binding = 0) readonly buffer Q { vec4 q[]; };
layout(set = 0, binding = 1) readonly buffer K { vec4 k[]; };
layout(set = 0, binding = 2) readonly buffer V { vec4 v[]; };
layout(set = 0, binding = 3) readonly buffer Span { uvec2 span[]; };
layout(set = 0, binding = 4) writeonly buffer O { vec4 o[]; };
layout(set = 0, binding = 5) writeonly buffer Lse { float lse[]; };

shared vec4 query[VECS];
shared float score_parts[THREADS * PITCH];   // [key, lane]; the pitch spreads keys over the banks
shared float weights[THREADS];
shared vec4 result_parts[THREADS];

// Parts of the scores of keys j … j + count - 1; the last key stands in for those beyond.
void score_keys(uint j, uint count, uint group)
{
    uint lane = gl_LocalInvocationID.x, part = lane % LANES;
    [[dont_unroll]] for (uint first = lane / LANES; first < THREADS; first += STEP * SLOTS)
        [[unroll]] for (uint s = 0; s < STEP; s++) {
            uint c = first + s * SLOTS;
            uint at = ((j + min(c, count - 1)) * push.kv_heads + group) * VECS;
            vec4 products = vec4(0.0);
            [[unroll]] for (uint i = 0; i < PARTS; i++)
                if (VECS % LANES == 0 || part + i * LANES < VECS)
                    products += query[part + i * LANES] * k[at + part + i * LANES];
            score_parts[c * PITCH + part] = (products.x + products.y) + (products.z + products.w);
        }
}

float score_of(uint key)
{
    float score = score_parts[key * PITCH];
    [[unroll]] for (uint i = 1; i < LANES; i++)
        score += score_parts[key * PITCH + i];
    return score;
}

// Sum of the slots' parts, in the invocations of slot 0.
vec4 sum_of_slots(vec4 value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    result_parts[lane] = value;
    barrier();
    [[unroll]] for (uint half_size = SLOTS / 2; half_size > 0; half_size /= 2) {
        if (lane < half_size * LANES)
            result_parts[lane] += result_parts[lane + half_size * LANES];
        barrier();
    }
    return result_parts[lane];
}

void main()
{
    if (GROUP_INDEX >= push.rows * push.heads)
        return;
    uint lane = gl_LocalInvocationID.x, part = lane % LANES;
    uint row = GROUP_INDEX / push.heads, head = GROUP_INDEX % push.heads;
    uint group = head / (push.heads / push.kv_heads);
    for (uint d = lane; d < VECS; d += THREADS)
        query[d] = push.scale * q[GROUP_INDEX * VECS + d];
    barrier();

    uvec2 seen = span[row];
    float highest = -1e30, sum = 0.0;
    vec4 result[PARTS];
    [[unroll]] for (uint i = 0; i < PARTS; i++)
        result[i] = vec4(0.0);
    for (uint j = seen.x; j < seen.y; j += THREADS) {
        uint count = min(THREADS, seen.y - j);
        score_keys(j, count, group);
        barrier();
        float score = lane < count ? score_of(lane) : -2e30;
        float above = max(highest, group_max(score));
        float keep = exp_accurate(highest - above);
        float weight = exp_accurate(score - above);
        highest = above;
        sum = sum * keep + weight;
        weights[lane] = weight;
        barrier();
        [[unroll]] for (uint i = 0; i < PARTS; i++)
            result[i] *= keep;
        [[dont_unroll]] for (uint first = lane / LANES; first < THREADS; first += STEP * SLOTS)
            [[unroll]] for (uint s = 0; s < STEP; s++) {
                uint c = first + s * SLOTS;
                uint at = ((j + min(c, count - 1)) * push.kv_heads + group) * VECS;
                [[unroll]] for (uint i = 0; i < PARTS; i++)
                    if (VECS % LANES == 0 || part + i * LANES < VECS)
                        result[i] += weights[c] * v[at + part + i * LANES];
            }
        barrier();
    }
    sum = group_sum(sum);
    float norm = sum > 0.0 ? 1.0 / sum : 0.0;
    [[unroll]] for (uint i = 0; i < PARTS; i++) {
        vec4 all = sum_of_slots(result[i]);
        if (lane < LANES && part + i * LANES < VECS)
            o[GROUP_INDEX * VECS + part + i * LANES] = all * norm;
    }
    if (lane == 0)
        lse[GROUP_INDEX] = sum > 0.0 ? highest + log_accurate(sum) : 0.0;
}
