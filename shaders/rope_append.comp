// What decoding does between the projections and attention, in one dispatch: y = q rotated as in
// rope.comp, cache_k[slot[r],:] = k[r,:] rotated, cache_v[slot[r],:] = v[r,:]; slots beyond the
// cache are skipped.  One invocation per pair of values; few rows.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/rope_append.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer Q { float q[]; };
layout(set = 0, binding = 1) readonly buffer K { float k[]; };
layout(set = 0, binding = 2) readonly buffer V { float v[]; };
layout(set = 0, binding = 3) readonly buffer Positions { uint positions[]; };
layout(set = 0, binding = 4) readonly buffer Table { vec2 table[]; };   // cosine, sine
layout(set = 0, binding = 5) readonly buffer Slot { uint slot[]; };
layout(set = 0, binding = 6) writeonly buffer Y { float y[]; };
layout(set = 0, binding = 7) writeonly buffer CacheK { float cache_k[]; };
layout(set = 0, binding = 8) writeonly buffer CacheV { float cache_v[]; };

void main()
{
    uint half_head = push.head_dim / 2u, half_rope = push.rope_dims / 2u;
    uint per_row = (push.heads + 2u * push.kv_heads) * half_head;
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.rows * per_row)
        return;
    uint row = i / per_row, head = i % per_row / half_head, pair = i % half_head;
    bool is_q = head < push.heads, is_v = head >= push.heads + push.kv_heads;
    uint to = slot[row];
    if (!is_q && to >= push.cache_rows)
        return;
    bool turned = !is_v && pair < half_rope;
    bool apart = turned && push.pairs != 0u;
    uint first = apart ? pair : 2u * pair, second = apart ? pair + half_rope : first + 1u;
    vec2 turn = turned ? table[positions[row] * half_rope + pair] : vec2(1.0, 0.0);
    uint heads = is_q ? push.heads : push.kv_heads;
    uint own = is_q ? head : is_v ? head - push.heads - push.kv_heads : head - push.heads;
    uint from = (row * heads + own) * push.head_dim;
    vec2 value;
    if (is_q)
        value = vec2(q[from + first], q[from + second]);
    else if (is_v)
        value = vec2(v[from + first], v[from + second]);
    else
        value = vec2(k[from + first], k[from + second]);
    value = vec2(value.x * turn.x - value.y * turn.y, value.x * turn.y + value.y * turn.x);
    uint cached = (to * heads + own) * push.head_dim;
    if (is_q) {
        y[from + first] = value.x;
        y[from + second] = value.y;
    } else if (is_v) {
        cache_v[cached + first] = value.x;
        cache_v[cached + second] = value.y;
    } else {
        cache_k[cached + first] = value.x;
        cache_k[cached + second] = value.y;
    }
}
