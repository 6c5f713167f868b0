// Rotary position embedding. For pair i of a head, (a, b) at positions[row]:
// y = (a cos - b sin, a sin + b cos); BACKWARD turns by the opposite angle and adds to y
// when accumulate is set. Values of a head beyond rope_dims are copied.
// One invocation per pair and per copied value.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/rope.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 1) readonly buffer Positions { uint positions[]; };
layout(set = 0, binding = 2) readonly buffer Table { vec2 table[]; };
#ifdef BACKWARD
layout(set = 0, binding = 3) buffer Y { float y[]; };
const float DIRECTION = -1.0;
#else
layout(set = 0, binding = 3) writeonly buffer Y { float y[]; };
const float DIRECTION = 1.0;
#endif

void put(uint at, float value)
{
#ifdef BACKWARD
    if (push.accumulate != 0)
        value += y[at];
#endif
    y[at] = value;
}

void main()
{
    uint half_dims = push.rope_dims / 2;
    uint per_head = push.head_dim - half_dims;   // pairs, then copied values
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.rows * push.heads * per_head)
        return;
    uint head = i / per_head;                    // counted over all rows
    uint pair = i % per_head;
    uint base = head * push.head_dim;
    if (pair >= half_dims) {
        uint at = base + half_dims + pair;
        put(at, x[at]);
        return;
    }
    vec2 turn = table[positions[head / push.heads] * half_dims + pair];
    turn.y *= DIRECTION;
    uint first = base + (push.pairs != 0 ? pair : 2 * pair);
    uint second = push.pairs != 0 ? first + half_dims : first + 1;
    float a = x[first], b = x[second];
    put(first, a * turn.x - b * turn.y);
    put(second, a * turn.y + b * turn.x);
}
