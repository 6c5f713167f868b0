// cache[slot[r] - first_row, c] = x[r,c]; slots outside the bound part of the cache, 0xffffffff
// among them, are skipped.  One invocation per four columns of a row.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/kv_append.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 0) readonly buffer X4 { vec4 x4[]; };
layout(set = 0, binding = 1) readonly buffer Slot { uint slot[]; };
layout(set = 0, binding = 2) writeonly buffer Cache { float cache[]; };
layout(set = 0, binding = 2) writeonly buffer Cache4 { vec4 cache4[]; };

void main()
{
    uint per_row = (push.cols + 3) / 4;
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.rows * per_row)
        return;
    uint row = i / per_row;
    uint to = slot[row];
    if (to < push.first_row || to - push.first_row >= push.cache_rows)
        return;
    to = (to - push.first_row) * push.cols;
    if (push.cols % 4 == 0) {
        cache4[to / 4 + i % per_row] = x4[i];
        return;
    }
    uint end = min((i % per_row) * 4 + 4, push.cols);
    for (uint c = (i % per_row) * 4; c < end; c++)
        cache[to + c] = x[row * push.cols + c];
}
