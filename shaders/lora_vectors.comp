// y_i[r,j] += scale * sum_q B_i[j,q] * sum_c A_i[q,c] * x[r,c] for up to three adapters of one x:
// what adapters add while decoding, in one dispatch. Every group computes A x for itself, CHUNK rows
// of A at a time: neighbours read neighbouring fours of each, so that a few trips along k suffice
// (one product at a time waited for memory k / 16 times). Then one row of B in each invocation.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"
#include "push/lora_vectors.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 128;   // a multiple of CHUNK
layout(constant_id = 1) const uint GROUP_ROWS = 256;

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 0) readonly buffer X4 { vec4 x4[]; };
layout(set = 0, binding = 1) readonly buffer Adapters { float adapters[]; };
layout(set = 0, binding = 1) readonly buffer Adapters4 { vec4 adapters4[]; };
layout(set = 0, binding = 2) buffer Y0 { float y0[]; };
layout(set = 0, binding = 3) buffer Y1 { float y1[]; };
layout(set = 0, binding = 4) buffer Y2 { float y2[]; };

#include "lib/lora_parts.glsl"
#include "lib/chunk_sums.glsl"
shared float h[8u * 64u];   // [rows, rank]

// sum[i] = this invocation's terms of row first + i of A times vector r.
void add_terms(uint a, uint r, uint first, inout float sum[CHUNK])
{
    uint lane = gl_LocalInvocationID.x;
    if (push.k % 4u == 0u && a % 4u == 0u) {
        uint vectors = push.k / 4u;
        for (uint c = lane; c < vectors; c += THREADS) {
            vec4 terms = x4[r * vectors + c];
            [[unroll]] for (uint i = 0u; i < CHUNK; i++)
                sum[i] += dot(terms, adapters4[a / 4u + min(first + i, push.rank - 1u) * vectors + c]);
        }
    } else {
        for (uint c = lane; c < push.k; c += THREADS)
            [[unroll]] for (uint i = 0u; i < CHUNK; i++)
                sum[i] += x[r * push.k + c] * adapters[a + min(first + i, push.rank - 1u) * push.k + c];
    }
}

float row_of_b(uint b, uint r)
{
    float sum = 0.0;
    if (push.rank % 4u == 0u && b % 4u == 0u)
        for (uint q = 0u; q < push.rank; q += 4u) {
            uint at = r * push.rank + q;
            sum += dot(adapters4[(b + q) / 4u], vec4(h[at], h[at + 1u], h[at + 2u], h[at + 3u]));
        }
    else
        for (uint q = 0u; q < push.rank; q++)
            sum += adapters[b + q] * h[r * push.rank + q];
    return sum;
}

void main()
{
    Part part = part_of(GROUP_INDEX);
    if (part.n == 0u)
        return;
    uint lane = gl_LocalInvocationID.x;
    for (uint r = 0u; r < push.rows; r++)
        for (uint first = 0u; first < push.rank; first += CHUNK) {
            float sum[CHUNK];
            [[unroll]] for (uint i = 0u; i < CHUNK; i++)
                sum[i] = 0.0;
            add_terms(part.a, r, first, sum);
            if (r + first > 0u)
                barrier();   // what an earlier chunk left may still be being read
            float total = chunk_total(sum);
            if (lane < CHUNK && first + lane < push.rank)
                h[r * push.rank + first + lane] = total;
        }
    barrier();
    uint end = min(part.first + GROUP_ROWS, part.n);
    for (uint j = part.first + lane; j < end; j += THREADS)
        for (uint r = 0u; r < push.rows; r++)
            add_to(part.index, r * part.n + j, push.scale * row_of_b(part.b + j * push.rank, r));
}
