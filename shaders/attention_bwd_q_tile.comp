// attention_bwd_q for GPUs: one group per kv head and tile of ROWS (query row, head of the
// group) pairs, which walks the keys that any of its rows sees in tiles of COLS.
// Heads up to 128.
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
layout(set = 0, binding = 4) readonly buffer Do { vec4 grad_o[]; };
layout(set = 0, binding = 5) readonly buffer Lse { float lse[]; };
layout(set = 0, binding = 6) readonly buffer D { float sums[]; };
layout(set = 0, binding = 7) buffer Dq { vec4 grad_q[]; };

shared vec4 query_tile[ROWS * STRIDE];
shared vec4 output_tile[ROWS * STRIDE];    // gradients of the output
shared vec4 key_tile[COLS * STRIDE];
shared vec4 value_tile[COLS * STRIDE];
shared float weights[ROWS * (COLS + 1)];   // gradients of the scores
shared uvec2 row_span[ROWS];

uint per_group, items, first_item, group;

// Row of q, do, lse and d of an item of this tile, clamped to the last one.
uint row_of(uint item)
{
    uint clamped = min(first_item + item, items - 1);
    return clamped / per_group * push.heads + group * per_group + clamped % per_group;
}

void main()
{
    per_group = push.heads / push.kv_heads;
    items = push.rows * per_group;
    uint tiles = (items + ROWS - 1) / ROWS;
    first_item = GROUP_INDEX % tiles * ROWS;
    group = GROUP_INDEX / tiles;
    if (group >= push.kv_heads)
        return;
    uint lane = gl_LocalInvocationID.x, ty = lane / 8, tx = lane % 8;

    TILE_LOAD(query_tile, ROWS, push.scale * q[row_of(tile_row) * VECS + tile_vec])
    TILE_LOAD(output_tile, ROWS, grad_o[row_of(tile_row) * VECS + tile_vec])
    if (lane < ROWS) {
        uvec2 seen = span[min(first_item + lane, items - 1) / per_group];
        row_span[lane] = seen.x < seen.y ? seen : uvec2(0xffffffffu, 0);
    }
    barrier();
    uint begin = 0xffffffffu, end = 0;
    for (uint r = 0; r < ROWS; r++) {
        begin = min(begin, row_span[r].x);
        end = max(end, row_span[r].y);
    }

    vec4 result[ROWS_EACH][SLICES];
    float row_lse[ROWS_EACH], row_d[ROWS_EACH];
    [[unroll]] for (uint r = 0; r < ROWS_EACH; r++) {
        row_lse[r] = lse[row_of(ty * ROWS_EACH + r)];
        row_d[r] = sums[row_of(ty * ROWS_EACH + r)];
        [[unroll]] for (uint s = 0; s < SLICES; s++)
            result[r][s] = vec4(0.0);
    }
    for (uint j = begin; j < end; j += COLS) {
        TILE_LOAD(key_tile, COLS,
                  k[(min(j + tile_row, end - 1) * push.kv_heads + group) * VECS + tile_vec])
        TILE_LOAD(value_tile, COLS,
                  v[(min(j + tile_row, end - 1) * push.kv_heads + group) * VECS + tile_vec])
        barrier();
        float score[ROWS_EACH][COLS_EACH], change[ROWS_EACH][COLS_EACH];
        TILE_PRODUCTS(score, query_tile, key_tile)
        TILE_PRODUCTS(change, output_tile, value_tile)
        [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)
            [[unroll]] for (uint c = 0; c < COLS_EACH; c++) {
                uint row = ty * ROWS_EACH + r, key = j + tx + 8 * c;
                bool visible = key >= row_span[row].x && key < row_span[row].y;
                float weight = visible ? exp_accurate(score[r][c] - row_lse[r]) : 0.0;
                weights[row * (COLS + 1) + tx + 8 * c] =
                    weight * (change[r][c] - row_d[r]) * push.scale;
            }
        barrier();
        TILE_ACCUMULATE(result, weights, key_tile)
        barrier();
    }

    [[unroll]] for (uint r = 0; r < ROWS_EACH; r++) {
        if (first_item + ty * ROWS_EACH + r >= items)
            break;
        uint at = row_of(ty * ROWS_EACH + r) * VECS + tx;
        [[unroll]] for (uint s = 0; s < SLICES; s++)
            if (tx + 8 * s < VECS) {
                if (push.accumulate != 0)
                    result[r][s] += grad_q[at + 8 * s];
                grad_q[at + 8 * s] = result[r][s];
            }
    }
}
