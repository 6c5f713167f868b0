// C[m,n] = alpha * op(A,B) (+ C).  One group per TILE_M x TILE_N block of C, both operands
// staged in shared memory TILE_K columns at a time, WORK_M x WORK_N outputs per invocation.
// LAYOUT_NT: A[m,k] B[n,k].  LAYOUT_NN: A[m,k] B[k,n].  LAYOUT_TN: A[k,m] B[k,n].  Any sizes; f32 sums.
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
layout(constant_id = 4) const uint WORK_M = 8;
layout(constant_id = 5) const uint WORK_N = 8;

layout(set = 0, binding = 0) readonly buffer A { float a[]; };
layout(set = 0, binding = 1) readonly buffer B { float b[]; };
layout(set = 0, binding = 2) buffer C { float c[]; };

// One column of padding: the transposing stores of a tile would all hit one bank.
const uint A_PITCH = TILE_M + 1;
const uint B_PITCH = TILE_N + 1;
shared float a_tile[TILE_K * A_PITCH];   // [TILE_K, TILE_M]
shared float b_tile[TILE_K * B_PITCH];   // [TILE_K, TILE_N]

// Fills both tiles from column `first` of the sums; outside the matrices they are zero.
// Unrolled, here and below: llvmpipe ends all loops of an invocation after 65,535 iterations
// in all, which the sums over a vocabulary would reach.
void load_tiles(uint row, uint column, uint first)
{
    [[unroll]] for (uint turn = 0; turn < (TILE_M * TILE_K + THREADS - 1) / THREADS; turn++) {
        uint i = gl_LocalInvocationID.x + turn * THREADS;
#ifdef LAYOUT_TN
        uint r = i % TILE_M, s = i / TILE_M;
        uint at = push.a_offset + (first + s) * push.a_stride + row + r;
#else
        uint r = i / TILE_K, s = i % TILE_K;
        uint at = push.a_offset + (row + r) * push.a_stride + first + s;
#endif
        bool inside = row + r < push.m && first + s < push.k;
        if (i < TILE_M * TILE_K)
            a_tile[s * A_PITCH + r] = inside ? a[at] : 0.0;
    }
    [[unroll]] for (uint turn = 0; turn < (TILE_N * TILE_K + THREADS - 1) / THREADS; turn++) {
        uint i = gl_LocalInvocationID.x + turn * THREADS;
#ifdef LAYOUT_NT
        uint r = i / TILE_K, s = i % TILE_K;
        uint at = push.b_offset + (column + r) * push.b_stride + first + s;
#else
        uint r = i % TILE_N, s = i / TILE_N;
        uint at = push.b_offset + (first + s) * push.b_stride + column + r;
#endif
        bool inside = column + r < push.n && first + s < push.k;
        if (i < TILE_N * TILE_K)
            b_tile[s * B_PITCH + r] = inside ? b[at] : 0.0;
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
    // An invocation's outputs lie `down` rows and `across` columns apart, so that
    // neighbours read neighbouring shared words and write neighbouring columns of C.
    uint my_row = gl_LocalInvocationID.x / across;
    uint my_column = gl_LocalInvocationID.x % across;

    float sum[WORK_M * WORK_N];
    [[unroll]] for (uint i = 0; i < WORK_M * WORK_N; i++)
        sum[i] = 0.0;
    for (uint first = 0; first < push.k; first += TILE_K) {
        load_tiles(row, column, first);
        barrier();
        for (uint four = 0; four < TILE_K; four += 4) [[unroll]] for (uint s = four; s < four + 4; s++) {
            float left[WORK_M], right[WORK_N];
            [[unroll]] for (uint i = 0; i < WORK_M; i++)
                left[i] = a_tile[s * A_PITCH + my_row + i * down];
            [[unroll]] for (uint j = 0; j < WORK_N; j++)
                right[j] = b_tile[s * B_PITCH + my_column + j * across];
            [[unroll]] for (uint i = 0; i < WORK_M; i++)
                [[unroll]] for (uint j = 0; j < WORK_N; j++)
                    sum[i * WORK_N + j] = fma(left[i], right[j], sum[i * WORK_N + j]);
        }
        barrier();
    }
    [[unroll]] for (uint i = 0; i < WORK_M; i++)
        [[unroll]] for (uint j = 0; j < WORK_N; j++) {
            uint r = row + my_row + i * down, s = column + my_column + j * across;
            if (r >= push.m || s >= push.n)
                continue;
            uint at = push.c_offset + r * push.c_stride + s;
            float value = push.alpha * sum[i * WORK_N + j];
            c[at] = push.accumulate != 0u ? c[at] + value : value;
        }
}
