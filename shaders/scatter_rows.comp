// x[index[first + r], c] = y[r,c], added to x when accumulate is set; the indices of one
// dispatch are distinct.  One invocation per four columns of a row.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/gather.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) buffer X { float x[]; };
layout(set = 0, binding = 0) buffer X4 { vec4 x4[]; };
layout(set = 0, binding = 1) readonly buffer Index { uint index[]; };
layout(set = 0, binding = 2) readonly buffer Y { float y[]; };
layout(set = 0, binding = 2) readonly buffer Y4 { vec4 y4[]; };

void main()
{
    uint per_row = (push.cols + 3) / 4;
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.rows * per_row)
        return;
    uint row = i / per_row;
    uint to = index[push.first + row] * push.cols;
    if (push.cols % 4 == 0) {
        uint at = to / 4 + i % per_row;
        vec4 value = y4[i];
        if (push.accumulate != 0)
            value += x4[at];
        x4[at] = value;
        return;
    }
    uint end = min((i % per_row) * 4 + 4, push.cols);
    for (uint c = (i % per_row) * 4; c < end; c++) {
        float value = y[row * push.cols + c];
        if (push.accumulate != 0)
            value += x[to + c];
        x[to + c] = value;
    }
}
