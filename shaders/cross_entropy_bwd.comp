// In place: logits[r,c] becomes scale * weights[first+r] * (exp(logits[r,c] - lse[first+r])
// - [c == labels[first+r]]).  One invocation per four columns of a row.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numeric.glsl"
#include "push/cross_entropy.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) buffer Logits { float logits[]; };
layout(set = 0, binding = 1) readonly buffer Labels { uint labels[]; };
layout(set = 0, binding = 2) readonly buffer Weights { float weights[]; };
layout(set = 0, binding = 3) readonly buffer Lse { float lse[]; };

void main()
{
    uint per_row = (push.vocab + 3) / 4;
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.rows * per_row)
        return;
    uint row = i / per_row;
    uint base = row * push.vocab;
    float factor = push.scale * weights[push.first + row];
    float row_lse = lse[push.first + row];
    uint label = labels[push.first + row];
    uint end = min((i % per_row) * 4 + 4, push.vocab);
    for (uint c = (i % per_row) * 4; c < end; c++)
        logits[base + c] = factor * (exp_accurate(logits[base + c] - row_lse)
                                     - (c == label ? 1.0 : 0.0));
}
