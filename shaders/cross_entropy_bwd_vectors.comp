// cross_entropy_bwd for vocabularies that are a multiple of 4.  One invocation per four
// columns of a row.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numeric.glsl"
#include "push/cross_entropy.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) buffer Logits { vec4 logits[]; };
layout(set = 0, binding = 1) readonly buffer Labels { uint labels[]; };
layout(set = 0, binding = 2) readonly buffer Weights { float weights[]; };
layout(set = 0, binding = 3) readonly buffer Lse { float lse[]; };

void main()
{
    uint per_row = push.vocab / 4;
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.rows * per_row)
        return;
    uint row = i / per_row;
    uint column = i % per_row * 4;
    vec4 value = exp_accurate(logits[i] - lse[push.first + row]);
    value -= vec4(equal(uvec4(column, column + 1, column + 2, column + 3),
                        uvec4(labels[push.first + row])));
    logits[i] = push.scale * weights[push.first + row] * value;
}
