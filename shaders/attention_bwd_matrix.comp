// attention_bwd_q, and with KEYS attention_bwd_kv, on matrix units. One group per kv head and tile
// of TILE_R rows, SUB_R of them to ACROSS subgroups, which walks tiles of TILE_C columns:
// rows are pairs of query and head and columns are keys, with KEYS rows are keys and columns the
// queries of one head after the other. A step computes
//   scores = one(rows) one(columns)^T,  changes = two(rows) two(columns)^T   (one: q, k; two: do, v)
// and from them shares and gradients of the scores, rounded to f16 (lib/attention_bwd_weights.glsl):
//   dq or dk += gradients one(columns),  dv += shares two(columns).
// Operands are rounded to f16, near 2^14 by powers of two; sums are f32. Heads: multiples of 16.
// EMULATED: without matrix units, for checking the rest (lib/matrix_unit.glsl).
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifndef EMULATED
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif
#include "lib/common.glsl"
#include "push/attention.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 128;   // LANES * TILE_R / SUB_R * ACROSS
layout(constant_id = 1) const uint LANES = 32;      // of a subgroup
layout(constant_id = 2) const uint UNIT_M = 16;     // the matrix unit's shape, multiples of eight
layout(constant_id = 3) const uint UNIT_N = 16;
layout(constant_id = 4) const uint UNIT_K = 16;
layout(constant_id = 5) const uint HEAD_DIM = 64;
layout(constant_id = 6) const uint TILE_R = 64;
layout(constant_id = 7) const uint TILE_C = 32;
layout(constant_id = 8) const uint SUB_R = 16;
layout(constant_id = 9) const uint ACROSS = 1;      // subgroups that share columns and results of rows
layout(constant_id = 10) const uint HELD = 1;       // 1: registers hold units of the rows, next columns


const uint VECS = HEAD_DIM / 4;
const uint RUN = HEAD_DIM / 8;             // eights of a row
// One uvec4 of padding a run makes the pitch odd: eight runs then lie in different banks.
const uint PITCH = RUN + 1, WEIGHT_PITCH = TILE_C / 8 + 1;
const uint ROW_EIGHTS = TILE_R * PITCH, COLUMN_EIGHTS = TILE_C * PITCH;
const uint COLUMN_FIRST = HELD != 0 ? 0 : 2 * ROW_EIGHTS;
const uint WEIGHT_FIRST = COLUMN_FIRST + 2 * COLUMN_EIGHTS;
const uint WORK_EIGHTS = WEIGHT_FIRST + TILE_R * WEIGHT_PITCH;
const uint TILE_EIGHTS = WORK_EIGHTS > ROW_EIGHTS ? WORK_EIGHTS : ROW_EIGHTS;

const uint ROWS = SUB_R / UNIT_M;          // units of a subgroup: of its rows,
const uint DEPTHS = HEAD_DIM / UNIT_K;     // along a head,
const uint COLUMNS = TILE_C / UNIT_N / ACROSS;                      // its share of the columns
const uint RESULTS = (HEAD_DIM / UNIT_N + ACROSS - 1) / ACROSS;     // and of the results
const uint TURNS = (UNIT_M * UNIT_N + LANES * 4 - 1) / (LANES * 4);   // fours of a unit per lane

shared uvec4 tiles[TILE_EIGHTS];
shared float stage[THREADS / LANES * UNIT_M * UNIT_N];   // one unit of sums per subgroup
shared uint row_peaks[2 * TILE_R];       // largest values as float bits: of row_one, of row_two
shared uint column_peaks[4 * TILE_C];    // the same of two steps
shared uint weight_peaks[2 * TILE_R / SUB_R];   // so far, of gradients and of shares

#include "lib/matrix_unit.glsl"

#include "lib/attention_bwd_walk.glsl"
#include "lib/attention_bwd_tiles.glsl"

uint strip, across, staged;    // of this subgroup: its rows, its share of columns, its stage
MatrixA kept[HELD != 0 ? 2 * ROWS * DEPTHS : 1];

#define LOAD_ROWS(matrix, first, i, d) \
    MATRIX_LOAD(matrix, (first) + (strip * SUB_R + (i) * UNIT_M) * PITCH + (d) * UNIT_K / 8, MATRIX_ROWS(PITCH))

#include "lib/attention_bwd_weights.glsl"
#include "lib/attention_bwd_results.glsl"

// Brings the rows where products find them.
void place_rows()
{
    find_row_peaks();
    KEEP_ROWS(row_one, 0, 0)
    if (HELD == 0) {
        KEEP_ROWS(row_two, ROW_EIGHTS, TILE_R)
        barrier();
        return;
    }
    barrier();
    UNROLL for (uint i = 0; i < ROWS; i++)
        UNROLL for (uint d = 0; d < DEPTHS; d++)
            LOAD_ROWS(kept[i * DEPTHS + d], 0, i, d);
    barrier();
    KEEP_ROWS(row_two, 0, TILE_R)
    barrier();
    UNROLL for (uint i = 0; i < ROWS; i++)
        UNROLL for (uint d = 0; d < DEPTHS; d++)
            LOAD_ROWS(kept[(ROWS + i) * DEPTHS + d], 0, i, d);
    barrier();
}

#define ROW_UNIT(matrix, which, i, d)                             \
    if (HELD != 0)                                                \
        matrix = kept[((which) * ROWS + (i)) * DEPTHS + (d)];     \
    else                                                          \
        LOAD_ROWS(matrix, (which) * ROW_EIGHTS, i, d)

// The weights of this subgroup's rows and columns.
void find_weights(uint step)
{
    UNROLL for (uint j = 0; j < COLUMNS; j++) {
        MatrixC scores[ROWS];   // one declaration each, for glslang 13
        MatrixC changes[ROWS];
        UNROLL for (uint i = 0; i < ROWS; i++) {
            MATRIX_ZERO(scores[i]);
            MATRIX_ZERO(changes[i]);
        }
        uint first = COLUMN_FIRST + (across * COLUMNS + j) * UNIT_N * PITCH;
        UNROLL for (uint d = 0; d < DEPTHS; d++) {
            MatrixB one;
            MatrixB two;
            MATRIX_LOAD(one, first + d * UNIT_K / 8, MATRIX_COLUMNS(PITCH));
            MATRIX_LOAD(two, first + COLUMN_EIGHTS + d * UNIT_K / 8, MATRIX_COLUMNS(PITCH));
            UNROLL for (uint i = 0; i < ROWS; i++) {
                MatrixA left;
                ROW_UNIT(left, 0, i, d);
                MATRIX_MULTIPLY(left, one, scores[i]);
                ROW_UNIT(left, 1, i, d);
                MATRIX_MULTIPLY(left, two, changes[i]);
            }
        }
        UNROLL for (uint i = 0; i < ROWS; i++)
            weigh_unit(step, i, j, scores[i], changes[i]);
    }
}

void main()
{
    if (!find_tile())
        return;
    strip = MATRIX_GROUP / ACROSS;
    across = MATRIX_GROUP % ACROSS;
    staged = MATRIX_GROUP * UNIT_M * UNIT_N;
    for (uint c = gl_LocalInvocationID.x; c < 4 * TILE_C; c += THREADS)
        column_peaks[c] = 0u;
    for (uint s = gl_LocalInvocationID.x; s < 2 * TILE_R / SUB_R; s += THREADS)
        weight_peaks[s] = 0u;
    seen_peak[0] = seen_peak[1] = 0u;
    find_walk();
    place_rows();
    find_row_numbers();
    MatrixC one_sums[ROWS * RESULTS];
    UNROLL for (uint n = 0; n < ROWS * RESULTS; n++)
        MATRIX_ZERO(one_sums[n]);
#ifdef KEYS
    MatrixC two_sums[ROWS * RESULTS];
    UNROLL for (uint n = 0; n < ROWS * RESULTS; n++)
        MATRIX_ZERO(two_sums[n]);
#endif
    fetch_columns(0);
    find_column_peaks(0);
    barrier();
    keep_columns(0);
    barrier();
    for (uint step = 0; step < steps; step++) {
        bool more = step + 1 < steps;
        if (more && HELD != 0)
            fetch_columns(step + 1);
        find_weights(step);
        RAISE_PEAK(gradients, 0)
#ifdef KEYS
        RAISE_PEAK(shares, 1)
#endif
        STRIP_BARRIER();
#ifdef KEYS
        FOLLOW_PEAK(two_sums, 1)
        KEEP_WEIGHTS(shares, 1)
        STRIP_BARRIER();
        ADD_PRODUCT(two_sums, COLUMN_FIRST + COLUMN_EIGHTS)
        STRIP_BARRIER();
#endif
        FOLLOW_PEAK(one_sums, 0)
        KEEP_WEIGHTS(gradients, 0)
        STRIP_BARRIER();
        ADD_PRODUCT(one_sums, COLUMN_FIRST)
        if (more && HELD == 0)
            fetch_columns(step + 1);
        if (more)
            find_column_peaks(step + 1);
        barrier();
        if (more)
            keep_columns(step + 1);
        barrier();
    }
    WRITE(of_one, one_sums, 0)
#ifdef KEYS
    WRITE(of_two, two_sums, 1)
#endif
}
