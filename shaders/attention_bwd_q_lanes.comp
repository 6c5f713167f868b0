// attention_bwd_q for CPU drivers: one subgroup of 8 invocations per kv head and tile of ITEMS
// (query row, head of the group) pairs, laid out as in attention_fwd_lanes.comp: an invocation
// owns a key for the scores and their gradients, a slice of the head for dq.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "lib/common.glsl"
#include "lib/numeric.glsl"
#include "push/attention.push.h"

layout(local_size_x = 8) in;
layout(constant_id = 0) const uint ITEMS = 8;
layout(constant_id = 1) const uint HEAD_DIM = 64;
const uint VECS = HEAD_DIM / 4;
const uint SLICES = (VECS + 7) / 8;

layout(set = 0, binding = 0, rgba32ui) readonly uniform uimageBuffer q;
layout(set = 0, binding = 1, rgba32ui) readonly uniform uimageBuffer k;
layout(set = 0, binding = 2, rgba32ui) readonly uniform uimageBuffer v;
layout(set = 0, binding = 3) readonly buffer Span { uvec2 span[]; };
layout(set = 0, binding = 4, rgba32ui) readonly uniform uimageBuffer grad_o;
layout(set = 0, binding = 5) readonly buffer Lse { float lse[]; };
layout(set = 0, binding = 6) readonly buffer D { float sums[]; };
layout(set = 0, binding = 7) buffer Dq { vec4 grad_q[]; };

void main()
{
    uint per_group = push.heads / push.kv_heads;
    uint items = push.rows * per_group;
    uint tiles = (items + ITEMS - 1) / ITEMS;
    uint group = GROUP_INDEX / tiles;
    if (group >= push.kv_heads)
        return;
    uint lane = gl_SubgroupInvocationID;
    uint first_item = GROUP_INDEX % tiles * ITEMS;

    uvec2 seen[ITEMS];
    vec4 query[ITEMS][SLICES], of_output[ITEMS][SLICES], result[ITEMS][SLICES];
    float row_lse[ITEMS], row_d[ITEMS];
    uint begin = 0xffffffffu, end = 0;
    [[unroll]] for (uint r = 0; r < ITEMS; r++) {
        uint item = min(first_item + r, items - 1);
        uint row = item / per_group;
        uint at = row * push.heads + group * per_group + item % per_group;
        [[unroll]] for (uint s = 0; s < SLICES; s++) {
            uint d = min(s * 8 + lane, VECS - 1);
            query[r][s] = push.scale * uintBitsToFloat(imageLoad(q, int(at * VECS + d)));
            of_output[r][s] = uintBitsToFloat(imageLoad(grad_o, int(at * VECS + d)));
            result[r][s] = vec4(0.0);
        }
        row_lse[r] = lse[at];
        row_d[r] = sums[at];
        seen[r] = span[row];
        if (seen[r].x < seen[r].y) {
            begin = min(begin, seen[r].x);
            end = max(end, seen[r].y);
        }
    }

    for (uint j = begin; j < end; j += 8) {
        uint key_row = j + lane;
        int at_k = int((min(key_row, push.key_rows - 1) * push.kv_heads + group) * VECS);
        float score[ITEMS], change[ITEMS];
        [[unroll]] for (uint r = 0; r < ITEMS; r++)
            score[r] = change[r] = 0.0;
        [[unroll]] for (uint d = 0; d < VECS; d++) {
            vec4 key = uintBitsToFloat(imageLoad(k, at_k + int(d)));
            vec4 value = uintBitsToFloat(imageLoad(v, at_k + int(d)));
            [[unroll]] for (uint r = 0; r < ITEMS; r++) {
                vec4 products = key * subgroupShuffle(query[r][d / 8], d % 8);
                score[r] += (products.x + products.y) + (products.z + products.w);
                products = value * subgroupShuffle(of_output[r][d / 8], d % 8);
                change[r] += (products.x + products.y) + (products.z + products.w);
            }
        }
        [[unroll]] for (uint r = 0; r < ITEMS; r++) {
            bool visible = key_row >= seen[r].x && key_row < seen[r].y;
            float weight = visible ? exp_accurate(score[r] - row_lse[r]) : 0.0;
            score[r] = weight * (change[r] - row_d[r]) * push.scale;
        }
        [[unroll]] for (uint c = 0; c < 8; c++) {
            int at = int((min(j + c, push.key_rows - 1) * push.kv_heads + group) * VECS);
            [[unroll]] for (uint s = 0; s < SLICES; s++) {
                vec4 key = uintBitsToFloat(imageLoad(k, at + int(min(s * 8 + lane, VECS - 1))));
                [[unroll]] for (uint r = 0; r < ITEMS; r++)
                    result[r][s] += subgroupShuffle(score[r], c) * key;
            }
        }
    }

    [[unroll]] for (uint r = 0; r < ITEMS; r++) {
        uint item = first_item + r;
        if (item < items) {
            uint row = item / per_group;
            uint at = (row * push.heads + group * per_group + item % per_group) * VECS;
            [[unroll]] for (uint s = 0; s < SLICES; s++) {
                uint d = s * 8 + lane;
                if (d < VECS) {
                    if (push.accumulate != 0)
                        result[r][s] += grad_q[at + d];
                    grad_q[at + d] = result[r][s];
                }
            }
        }
    }
}
