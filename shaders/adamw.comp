// AdamW (Loshchilov and Hutter, 2019) as torch.optim.AdamW, one pass, with g = factor * grad:
//   param *= 1 - lr * weight_decay
//   m = beta1 * m + (1 - beta1) * g,   v = beta2 * v + (1 - beta2) * g^2
//   param -= lr / correction1 * m / (sqrt(v) / sqrt(correction2) + eps)
// control = {norm, factor, finite, 0}; nothing changes when finite is 0.
// Four elements per invocation where first is a multiple of 4.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/adamw.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) buffer Param { float param[]; };
layout(set = 0, binding = 0) buffer Param4 { vec4 param4[]; };
layout(set = 0, binding = 1) readonly buffer Grad { float grad[]; };
layout(set = 0, binding = 1) readonly buffer Grad4 { vec4 grad4[]; };
layout(set = 0, binding = 2) buffer M { float m[]; };
layout(set = 0, binding = 2) buffer M4 { vec4 m4[]; };
layout(set = 0, binding = 3) buffer V { float v[]; };
layout(set = 0, binding = 3) buffer V4 { vec4 v4[]; };
layout(set = 0, binding = 4) readonly buffer Control { float control[]; };

void update(inout vec4 p, vec4 g, inout vec4 mean, inout vec4 square)
{
    g *= control[1];
    p -= push.lr * push.weight_decay * p;
    mean += (1.0 - push.beta1) * (g - mean);
    square = push.beta2 * square + (1.0 - push.beta2) * g * g;
    p -= push.lr / push.correction1 * mean / (sqrt(square / push.correction2) + push.eps);
}

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (4 * i >= push.count || control[2] == 0.0)
        return;
    if (push.first % 4 == 0 && 4 * i + 4 <= push.count) {
        uint at = push.first / 4 + i;
        vec4 p = param4[at], mean = m4[at], square = v4[at];
        update(p, grad4[at], mean, square);
        param4[at] = p;
        m4[at] = mean;
        v4[at] = square;
        return;
    }
    uint end = push.first + min(4 * i + 4, push.count);
    for (uint e = push.first + 4 * i; e < end; e++) {
        vec4 p = vec4(param[e]), mean = vec4(m[e]), square = vec4(v[e]);
        update(p, vec4(grad[e]), mean, square);
        param[e] = p.x;
        m[e] = mean.x;
        v[e] = square.x;
    }
}
