// attention_fwd for CPU drivers: one subgroup of 8 invocations per kv head and tile of ITEMS
// (query row, head of the group) pairs. For scores an invocation owns a key and reads the
// queries by broadcast; for the sums it owns a slice of the head and reads the weights by
// broadcast, so no value is fetched twice. Texel fetches, because lavapipe turns them into
// whole vector loads. DECODE: no tile spans two query rows, because they see different parts
// of the cache and a tile walks all that any of its rows sees.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
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
layout(set = 0, binding = 4) writeonly buffer O { vec4 o[]; };
layout(set = 0, binding = 5) writeonly buffer Lse { float lse[]; };

void main()
{
    uint per_group = push.heads / push.kv_heads;
#ifdef DECODE
    uint part_rows = 1;
#else
    uint part_rows = push.rows;
#endif
    uint items = part_rows * per_group;
    uint tiles = (items + ITEMS - 1) / ITEMS;
    uint first_item = GROUP_INDEX % tiles * ITEMS;
    uint group = GROUP_INDEX / tiles % push.kv_heads;
    uint first_row = GROUP_INDEX / tiles / push.kv_heads * part_rows;
    if (first_row >= push.rows)
        return;
    uint lane = gl_SubgroupInvocationID;

    uvec2 seen[ITEMS];
    vec4 query[ITEMS][SLICES], result[ITEMS][SLICES];
    float highest[ITEMS], sum[ITEMS];
    uint begin = 0xffffffffu, end = 0;
    [[unroll]] for (uint r = 0; r < ITEMS; r++) {
        uint item = min(first_item + r, items - 1);
        uint row = first_row + item / per_group;
        uint at = (row * push.heads + group * per_group + item % per_group) * VECS;
        [[unroll]] for (uint s = 0; s < SLICES; s++) {
            uint d = min(s * 8 + lane, VECS - 1);
            query[r][s] = push.scale * uintBitsToFloat(imageLoad(q, int(at + d)));
            result[r][s] = vec4(0.0);
        }
        seen[r] = span[row];
        if (seen[r].x < seen[r].y) {
            begin = min(begin, seen[r].x);
            end = max(end, seen[r].y);
        }
        highest[r] = -1e30;
        sum[r] = 0.0;
    }

    for (uint j = begin; j < end; j += 8) {
        uint key_row = j + lane;
        int at_k = int((min(key_row, push.key_rows - 1) * push.kv_heads + group) * VECS);
        float score[ITEMS];
        [[unroll]] for (uint r = 0; r < ITEMS; r++)
            score[r] = 0.0;
        [[unroll]] for (uint d = 0; d < VECS; d++) {
            vec4 key = uintBitsToFloat(imageLoad(k, at_k + int(d)));
            [[unroll]] for (uint r = 0; r < ITEMS; r++) {
                vec4 products = key * subgroupShuffle(query[r][d / 8], d % 8);
                score[r] += (products.x + products.y) + (products.z + products.w);
            }
        }
        [[unroll]] for (uint r = 0; r < ITEMS; r++) {
            bool visible = key_row >= seen[r].x && key_row < seen[r].y;
            score[r] = visible ? score[r] : -2e30;
            float above = max(highest[r], subgroupMax(score[r]));
            float keep = exp_accurate(highest[r] - above);
            highest[r] = above;
            score[r] = exp_accurate(score[r] - above);
            sum[r] = sum[r] * keep + score[r];
            [[unroll]] for (uint s = 0; s < SLICES; s++)
                result[r][s] *= keep;
        }
        [[unroll]] for (uint c = 0; c < 8; c++) {
            int at_v = int((min(j + c, push.key_rows - 1) * push.kv_heads + group) * VECS);
            [[unroll]] for (uint s = 0; s < SLICES; s++) {
                vec4 value = uintBitsToFloat(imageLoad(v, at_v + int(min(s * 8 + lane, VECS - 1))));
                [[unroll]] for (uint r = 0; r < ITEMS; r++)
                    result[r][s] += subgroupShuffle(score[r], c) * value;
            }
        }
    }

    [[unroll]] for (uint r = 0; r < ITEMS; r++) {
        uint item = first_item + r;
        float total = subgroupAdd(sum[r]);
        float norm = total > 0.0 ? 1.0 / total : 0.0;
        if (item < items) {
            uint row = first_row + item / per_group;
            uint at = row * push.heads + group * per_group + item % per_group;
            [[unroll]] for (uint s = 0; s < SLICES; s++)
                if (s * 8 + lane < VECS)
                    o[at * VECS + s * 8 + lane] = result[r][s] * norm;
            if (lane == 0)
                lse[at] = total > 0.0 ? highest[r] + log_accurate(total) : 0.0;
        }
    }
}
