// attention_fwd on matrix units: f16 operands, f32 sums. One group per kv head and tile of ROWS
// (query row, head of the group) pairs, which walks the keys that any of its rows sees in tiles
// of COLS: scores by units, weights by plain lanes, o += weights * v by units. Heads that are
// multiples of 16.
// q and the tiles of k and v are multiplied by powers of two: q and k to near 2^14 of the largest
// so far, undone on the scores; v to near 2^8, and again once a value would exceed 2^15.
// EMULATED: without matrix units, for checking the rest (lib/matrix_unit.glsl).
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifndef EMULATED
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif
#include "lib/common.glsl"
#include "lib/numeric.glsl"
#include "lib/attention_matrix.glsl"
#include "push/attention.push.h"

layout(set = 0, binding = 0) readonly buffer Q { vec4 q[]; };
layout(set = 0, binding = 1) readonly buffer K { vec4 k[]; };
layout(set = 0, binding = 2) readonly buffer V { vec4 v[]; };
layout(set = 0, binding = 3) readonly buffer Span { uvec2 span[]; };
layout(set = 0, binding = 4) writeonly buffer O { vec4 o[]; };
layout(set = 0, binding = 5) writeonly buffer Lse { float lse[]; };

const uint ROW_UNITS = SUB_ROWS / UNIT_M, COL_UNITS = SUB_COLS / UNIT_N, DIM_UNITS = SUB_DIMS / UNIT_N;
const uint Q_FIRST = 0, K_FIRST = Q_FIRST + ROWS * HEAD_PITCH, V_FIRST = K_FIRST + COLS * HEAD_PITCH;
const uint V_PITCH = COLS / 8 + 1, SCORE_FIRST = V_FIRST + HEAD_DIM * V_PITCH;
const uint SCORE_PITCH = COLS / 4 + 1;   // of f32 scores, and of the f16 weights in their place

shared uvec4 tiles[SCORE_FIRST + ROWS * SCORE_PITCH];
shared float row_factor[ROWS];     // what sums are multiplied by
shared uint q_peak, k_peak, v_peak;
shared uint span_begin, span_end, all_begin, all_end;   // of the keys that some row sees, or all rows
shared uint rescaled;              // 1 + the first key of the last tile that changed a factor

#include "lib/matrix_unit.glsl"
#include "lib/attention_weights.glsl"

uint per_group, items, first_item, group;

// Row of q, o and lse of an item of this tile, clamped to the last one.
uint row_of(uint item)
{
    uint clamped = min(first_item + item, items - 1);
    return clamped / per_group * push.heads + group * per_group + clamped % per_group;
}

#define KEY_ROW (min(next + tile_row, end - 1) * push.kv_heads + group)

void main()
{
    per_group = push.heads / push.kv_heads;
    items = push.rows * per_group;
    uint tile_count = (items + ROWS - 1) / ROWS;
    // the longest walks first: those of the last queries
    first_item = (tile_count - 1 - GROUP_INDEX % tile_count) * ROWS;
    group = GROUP_INDEX / tile_count;
    if (group >= push.kv_heads)
        return;
    my_row = MATRIX_GROUP * LANE_ROWS + MATRIX_LANE % LANE_ROWS;
    part = MATRIX_LANE / LANE_ROWS;
    uint unit_row = MATRIX_GROUP / ACROSS * SUB_ROWS, unit_across = MATRIX_GROUP % ACROSS;
    if (gl_LocalInvocationID.x == 0) {
        q_peak = k_peak = v_peak = span_end = all_begin = rescaled = 0u;
        span_begin = all_end = 0xffffffffu;
    }
    barrier();

    seen = span[min(first_item + my_row, items - 1) / per_group];
    if (seen.x < seen.y) {
        atomicMin(span_begin, seen.x);
        atomicMax(span_end, seen.y);
    } else {
        seen = uvec2(0u);
    }
    atomicMax(all_begin, seen.x);
    atomicMin(all_end, seen.y);
    {
        vec4 q_raw[2 * TILE_TURNS(ROWS)];
        TILE_FETCH(q_raw, ROWS, q, row_of(tile_row))
        TILE_PEAK(q_raw, ROWS, q_peak)
        barrier();
        TILE_KEEP(q_raw, ROWS, Q_FIRST, power(power_for(q_peak, 14)))
    }
    uint begin = SAME(span_begin), end = SAME(span_end), next = begin;
    uint whole_begin = SAME(all_begin), whole_end = SAME(all_end);
    float q_undone = push.scale * LOG2_E * power_undone(power_for(q_peak, 14)), k_undone = 1.0;
    vec4 k_raw[2 * TILE_TURNS(COLS)], v_raw[2 * TILE_TURNS(COLS)];
    uint v_power = 253u;
    reference = -1e30;
    sum = 0.0;
    MatrixC result[ROW_UNITS * DIM_UNITS];
    UNROLL for (uint i = 0; i < ROW_UNITS * DIM_UNITS; i++)
        MATRIX_ZERO(result[i]);
    if (begin < end) {
        TILE_FETCH(k_raw, COLS, k, KEY_ROW)
        TILE_PEAK(k_raw, COLS, k_peak)
    }
    barrier();
    if (begin < end) {
        k_undone = power_undone(power_for(k_peak, 14));
        TILE_KEEP(k_raw, COLS, K_FIRST, power(power_for(k_peak, 14)))
    }
    barrier();

    for (uint first = begin; first < end; first = next) {
        TILE_FETCH_PAIRS(v_raw, COLS, v, KEY_ROW)
        {
            MatrixC score[ROW_UNITS * COL_UNITS];
            UNROLL for (uint i = 0; i < ROW_UNITS * COL_UNITS; i++)
                MATRIX_ZERO(score[i]);
            UNITS_MULTIPLY(score, ROW_UNITS, COL_UNITS, HEAD_DIM,
                           Q_FIRST + (unit_row + i * UNIT_M) * HEAD_PITCH + s / 8, MATRIX_ROWS, HEAD_PITCH,
                           K_FIRST + (unit_across * SUB_COLS + j * UNIT_N) * HEAD_PITCH + s / 8,
                           MATRIX_COLUMNS, HEAD_PITCH)
            UNROLL for (uint i = 0; i < ROW_UNITS; i++)
                UNROLL for (uint j = 0; j < COL_UNITS; j++)
                    MATRIX_STORE_TILE(score[i * COL_UNITS + j],
                                      SCORE_FIRST + (unit_row + i * UNIT_M) * SCORE_PITCH +
                                          (unit_across * SUB_COLS + j * UNIT_N) / 4,
                                      SCORE_PITCH);
        }
        TILE_PEAK(v_raw, COLS, v_peak)
        barrier();

        float row_keep = 1.0;
        if (int(v_peak >> 23) + int(v_power) > 254 + 14) {
            uint v_next = power_for(v_peak, 8);
            row_keep = power(uint(max(127 + int(v_next) - int(v_power), 0)));
            v_power = v_next;
        }
        TILE_KEEP_PAIRS(v_raw, COLS, V_FIRST, V_PITCH, power(v_power))
        next += COLS;
        if (next < end)
            TILE_FETCH(k_raw, COLS, k, KEY_ROW)

        // where this is too small to be a number, so are the scores
        float undone = min(q_undone * k_undone, 3e38);
        row_keep *= weigh(first, first >= whole_begin && next <= whole_end, undone);
        if (part == 0) {
            row_factor[my_row] = row_keep;
            if (row_keep != 1.0)
                atomicMax(rescaled, first + 1);
        }
        if (next < end)
            TILE_PEAK(k_raw, COLS, k_peak)
        barrier();

        if (next < end) {
            k_undone = power_undone(power_for(k_peak, 14));
            TILE_KEEP(k_raw, COLS, K_FIRST, power(power_for(k_peak, 14)))
        }
        if (rescaled == first + 1)
            UNROLL for (uint i = 0; i < ROW_UNITS; i++)
                UNROLL for (uint j = 0; j < DIM_UNITS; j++)
                    MATRIX_SCALE_ROWS(result[i * DIM_UNITS + j], row_factor, unit_row + i * UNIT_M);
        UNITS_MULTIPLY(result, ROW_UNITS, DIM_UNITS, COLS,
                       SCORE_FIRST + (unit_row + i * UNIT_M) * SCORE_PITCH + s / 8, MATRIX_ROWS, SCORE_PITCH,
                       V_FIRST + (unit_across * SUB_DIMS + j * UNIT_N) * V_PITCH + s / 8,
                       MATRIX_COLUMNS, V_PITCH)
        barrier();
    }

    float total = row_sum();
    if (part == 0) {
        row_factor[my_row] = total > 0.0 ? 1.0 / total : 0.0;
        if (first_item + my_row < items)
            lse[row_of(my_row)] = total > 0.0 ? reference * LN_2 + log_accurate(total) : 0.0;
    }
    barrier();
    uint staged = SCORE_FIRST + MATRIX_GROUP * (UNIT_M * UNIT_N / 4);
    UNROLL for (uint i = 0; i < ROW_UNITS; i++)
        UNROLL for (uint j = 0; j < DIM_UNITS; j++) {
            MATRIX_STORE_TILE(result[i * DIM_UNITS + j], staged, UNIT_N / 4);
            MATRIX_FENCE();
            UNROLL for (uint turn = 0; turn < (UNIT_M * UNIT_N / 4 + LANES - 1) / LANES; turn++) {
                uint e = turn * LANES + MATRIX_LANE, row = unit_row + i * UNIT_M + e / (UNIT_N / 4);
                if (e < UNIT_M * UNIT_N / 4 && first_item + row < items)
                    o[row_of(row) * HEAD_FOURS + (unit_across * SUB_DIMS + j * UNIT_N) / 4 + e % (UNIT_N / 4)] =
                        uintBitsToFloat(tiles[staged + e]) * row_factor[row] * power_undone(v_power);
            }
            MATRIX_FENCE();
        }
}
