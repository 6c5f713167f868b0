// C[m,n] = alpha * op(A,B) (+ C) for CPU drivers: no shared memory, one subgroup of 8 per
// workgroup, 32 x SPAN outputs in registers.  LAYOUT_NT, _NN, _TN as in matmul_tile.comp; every
// row of A, B and C starts at a multiple of four elements, n is one, and k (LAYOUT_TN: m) too.
//
// Why it looks like this (lavapipe 22 to 25): a storage buffer read inside a loop becomes a loop
// over the lanes with a branch for each, a texel buffer read becomes eight 16-byte loads and a
// transposition; a shuffle by a constant is one instruction, so the operand that all lanes share
// is read once and broadcast from registers; multiplication and addition are never fused, and
// many independent sums hide their latency. C is stored once: there the storage buffer is faster.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"
#include "push/matmul.push.h"

layout(local_size_x = 8) in;
layout(constant_id = 0) const uint SPAN = 32;   // outputs on the broadcast side: 8, 16, 24, 32

layout(set = 0, binding = 0, rgba32ui) uniform readonly uimageBuffer a;
layout(set = 0, binding = 1, rgba32ui) uniform readonly uimageBuffer b;
layout(set = 0, binding = 2) buffer C { vec4 c[]; };

// The "wide" operand gives each lane four entries of its own (32 in all), the "shared" one SPAN
// entries that every lane needs. LANES_M: lanes lie along the rows of C, else along its columns.
// KMAJOR: neighbours in memory are neighbouring entries, not neighbouring terms of a sum.
#ifdef LAYOUT_TN
#define A_KMAJOR 1
#else
#define A_KMAJOR 0
#endif
#ifdef LAYOUT_NT
#define B_KMAJOR 0
#else
#define B_KMAJOR 1
#endif
#ifdef LANES_M
#define WIDE(what) a_##what
#define SHARED(what) b_##what
#define WIDE_AT(i) uintBitsToFloat(imageLoad(a, int(i)))
#define SHARED_AT(i) uintBitsToFloat(imageLoad(b, int(i)))
#define WIDE_COUNT push.m
#define SHARED_COUNT push.n
#define WIDE_KMAJOR A_KMAJOR
#define SHARED_KMAJOR B_KMAJOR
#else
#define WIDE(what) b_##what
#define SHARED(what) a_##what
#define WIDE_AT(i) uintBitsToFloat(imageLoad(b, int(i)))
#define SHARED_AT(i) uintBitsToFloat(imageLoad(a, int(i)))
#define WIDE_COUNT push.n
#define SHARED_COUNT push.m
#define WIDE_KMAJOR B_KMAJOR
#define SHARED_KMAJOR A_KMAJOR
#endif

void store(uint row, uint column, vec4 value)
{
    if (row >= push.m || column >= push.n)
        return;
    uint at = (push.c_offset + row * push.c_stride + column) / 4u;
    value *= push.alpha;
    if (push.accumulate != 0u)
        value += c[at];
    c[at] = value;
}

void main()
{
    uint lane = gl_SubgroupInvocationID;
#ifdef LANES_M
    uint row_tile = 32u, column_tile = SPAN;
#else
    uint row_tile = SPAN, column_tile = 32u;
#endif
    // Neighbouring groups share columns: that part of B stays in the cache and in the TLB.
    uint row_blocks = (push.m + row_tile - 1u) / row_tile;
    uint row = GROUP_INDEX % row_blocks * row_tile;
    uint column = GROUP_INDEX / row_blocks * column_tile;
    if (column >= push.n)
        return;
#ifdef LANES_M
    uint wide_first = row, shared_first = column;
#else
    uint wide_first = column, shared_first = row;
#endif

    // Texel of the first term for each entry; entries past the edge repeat the last one.
    uint wide_stride = push.WIDE(stride) / 4u, shared_stride = push.SHARED(stride) / 4u;
    uint wide_at[4], shared_at[SPAN / 8u];
    [[unroll]] for (uint j = 0u; j < 4u; j++)
#if WIDE_KMAJOR
        wide_at[j] = push.WIDE(offset) / 4u + min(wide_first / 4u + lane, WIDE_COUNT / 4u - 1u);
#else
        wide_at[j] = push.WIDE(offset) / 4u
                   + min(wide_first + lane * 4u + j, WIDE_COUNT - 1u) * wide_stride;
#endif
    [[unroll]] for (uint g = 0u; g < SPAN / 8u; g++)
#if SHARED_KMAJOR
        shared_at[g] = push.SHARED(offset) / 4u
                     + min(shared_first / 4u + lane, SHARED_COUNT / 4u - 1u);
#else
        shared_at[g] = push.SHARED(offset) / 4u
                     + min(shared_first + g * 8u + lane, SHARED_COUNT - 1u) * shared_stride;
#endif

    vec4 sum[SPAN];   // [s][j]: shared entry s with the lane's entry j
    [[unroll]] for (uint s = 0u; s < SPAN; s++)
        sum[s] = vec4(0.0);
    for (uint k = 0u; k < push.k; k += 4u) {
        vec4 wide[4], terms[SPAN / 8u < 4u ? 4u : SPAN / 8u];
#if WIDE_KMAJOR
        [[unroll]] for (uint q = 0u; q < 4u; q++)
            wide[q] = WIDE_AT(wide_at[0] + min(k + q, push.k - 1u) * wide_stride);
#else
        vec4 rows[4];
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            rows[j] = WIDE_AT(wide_at[j] + k / 4u);
        [[unroll]] for (uint q = 0u; q < 4u; q++)
            wide[q] = vec4(rows[0][q], rows[1][q], rows[2][q], rows[3][q]);
#endif
#if SHARED_KMAJOR
        [[unroll]] for (uint q = 0u; q < 4u; q++) {
            terms[q] = SHARED_AT(shared_at[0] + min(k + q, push.k - 1u) * shared_stride);
            if (k + q >= push.k)
                terms[q] = vec4(0.0);
        }
#else
        [[unroll]] for (uint g = 0u; g < SPAN / 8u; g++)
            terms[g] = SHARED_AT(shared_at[g] + k / 4u);
#endif
        [[unroll]] for (uint s = 0u; s < SPAN; s++)
            [[unroll]] for (uint q = 0u; q < 4u; q++) {
#if SHARED_KMAJOR
                float term = subgroupShuffle(terms[q][s % 4u], s / 4u);
#else
                float term = subgroupShuffle(terms[s / 8u][q], s % 8u);
#endif
                sum[s] += term * wide[q];
            }
    }
#ifdef LANES_M
    [[unroll]] for (uint s = 0u; s < SPAN; s += 4u)
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            store(row + lane * 4u + j, column + s,
                  vec4(sum[s][j], sum[s + 1u][j], sum[s + 2u][j], sum[s + 3u][j]));
#else
    [[unroll]] for (uint s = 0u; s < SPAN; s++)
        store(row + s, column + lane * 4u, sum[s]);
#endif
}
