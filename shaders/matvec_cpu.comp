// y[r, first_row + j] = sum_k x[r,k] * w[j,k] (+ y) as in matvec.comp, for CPU drivers: one
// subgroup of 8 per workgroup, PER_LANE rows of w in each lane, x and w read as texel buffers (see
// matmul_cpu.comp), x broadcast by shuffles.  k is a multiple of 32, x_stride of 4, and w of four
// words; weights are decoded once for all vectors.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"
#include "push/matvec.push.h"

layout(local_size_x = 8) in;
layout(constant_id = 0) const uint PER_LANE = 2;
layout(constant_id = 1) const uint ROWS = 16;   // vectors, at least push.rows

layout(set = 0, binding = 0, rgba32ui) uniform readonly uimageBuffer x;
layout(set = 0, binding = 1, rgba32ui) uniform readonly uimageBuffer w;
#include "lib/matvec_output.glsl"

uint word_of_w(uint i)
{
    uvec4 texel = imageLoad(w, int(i >> 2));
    uvec2 pair = (i & 2u) != 0u ? texel.zw : texel.xy;
    return (i & 1u) != 0u ? pair.y : pair.x;
}
#define SOURCE(i) word_of_w(i)
#include "lib/decode.glsl"

void main()
{
    uint lane = gl_SubgroupInvocationID;
    uint first = GROUP_INDEX * 8u * PER_LANE;
    if (first >= push.n)
        return;
    uint start[PER_LANE];
    [[unroll]] for (uint p = 0u; p < PER_LANE; p++)
        start[p] = min(first + p * 8u + lane, push.n - 1u) * push.k;
    float sum[ROWS * PER_LANE];
    [[unroll]] for (uint i = 0u; i < ROWS * PER_LANE; i++)
        sum[i] = 0.0;
    for (uint s = 0u; s < push.k; s += 32u) {
        vec4 v[PER_LANE * 8u];
        [[unroll]] for (uint p = 0u; p < PER_LANE; p++) {
            vec4 decoded[8];
            decode32(start[p] + s, decoded);
            [[unroll]] for (uint i = 0u; i < 8u; i++)
                v[p * 8u + i] = decoded[i];
        }
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            // lane i holds terms 4 i … 4 i + 3
            uint at = min(r, push.rows - 1u) * push.x_stride + s;
            vec4 terms = uintBitsToFloat(imageLoad(x, int(at / 4u + lane)));
            [[unroll]] for (uint i = 0u; i < 32u; i++) {
                float term = subgroupShuffle(terms[i % 4u], i / 4u);
                [[unroll]] for (uint p = 0u; p < PER_LANE; p++)
                    sum[r * PER_LANE + p] += term * v[p * 8u + i / 4u][i % 4u];
            }
        }
    }
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
        [[unroll]] for (uint p = 0u; p < PER_LANE; p++) {
            uint j = first + p * 8u + lane;
            if (r < push.rows && j < push.n)
                put(r, j, sum[r * PER_LANE + p]);
        }
}
