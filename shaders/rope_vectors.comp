// Rotary position embedding as rope.comp, for head_dim and rope_dims that are multiples of 8.
// One invocation per four pairs and per eight copied values.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/vectors.glsl"
#include "push/rope.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

VECTORS(0, x);
layout(set = 0, binding = 1) readonly buffer Positions { uint positions[]; };
VECTORS(2, table);   // (cos, sin) of two pairs
#ifdef BACKWARD
layout(set = 0, binding = 3) buffer Y { vec4 y[]; };
const float DIRECTION = -1.0;
#else
layout(set = 0, binding = 3) writeonly buffer Y { vec4 y[]; };
const float DIRECTION = 1.0;
#endif

void put(uint at, vec4 value)
{
#ifdef BACKWARD
    if (push.accumulate != 0)
        value += y[at];
#endif
    y[at] = value;
}

void main()
{
    uint per_head = push.head_dim / 8;
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.rows * push.heads * per_head)
        return;
    uint head = i / per_head;                    // counted over all rows
    uint part = i % per_head;
    uint first = head * push.head_dim / 4 + 2 * part, second = first + 1;
    if (part >= push.rope_dims / 8) {
        put(first, VECTOR_AT(x, first));
        put(second, VECTOR_AT(x, second));
        return;
    }
    uint at = positions[head / push.heads] * push.rope_dims / 4 + 2 * part;
    vec4 low = VECTOR_AT(table, at), high = VECTOR_AT(table, at + 1);
    vec4 cosine = vec4(low.xz, high.xz), sine = DIRECTION * vec4(low.yw, high.yw);
    if (push.pairs != 0) {
        first -= part;
        second = first + push.rope_dims / 8;
        vec4 a = VECTOR_AT(x, first), b = VECTOR_AT(x, second);
        put(first, a * cosine - b * sine);
        put(second, a * sine + b * cosine);
    } else {
        vec4 p = VECTOR_AT(x, first), n = VECTOR_AT(x, second);
        vec4 a = vec4(p.xz, n.xz), b = vec4(p.yw, n.yw);
        vec4 c = a * cosine - b * sine, d = a * sine + b * cosine;
        put(first, vec4(c.x, d.x, c.y, d.y));
        put(second, vec4(c.z, d.z, c.w, d.w));
    }
}
