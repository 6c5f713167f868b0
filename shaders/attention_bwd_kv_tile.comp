// attention_bwd_kv for GPUs: one group per kv head and tile of ROWS key rows, which walks the
// heads of the group, then the query rows up to the last that sees one of its keys, in tiles
// of COLS, in rising order. Heads up to 128.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"
#include "lib/numeric.glsl"
#include "lib/attention_tile.glsl"
#include "push/attention.push.h"

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

shared vec4 key_tile[ROWS * STRIDE];
shared vec4 value_tile[ROWS * STRIDE];
shared vec4 query_tile[COLS * STRIDE];
shared vec4 output_tile[COLS * STRIDE];    // gradients of the output
shared float weights[ROWS * (COLS + 1)];   // shares, then gradients of the scores

void main()
{
    uint per_group = push.heads / push.kv_heads;
    uint tiles = (push.rows + ROWS - 1) / ROWS;
    uint first_key = GROUP_INDEX % tiles * ROWS;
    uint group = GROUP_INDEX / tiles;
    if (group >= push.kv_heads)
        return;
    uint lane = gl_LocalInvocationID.x, ty = lane / 8, tx = lane % 8;

    TILE_LOAD(key_tile, ROWS, push.scale * k[(min(first_key + tile_row, push.rows - 1)
                                              * push.kv_heads + group) * VECS + tile_vec])
    TILE_LOAD(value_tile, ROWS, v[(min(first_key + tile_row, push.rows - 1)
                                   * push.kv_heads + group) * VECS + tile_vec])
    uint tile_end = 0;
    for (uint r = 0; r < ROWS; r++)
        tile_end = max(tile_end, last[min(first_key + r, push.rows - 1)]);

    vec4 of_key[ROWS_EACH][SLICES], of_value[ROWS_EACH][SLICES];
    uint row_end[ROWS_EACH];
    [[unroll]] for (uint r = 0; r < ROWS_EACH; r++) {
        row_end[r] = last[min(first_key + ty * ROWS_EACH + r, push.rows - 1)];
        [[unroll]] for (uint s = 0; s < SLICES; s++)
            of_key[r][s] = of_value[r][s] = vec4(0.0);
    }
    for (uint head = group * per_group; head < (group + 1) * per_group; head++)
        for (uint i = first_key; i < tile_end; i += COLS) {
            TILE_LOAD(query_tile, COLS, q[(min(i + tile_row, push.rows - 1) * push.heads + head)
                                          * VECS + tile_vec])
            TILE_LOAD(output_tile, COLS, grad_o[(min(i + tile_row, push.rows - 1) * push.heads
                                                 + head) * VECS + tile_vec])
            barrier();
            float score[ROWS_EACH][COLS_EACH], change[ROWS_EACH][COLS_EACH];
            TILE_PRODUCTS(score, key_tile, query_tile)
            TILE_PRODUCTS(change, value_tile, output_tile)
            [[unroll]] for (uint c = 0; c < COLS_EACH; c++) {
                uint row = i + tx + 8 * c;
                uint at = min(row, push.rows - 1) * push.heads + head;
                [[unroll]] for (uint r = 0; r < ROWS_EACH; r++) {
                    bool visible = row >= first_key + ty * ROWS_EACH + r && row < row_end[r];
                    float weight = visible ? exp_accurate(score[r][c] - lse[at]) : 0.0;
                    weights[(ty * ROWS_EACH + r) * (COLS + 1) + tx + 8 * c] = weight;
                    change[r][c] = weight * (change[r][c] - sums[at]) * push.scale;
                }
            }
            barrier();
            TILE_ACCUMULATE(of_value, weights, output_tile)
            barrier();
            [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)
                [[unroll]] for (uint c = 0; c < COLS_EACH; c++)
                    weights[(ty * ROWS_EACH + r) * (COLS + 1) + tx + 8 * c] = change[r][c];
            barrier();
            TILE_ACCUMULATE(of_key, weights, query_tile)
            barrier();
        }

    [[unroll]] for (uint r = 0; r < ROWS_EACH; r++) {
        uint key = first_key + ty * ROWS_EACH + r;
        if (key >= push.rows)
            break;
        uint at = (key * push.kv_heads + group) * VECS + tx;
        [[unroll]] for (uint s = 0; s < SLICES; s++)
            if (tx + 8 * s < VECS) {
                if (push.accumulate != 0) {
                    of_key[r][s] += grad_k[at + 8 * s];
                    of_value[r][s] += grad_v[at + 8 * s];
                }
                grad_k[at + 8 * s] = of_key[r][s];
                grad_v[at + 8 * s] = of_value[r][s];
            }
    }
}
