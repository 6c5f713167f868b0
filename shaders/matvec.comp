// y[r, first_row + j] = sum_k x[r,k] * w[j,k] (+ y), r < rows <= 16: a few vectors through a stored
// matrix (type TYPE_…) without expanding it; its last rows may have outputs of their own. LANES
// invocations walk along STRIP rows of w side by side, neighbours at neighbouring pieces
// (lib/pieces.glsl), so that memory is read in whole lines; their sums are added up in a fixed
// order, with SUBGROUPS by subgroups, else by a tree. One lane to a row is what CPU drivers want.
// k a multiple of the type's block; f32 sums.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "lib/common.glsl"
#include "push/matvec.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
layout(constant_id = 1) const uint LANES = 1;    // a power of two; with SUBGROUPS whole subgroups
layout(constant_id = 2) const uint STRIP = 1;
layout(constant_id = 3) const uint ROWS = 16;    // vectors, at least push.rows
layout(constant_id = 4) const uint WHOLE = 0;    // rows are whole pieces, and x lies in fours
const uint SETS = THREADS / LANES, SUMS = STRIP * ROWS;

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 0) readonly buffer X4 { vec4 x4[]; };
layout(set = 0, binding = 1) readonly buffer W { uint w[]; };
layout(set = 0, binding = 1) readonly buffer W4 { uvec4 w4[]; };
#include "lib/matvec_output.glsl"

#define SOURCE(i) w[i]
#define SOURCE4(i) w4[i]
#include "lib/decode.glsl"
#include "lib/pieces.glsl"

#ifdef SUBGROUPS
layout(constant_id = 5) const uint SUBGROUP = 32;
shared float partial[THREADS / SUBGROUP * SUMS];
#else
shared vec4 partial[THREADS];
#endif

float sum[SUMS];

void add_piece(uint start[STRIP], uint p)
{
    vec4 code[STRIP * VECTORS];
    vec2 affine[STRIP * AFFINES];
    [[unroll]] for (uint s = 0u; s < STRIP; s++) {
        vec4 own_code[VECTORS];
        vec2 own_affine[AFFINES];
        decode_piece(start[s], p, own_code, own_affine);
        [[unroll]] for (uint i = 0u; i < VECTORS; i++)
            code[s * VECTORS + i] = own_code[i];
        [[unroll]] for (uint a = 0u; a < AFFINES; a++)
            affine[s * AFFINES + a] = own_affine[a];
    }
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        uint row = min(r, push.rows - 1u) * (push.x_stride / 4u);
        [[unroll]] for (uint a = 0u; a < AFFINES; a++) {
            vec4 terms[SHARING], all = vec4(0.0);
            [[unroll]] for (uint i = 0u; i < SHARING; i++) {
                terms[i] = x4[row + piece_vector(p, a * SHARING + i)];
                all += terms[i];
            }
            [[unroll]] for (uint s = 0u; s < STRIP; s++) {
                vec4 products = vec4(0.0);
                [[unroll]] for (uint i = 0u; i < SHARING; i++)
                    products += code[s * VECTORS + a * SHARING + i] * terms[i];
                float whole = (products.x + products.y) + (products.z + products.w);
                vec2 factor = affine[s * AFFINES + a];
                sum[s * ROWS + r] += AFFINE_SCALE ? factor.x * whole : whole;
                if (AFFINE_OFFSET)
                    sum[s * ROWS + r] += factor.y * ((all.x + all.y) + (all.z + all.w));
            }
        }
    }
}

// Sum `number` of the strip that begins with row `first`.
void put_sum(uint first, uint number, float value)
{
    uint j = first + number / ROWS, r = number % ROWS;
    if (j < push.n && r < push.rows)
        put(r, j, value);
}

void walk(uint start[STRIP], uint lane)
{
    if (WHOLE != 0u && LANES > 1u) {
        for (uint p = lane; p < push.k / (VECTORS * 4u); p += LANES)
            add_piece(start, p);
        return;
    }
    // one row; groups of 32 values may straddle rows of a plain type when k is no multiple of 32
    uint whole = LANES == 1u && push.k % 32u == 0u ? push.k : 0u;
    for (uint c = 0u; c < whole; c += 32u) {
        vec4 v[8];
        decode32(start[0] + c, v);
        [[dont_unroll]] for (uint r = 0u; r < ROWS; r++) {   // sixteen take llvmpipe 10 s to compile
            uint at = min(r, push.rows - 1u) * push.x_stride + c;
            for (uint i = 0u; i < 8u; i++)
                sum[r] += dot(v[i], vec4(x[at + i * 4u], x[at + i * 4u + 1u],
                                         x[at + i * 4u + 2u], x[at + i * 4u + 3u]));
        }
    }
    for (uint c = whole + lane; c < push.k; c += LANES)
        for (uint s = 0u; s < STRIP; s++) {
            float value = decode1(start[s] + c);
            for (uint r = 0u; r < ROWS; r++)
                sum[s * ROWS + r] += value * x[min(r, push.rows - 1u) * push.x_stride + c];
        }
}

void main()
{
#ifdef SUBGROUPS
    const uint per_set = LANES / SUBGROUP;
    uint set = gl_SubgroupID / per_set;
    uint lane = gl_SubgroupID % per_set * SUBGROUP + gl_SubgroupInvocationID;
#else
    uint set = gl_LocalInvocationID.x / LANES, lane = gl_LocalInvocationID.x % LANES;
#endif
    uint begin = GROUP_INDEX * SETS * STRIP;
    if (begin >= push.n)
        return;
    uint first = begin + set * STRIP, start[STRIP];
    [[unroll]] for (uint s = 0u; s < STRIP; s++)
        start[s] = min(first + s, push.n - 1u) * push.k;
    [[unroll]] for (uint i = 0u; i < SUMS; i++)
        sum[i] = 0.0;
    walk(start, lane);
#ifdef SUBGROUPS
    [[unroll]] for (uint i = 0u; i < SUMS; i++) {
        float all = subgroupAdd(sum[i]);
        if (subgroupElect())
            partial[gl_SubgroupID * SUMS + i] = all;
    }
    barrier();
    for (uint i = gl_LocalInvocationID.x; i < SETS * SUMS; i += THREADS) {
        uint at = i / SUMS * per_set * SUMS + i % SUMS;
        float all = partial[at];
        [[unroll]] for (uint q = 1u; q < per_set; q++)
            all += partial[at + q * SUMS];
        put_sum(begin + i / SUMS * STRIP, i % SUMS, all);
    }
#else
    [[unroll]] for (uint i = 0u; i < SUMS; i += 4u) {
        vec4 four = vec4(sum[i], sum[min(i + 1u, SUMS - 1u)], sum[min(i + 2u, SUMS - 1u)],
                         sum[min(i + 3u, SUMS - 1u)]);
        if (LANES > 1u) {
            barrier();
            partial[set * LANES + lane] = four;
            barrier();
            [[unroll]] for (uint half_size = LANES / 2u; half_size > 0u; half_size /= 2u) {
                if (lane < half_size)
                    partial[set * LANES + lane] += partial[set * LANES + lane + half_size];
                barrier();
            }
            four = partial[set * LANES];
        }
        [[unroll]] for (uint q = 0u; q < 4u; q++)
            if (lane == 0u && i + q < SUMS)
                put_sum(first, i + q, four[q]);
    }
#endif
}
