// attention_fwd for GPUs: one group per kv head and tile of ROWS (query row, head of the
// group) pairs, which walks the keys that any of its rows sees in tiles of COLS, with a
// running maximum. Heads up to 128.
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
layout(set = 0, binding = 4) writeonly buffer O { vec4 o[]; };
layout(set = 0, binding = 5) writeonly buffer Lse { float lse[]; };

shared vec4 query_tile[ROWS * STRIDE];
shared vec4 key_tile[COLS * STRIDE];       // keys, then their values
shared float weights[ROWS * (COLS + 1)];
shared float partial[ROWS * 8];
shared uvec2 row_span[ROWS];

uint per_group, items, first_item, group;

// Row of q, o and lse of an item of this tile, clamped to the last one.
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
    float highest[ROWS_EACH], sum[ROWS_EACH];
    [[unroll]] for (uint r = 0; r < ROWS_EACH; r++) {
        highest[r] = -1e30;
        sum[r] = 0.0;
        [[unroll]] for (uint s = 0; s < SLICES; s++)
            result[r][s] = vec4(0.0);
    }
    for (uint j = begin; j < end; j += COLS) {
        TILE_LOAD(key_tile, COLS,
                  k[(min(j + tile_row, end - 1) * push.kv_heads + group) * VECS + tile_vec])
        barrier();
        float score[ROWS_EACH][COLS_EACH];
        TILE_PRODUCTS(score, query_tile, key_tile)
        [[unroll]] for (uint r = 0; r < ROWS_EACH; r++) {
            uint row = ty * ROWS_EACH + r;
            float row_highest = -1e30;
            [[unroll]] for (uint c = 0; c < COLS_EACH; c++) {
                uint key = j + tx + 8 * c;
                bool visible = key >= row_span[row].x && key < row_span[row].y;
                score[r][c] = visible ? score[r][c] : -2e30;
                row_highest = max(row_highest, score[r][c]);
            }
            partial[row * 8 + tx] = row_highest;
        }
        barrier();
        TILE_LOAD(key_tile, COLS,
                  v[(min(j + tile_row, end - 1) * push.kv_heads + group) * VECS + tile_vec])
        [[unroll]] for (uint r = 0; r < ROWS_EACH; r++) {
            uint row = ty * ROWS_EACH + r;
            float above = highest[r];
            [[unroll]] for (uint n = 0; n < 8; n++)
                above = max(above, partial[row * 8 + n]);
            float keep = exp_accurate(highest[r] - above);
            highest[r] = above;
            sum[r] *= keep;
            [[unroll]] for (uint c = 0; c < COLS_EACH; c++) {
                float weight = exp_accurate(score[r][c] - above);
                weights[row * (COLS + 1) + tx + 8 * c] = weight;
                sum[r] += weight;
            }
            [[unroll]] for (uint s = 0; s < SLICES; s++)
                result[r][s] *= keep;
        }
        barrier();
        TILE_ACCUMULATE(result, weights, key_tile)
        barrier();
    }

    [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)
        partial[(ty * ROWS_EACH + r) * 8 + tx] = sum[r];
    barrier();
    [[unroll]] for (uint r = 0; r < ROWS_EACH; r++) {
        uint row = ty * ROWS_EACH + r;
        float total = 0.0;
        [[unroll]] for (uint n = 0; n < 8; n++)
            total += partial[row * 8 + n];
        if (first_item + row >= items)
            break;
        float norm = total > 0.0 ? 1.0 / total : 0.0;
        [[unroll]] for (uint s = 0; s < SLICES; s++)
            if (tx + 8 * s < VECS)
                o[row_of(row) * VECS + tx + 8 * s] = result[r][s] * norm;
        if (tx == 0)
            lse[row_of(row)] = total > 0.0 ? highest[r] + log_accurate(total) : 0.0;
    }
}
