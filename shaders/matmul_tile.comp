// C[m,n] = alpha * op(A,B) (+ C).  One group per TILE_M x TILE_N block of C, both operands
// staged in shared memory TILE_K columns at a time, WORK_M x WORK_N outputs per invocation.
// LAYOUT_NT: A[m,k] B[n,k].  LAYOUT_NN: A[m,k] B[k,n].  LAYOUT_TN: A[k,m] B[k,n].  Any sizes; f32 sums.
// DECODE: B is stored in blocks of type TYPE_…, decoded on its way to shared memory (whole blocks a
// row); sums are those of the expanded B to the bit.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"
#include "push/matmul.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;   // TILE_M / WORK_M * TILE_N / WORK_N
layout(constant_id = 1) const uint TILE_M = 64;
layout(constant_id = 2) const uint TILE_N = 64;
layout(constant_id = 3) const uint TILE_K = 16;
layout(constant_id = 4) const uint WORK_M = 8;     // multiples of four, as all tiles are
layout(constant_id = 5) const uint WORK_N = 8;
layout(constant_id = 6) const uint BUFFERS = 2;    // tiles of each operand: 1, or 2 and fewer barriers
layout(constant_id = 7) const uint ALIGNED = 0;    // 1: everything read or written lies in fours

layout(set = 0, binding = 0) readonly buffer A { vec4 a_fours[]; };
layout(set = 0, binding = 0) readonly buffer AValues { float a_values[]; };
#ifdef DECODE
layout(set = 0, binding = 1) readonly buffer B { uint b_words[]; };
#define SOURCE(i) b_words[i]
#include "lib/decode.glsl"
#else
layout(set = 0, binding = 1) readonly buffer B { vec4 b_fours[]; };
layout(set = 0, binding = 1) readonly buffer BValues { float b_values[]; };
#endif
layout(set = 0, binding = 2) buffer C { float c[]; };
layout(set = 0, binding = 2) buffer CFours { vec4 c_fours[]; };

// Four values of padding: a transposing store then meets no bank more than twice, and fours of
// a row stay where one read takes them.
const uint A_PITCH = TILE_M + 4, B_PITCH = TILE_N + 4;
const uint A_VALUES = TILE_K * A_PITCH, TILE_VALUES = A_VALUES + TILE_K * B_PITCH;
shared float tiles[BUFFERS * TILE_VALUES];

#define OPERAND(name) a_##name
#define OPERAND_TILE TILE_M
#define OPERAND_COUNT push.m
#define OPERAND_FIRST 0
#define OPERAND_PITCH A_PITCH
#ifdef LAYOUT_TN
#define OPERAND_ALONG_K 0
#else
#define OPERAND_ALONG_K 1
#endif
#include "lib/tile_operand.glsl"

#ifdef LAYOUT_NT
#define B_ALONG_K 1
#else
#define B_ALONG_K 0
#endif
#ifdef DECODE
#include "lib/tile_decoded.glsl"
#else
#define OPERAND(name) b_##name
#define OPERAND_TILE TILE_N
#define OPERAND_COUNT push.n
#define OPERAND_FIRST A_VALUES
#define OPERAND_PITCH B_PITCH
#define OPERAND_ALONG_K B_ALONG_K
#include "lib/tile_operand.glsl"
#endif

void write_four(uint row, uint column, vec4 sum)
{
    uint at = push.c_offset + row * push.c_stride + column;
    vec4 value = push.alpha * sum;
    if (row < push.m && column < push.n) {
        if (ALIGNED != 0) {
            if (push.accumulate != 0u)
                value += c_fours[at / 4];
            c_fours[at / 4] = value;
        } else {
            [[unroll]] for (uint e = 0; e < 4; e++)
                if (column + e < push.n)
                    c[at + e] = push.accumulate != 0u ? c[at + e] + value[e] : value[e];
        }
    }
}

void main()
{
    const uint across = TILE_N / WORK_N, down = TILE_M / WORK_M;
    uint blocks = (push.n + TILE_N - 1) / TILE_N;
    uint row = GROUP_INDEX / blocks * TILE_M;
    uint column = GROUP_INDEX % blocks * TILE_N;
    if (row >= push.m)
        return;
    // An invocation's outputs come in blocks of 4 x 4 that lie 4 `down` rows and 4 `across`
    // columns apart, so that neighbours read and write neighbouring fours.
    uint my_row = gl_LocalInvocationID.x / across * 4;
    uint my_column = gl_LocalInvocationID.x % across * 4;
    uint tile = 0;

    float sum[WORK_M * WORK_N];
    [[unroll]] for (uint i = 0; i < WORK_M * WORK_N; i++)
        sum[i] = 0.0;
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
        // By fours: llvmpipe ends all loops of an invocation after 65,535 iterations in all, which
        // the sums over a vocabulary would reach.
        for (uint four = 0; four < TILE_K; four += 4) [[unroll]] for (uint s = four; s < four + 4; s++) {
            float left[WORK_M], right[WORK_N];
            uint at = tile * TILE_VALUES + s * A_PITCH + my_row;
            [[unroll]] for (uint i = 0; i < WORK_M; i++)
                left[i] = tiles[at + i / 4 * 4 * down + i % 4];
            at = tile * TILE_VALUES + A_VALUES + s * B_PITCH + my_column;
            [[unroll]] for (uint j = 0; j < WORK_N; j++)
                right[j] = tiles[at + j / 4 * 4 * across + j % 4];
            [[unroll]] for (uint i = 0; i < WORK_M; i++)
                [[unroll]] for (uint j = 0; j < WORK_N; j++)
                    sum[i * WORK_N + j] = fma(left[i], right[j], sum[i * WORK_N + j]);
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
    [[unroll]] for (uint i = 0; i < WORK_M; i++)
        [[unroll]] for (uint j = 0; j < WORK_N; j += 4)
            write_four(row + my_row + i / 4 * 4 * down + i % 4, column + my_column + j * across,
                       vec4(sum[i * WORK_N + j], sum[i * WORK_N + j + 1], sum[i * WORK_N + j + 2],
                            sum[i * WORK_N + j + 3]));
}
