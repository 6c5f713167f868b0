// y_i[r,j] += scale * sum_q B_i[j,q] * sum_c A_i[q,c] * x[r,c] for up to three adapters of one x:
// what adapters add while decoding, in one dispatch. Every group computes A x for itself, LANES
// invocations to a product, and then one row of B in each invocation.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/lora_vectors.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 128;
layout(constant_id = 1) const uint GROUP_ROWS = 256;

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 1) readonly buffer Adapters { float adapters[]; };
layout(set = 0, binding = 2) buffer Y0 { float y0[]; };
layout(set = 0, binding = 3) buffer Y1 { float y1[]; };
layout(set = 0, binding = 4) buffer Y2 { float y2[]; };

#include "lib/lora_parts.glsl"

const uint LANES = 16u;
shared float partial[THREADS];
shared float h[8u * 64u];   // [rows, rank]

void main()
{
    Part part = part_of(GROUP_INDEX);
    if (part.n == 0u)
        return;
    uint lane = gl_LocalInvocationID.x, products = push.rows * push.rank;
    for (uint first = 0u; first < products; first += THREADS / LANES) {
        uint product = first + lane / LANES;
        uint r = product / push.rank, q = product % push.rank;
        float sum = 0.0;
        if (product < products)
            for (uint c = lane % LANES; c < push.k; c += LANES)
                sum += x[r * push.k + c] * adapters[part.a + q * push.k + c];
        partial[lane] = sum;
        barrier();
        if (lane % LANES == 0u && product < products) {
            float all = 0.0;
            for (uint i = 0u; i < LANES; i++)
                all += partial[lane + i];
            h[product] = all;
        }
        barrier();
    }
    uint end = min(part.first + GROUP_ROWS, part.n);
    for (uint j = part.first + lane; j < end; j += THREADS)
        for (uint r = 0u; r < push.rows; r++) {
            float sum = 0.0;
            for (uint q = 0u; q < push.rank; q++)
                sum += adapters[part.b + j * push.rank + q] * h[r * push.rank + q];
            add_to(part.index, r * part.n + j, push.scale * sum);
        }
}
