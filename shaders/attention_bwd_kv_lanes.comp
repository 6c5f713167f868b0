// attention_bwd_kv for CPU drivers: one subgroup of 8 invocations per kv head and tile of ITEMS
// key rows, laid out as in attention_fwd_lanes.comp with keys and queries exchanged: an
// invocation owns a query row for the scores and their gradients, a slice of the head for
// dk and dv. Heads of the group, then query rows, in rising order.
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
layout(set = 0, binding = 4) readonly buffer Last { uint last[]; };
layout(set = 0, binding = 5, rgba32ui) readonly uniform uimageBuffer grad_o;
layout(set = 0, binding = 6) readonly buffer Lse { float lse[]; };
layout(set = 0, binding = 7) readonly buffer D { float sums[]; };
layout(set = 0, binding = 8) buffer Dk { vec4 grad_k[]; };
layout(set = 0, binding = 9) buffer Dv { vec4 grad_v[]; };

void main()
{
    uint per_group = push.heads / push.kv_heads;
    uint tiles = (push.rows + ITEMS - 1) / ITEMS;
    uint group = GROUP_INDEX / tiles;
    if (group >= push.kv_heads)
        return;
    uint lane = gl_SubgroupInvocationID;
    uint first_key = GROUP_INDEX % tiles * ITEMS;

    uint end[ITEMS];
    vec4 key[ITEMS][SLICES], value[ITEMS][SLICES], of_key[ITEMS][SLICES], of_value[ITEMS][SLICES];
    uint tile_end = 0;
    [[unroll]] for (uint r = 0; r < ITEMS; r++) {
        uint j = min(first_key + r, push.rows - 1);
        [[unroll]] for (uint s = 0; s < SLICES; s++) {
            int at = int((j * push.kv_heads + group) * VECS + min(s * 8 + lane, VECS - 1));
            key[r][s] = push.scale * uintBitsToFloat(imageLoad(k, at));
            value[r][s] = uintBitsToFloat(imageLoad(v, at));
            of_key[r][s] = of_value[r][s] = vec4(0.0);
        }
        end[r] = last[j];
        tile_end = max(tile_end, end[r]);
    }

    for (uint head = group * per_group; head < (group + 1) * per_group; head++)
        for (uint i = first_key; i < tile_end; i += 8) {
            uint row = min(i + lane, push.rows - 1);
            int at_q = int((row * push.heads + head) * VECS);
            float score[ITEMS], change[ITEMS];
            [[unroll]] for (uint r = 0; r < ITEMS; r++)
                score[r] = change[r] = 0.0;
            [[unroll]] for (uint d = 0; d < VECS; d++) {
                vec4 query = uintBitsToFloat(imageLoad(q, at_q + int(d)));
                vec4 of_output = uintBitsToFloat(imageLoad(grad_o, at_q + int(d)));
                [[unroll]] for (uint r = 0; r < ITEMS; r++) {
                    vec4 products = query * subgroupShuffle(key[r][d / 8], d % 8);
                    score[r] += (products.x + products.y) + (products.z + products.w);
                    products = of_output * subgroupShuffle(value[r][d / 8], d % 8);
                    change[r] += (products.x + products.y) + (products.z + products.w);
                }
            }
            float row_lse = lse[row * push.heads + head];
            float row_d = sums[row * push.heads + head];
            [[unroll]] for (uint r = 0; r < ITEMS; r++) {
                bool visible = i + lane >= first_key + r && i + lane < end[r];
                score[r] = visible ? exp_accurate(score[r] - row_lse) : 0.0;
                change[r] = score[r] * (change[r] - row_d) * push.scale;
            }
            [[unroll]] for (uint c = 0; c < 8; c++) {
                int at = int((min(i + c, push.rows - 1) * push.heads + head) * VECS);
                [[unroll]] for (uint s = 0; s < SLICES; s++) {
                    int d = int(min(s * 8 + lane, VECS - 1));
                    vec4 query = uintBitsToFloat(imageLoad(q, at + d));
                    vec4 of_output = uintBitsToFloat(imageLoad(grad_o, at + d));
                    [[unroll]] for (uint r = 0; r < ITEMS; r++) {
                        of_value[r][s] += subgroupShuffle(score[r], c) * of_output;
                        of_key[r][s] += subgroupShuffle(change[r], c) * query;
                    }
                }
            }
        }

    [[unroll]] for (uint r = 0; r < ITEMS; r++)
        if (first_key + r < push.rows) {
            uint at = ((first_key + r) * push.kv_heads + group) * VECS + lane;
            [[unroll]] for (uint s = 0; s < SLICES; s++)
                if (s * 8 + lane < VECS) {
                    if (push.accumulate != 0) {
                        of_key[r][s] += grad_k[at + s * 8];
                        of_value[r][s] += grad_v[at + s * 8];
                    }
                    grad_k[at + s * 8] = of_key[r][s];
                    grad_v[at + s * 8] = of_value[r][s];
                }
        }
}
