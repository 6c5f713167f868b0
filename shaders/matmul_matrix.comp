// C[m,n] = alpha * op(A,B) (+ C) on matrix units: operands rounded to f16, f32 sums. One group per
// TILE_M x TILE_N block of C, SUB_M x SUB_N of it per subgroup; any sizes.
// LAYOUT_NT: A[m,k] B[n,k].  LAYOUT_NN: A[m,k] B[k,n].  LAYOUT_TN: A[k,m] B[k,n].
// Every row of A and column of B is multiplied by a power of two that brings its largest value
// near 2^14, undone at the end: nothing overflows, and what f16 loses is 2^-28 of the largest.
// HALF: operands are f16 in memory, and row r of C is multiplied by scale[r] instead.
// HALF DECODE: only A is; B is stored in blocks of type TYPE_… (whole blocks a row), decoded and rounded
// to f16 on its way to shared memory.
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
#include "push/matmul.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 128;   // LANES * TILE_M / SUB_M * TILE_N / SUB_N
layout(constant_id = 1) const uint LANES = 32;      // of a subgroup
layout(constant_id = 2) const uint UNIT_M = 16;     // the matrix unit's shape, multiples of eight
layout(constant_id = 3) const uint UNIT_N = 16;
layout(constant_id = 4) const uint UNIT_K = 16;
layout(constant_id = 5) const uint TILE_M = 64;
layout(constant_id = 6) const uint TILE_N = 64;
layout(constant_id = 7) const uint TILE_K = 32;
layout(constant_id = 8) const uint SUB_M = 32;
layout(constant_id = 9) const uint SUB_N = 32;
layout(constant_id = 10) const uint BUFFERS = 2;    // tiles of each operand: 1, or 2 and fewer barriers
layout(constant_id = 11) const uint ALIGNED = 0;    // 1: everything read or written lies in eights

#ifdef HALF
layout(set = 0, binding = 0) readonly buffer A { uvec4 a_eights[]; };
layout(set = 0, binding = 0) readonly buffer AWords { uint a_words[]; };
#ifndef DECODE
layout(set = 0, binding = 1) readonly buffer B { uvec4 b_eights[]; };
#endif
layout(set = 0, binding = 1) readonly buffer BWords { uint b_words[]; };
layout(set = 0, binding = 3) readonly buffer Scale { float scale[]; };
#else
layout(set = 0, binding = 0) readonly buffer A { vec4 a_fours[]; };
layout(set = 0, binding = 0) readonly buffer AValues { float a_values[]; };
layout(set = 0, binding = 1) readonly buffer B { vec4 b_fours[]; };
layout(set = 0, binding = 1) readonly buffer BValues { float b_values[]; };
#endif
layout(set = 0, binding = 2) buffer C { float c[]; };
layout(set = 0, binding = 2) buffer CFours { vec4 c_fours[]; };

#ifndef LAYOUT_TN
#define A_ALONG_K
#endif
#ifdef LAYOUT_NT
#define B_ALONG_K
#endif

// One uvec4 of padding a run makes the pitch odd: eight runs then lie in different banks.
#ifdef A_ALONG_K
const uint A_PITCH = TILE_K / 8 + 1, A_TILE_EIGHTS = TILE_M * A_PITCH;
#define A_AT(tile, r, s) ((tile) * TILE_EIGHTS + (r) * A_PITCH + (s) / 8)
#else
const uint A_PITCH = TILE_M / 8 + 1, A_TILE_EIGHTS = TILE_K * A_PITCH;
#define A_AT(tile, r, s) ((tile) * TILE_EIGHTS + (s) * A_PITCH + (r) / 8)
#endif
#ifdef B_ALONG_K
const uint B_PITCH = TILE_K / 8 + 1, B_TILE_EIGHTS = TILE_N * B_PITCH;
#define B_AT(tile, r, s) ((tile) * TILE_EIGHTS + A_TILE_EIGHTS + (r) * B_PITCH + (s) / 8)
#else
const uint B_PITCH = TILE_N / 8 + 1, B_TILE_EIGHTS = TILE_K * B_PITCH;
#define B_AT(tile, r, s) ((tile) * TILE_EIGHTS + A_TILE_EIGHTS + (s) * B_PITCH + (r) / 8)
#endif
const uint TILE_EIGHTS = A_TILE_EIGHTS + B_TILE_EIGHTS;
const uint ROWS = SUB_M / UNIT_M, COLUMNS = SUB_N / UNIT_N;   // units of a subgroup

shared uvec4 tiles[BUFFERS * TILE_EIGHTS];
shared float stage[THREADS / LANES * UNIT_M * UNIT_N];   // one unit of C per subgroup
#ifndef HALF
shared uint factor_bits[TILE_M + TILE_N];   // powers of two as float bits: rows of A, columns of B
#endif

#include "lib/matrix_unit.glsl"

#define OPERAND(name) a_##name
#define OPERAND_TILE TILE_M
#define OPERAND_COUNT push.m
#define OPERAND_FIRST 0
#define OPERAND_PEAK 0
#define OPERAND_PITCH A_PITCH
#ifdef A_ALONG_K
#define OPERAND_ALONG_K 1
#else
#define OPERAND_ALONG_K 0
#endif
#include "lib/matrix_operand.glsl"

#ifdef DECODE
#define SOURCE(i) b_words[i]
#include "lib/decode.glsl"
#include "lib/matrix_decoded.glsl"
#else
#define OPERAND(name) b_##name
#define OPERAND_TILE TILE_N
#define OPERAND_COUNT push.n
#define OPERAND_FIRST A_TILE_EIGHTS
#define OPERAND_PEAK TILE_M
#define OPERAND_PITCH B_PITCH
#ifdef B_ALONG_K
#define OPERAND_ALONG_K 1
#else
#define OPERAND_ALONG_K 0
#endif
#include "lib/matrix_operand.glsl"
#endif

#include "lib/matrix_result.glsl"

void main()
{
    // Groups that run at the same time share operands: bands of eight rows of tiles, downwards.
    uint down = (push.m + TILE_M - 1) / TILE_M, across = (push.n + TILE_N - 1) / TILE_N;
    uint band = GROUP_INDEX / (8 * across) * 8, within = GROUP_INDEX % (8 * across);
    if (band >= down)
        return;
    uint height = min(8u, down - band);
    uint row = (band + within % height) * TILE_M, column = within / height * TILE_N;
    if (within >= height * across)
        return;
    uint my_row = MATRIX_GROUP / (TILE_N / SUB_N) * SUB_M;
    uint my_column = MATRIX_GROUP % (TILE_N / SUB_N) * SUB_N;
    uint tile = 0, staged = MATRIX_GROUP * UNIT_M * UNIT_N;

    MatrixC sum[ROWS * COLUMNS];
    UNROLL for (uint i = 0; i < ROWS * COLUMNS; i++)
        MATRIX_ZERO(sum[i]);
#ifndef HALF
    find_factors(row, column);
#endif
    a_fetch(row, 0);
    b_fetch(column, 0);
    a_keep(0);
    b_keep(0);
    barrier();
    for (uint first = 0; first < push.k; first += TILE_K) {
        bool more = first + TILE_K < push.k;
        if (more) {
            a_fetch(row, first + TILE_K);
            b_fetch(column, first + TILE_K);
        }
        UNROLL for (uint s = 0; s < TILE_K; s += UNIT_K) {
            MatrixA left[ROWS];
            UNROLL for (uint i = 0; i < ROWS; i++)
                MATRIX_LOAD_A(left[i], A_AT(tile, my_row + i * UNIT_M, s));
            UNROLL for (uint j = 0; j < COLUMNS; j++) {
                MatrixB right;
                MATRIX_LOAD_B(right, B_AT(tile, my_column + j * UNIT_N, s));
                UNROLL for (uint i = 0; i < ROWS; i++)
                    MATRIX_MULTIPLY(left[i], right, sum[i * COLUMNS + j]);
            }
        }
        if (BUFFERS == 1)
            barrier();
        else
            tile ^= 1u;
        if (more) {
            a_keep(tile);
            b_keep(tile);
        }
        barrier();
    }
    UNROLL for (uint i = 0; i < ROWS; i++)
        UNROLL for (uint j = 0; j < COLUMNS; j++) {
            MATRIX_STORE(sum[i * COLUMNS + j], stage, staged);
            MATRIX_FENCE();
            write_unit(staged, row, column, my_row + i * UNIT_M, my_column + j * UNIT_N);
            MATRIX_FENCE();
        }
}
