// lora_vectors for CPU drivers: one subgroup of 8 per workgroup, x and the adapters as texel
// buffers. k is a multiple of 4 and RANK too; k / 4 lanes share a product, B's rows lie in lanes.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"
#include "push/lora_vectors.push.h"

layout(local_size_x = 8) in;
layout(constant_id = 0) const uint GROUP_ROWS = 384;
layout(constant_id = 1) const uint RANK = 16;   // push.rank

layout(set = 0, binding = 0, rgba32ui) uniform readonly uimageBuffer x;
layout(set = 0, binding = 1, rgba32ui) uniform readonly uimageBuffer adapters;
layout(set = 0, binding = 2) buffer Y0 { float y0[]; };
layout(set = 0, binding = 3) buffer Y1 { float y1[]; };
layout(set = 0, binding = 4) buffer Y2 { float y2[]; };

#include "lib/lora_parts.glsl"

vec4 adapter_at(uint i)
{
    return uintBitsToFloat(imageLoad(adapters, int(i)));
}

void main()
{
    Part part = part_of(GROUP_INDEX);
    if (part.n == 0u)
        return;
    uint lane = gl_SubgroupInvocationID, vectors = push.k / 4u;
    uint end = min(part.first + GROUP_ROWS, part.n);
    for (uint r = 0u; r < push.rows; r++) {
        float h[RANK];
        [[unroll]] for (uint q = 0u; q < RANK; q++)
            h[q] = 0.0;
        for (uint c = lane; c < vectors; c += 8u) {
            vec4 terms = uintBitsToFloat(imageLoad(x, int(r * vectors + c)));
            [[unroll]] for (uint q = 0u; q < RANK; q++)
                h[q] += dot(terms, adapter_at(part.a / 4u + q * vectors + c));
        }
        [[unroll]] for (uint q = 0u; q < RANK; q++)
            h[q] = push.scale * subgroupAdd(h[q]);
        for (uint j = part.first + lane; j < end; j += 8u) {
            float sum = 0.0;
            [[unroll]] for (uint q = 0u; q < RANK; q += 4u)
                sum += dot(adapter_at((part.b + j * RANK + q) / 4u),
                           vec4(h[q], h[q + 1u], h[q + 2u], h[q + 3u]));
            add_to(part.index, r * part.n + j, sum);
        }
    }
}
