// y[r,c] = table[ids[r] - first, c]; rows whose id lies outside the bound part of the table
// are left alone.  One invocation per part of 32 columns (lib/decode.glsl).  The define names the
// table's type.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/embedding.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer Ids { uint ids[]; };
layout(set = 0, binding = 1) readonly buffer Table { uint words[]; };
layout(set = 0, binding = 2) writeonly buffer Y { float y[]; };
layout(set = 0, binding = 2) writeonly buffer Y4 { vec4 y4[]; };

#define SOURCE(i) words[i]
#include "lib/decode.glsl"

void main()
{
    uint per_row = (push.cols + 31) / 32 * 4;
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.rows * per_row)
        return;
    uint row = i / per_row, group = i % per_row / 4 * 32, part = i % 4;
    uint id = ids[row];
    if (id < push.first || id - push.first >= push.count)
        return;
    uint from = (id - push.first) * push.cols;
    uint to = row * push.cols;
    if (push.cols % 32 == 0) {
        vec4 low, high;
        decode_part(from + group, part, low, high);
        y4[(to + group) / 4 + part] = low;
        y4[(to + group) / 4 + 4 + part] = high;
    } else {
        uint first = group + part * 8;
        for (uint c = first; c < min(first + 8, push.cols); c++)
            y[to + c] = decode1(from + c);
    }
}
