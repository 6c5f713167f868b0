// dtable[token[u] - first, c] += sum of dy[order[i], c] over i = starts[u] … starts[u+1] - 1,
// in that order; tokens outside the bound part of the gradient are skipped.
// One invocation per column and distinct token.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/embedding_bwd.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

layout(set = 0, binding = 0) readonly buffer Order { uint order[]; };
layout(set = 0, binding = 1) readonly buffer Starts { uint starts[]; };
layout(set = 0, binding = 2) readonly buffer Token { uint token[]; };
layout(set = 0, binding = 3) readonly buffer Dy { float dy[]; };
layout(set = 0, binding = 4) buffer Dtable { float dtable[]; };

void main()
{
    uint i = GROUP_INDEX * THREADS + gl_LocalInvocationID.x;
    if (i >= push.unique * push.cols)
        return;
    uint u = i / push.cols;
    uint c = i % push.cols;
    uint to = token[u];
    if (to < push.first || to - push.first >= push.count)
        return;
    const uint end = starts[u + 1];
    float sum = 0.0;
    for (uint s = starts[u]; s < end; s++)
        sum += dy[order[s] * push.cols + c];
    dtable[(to - push.first) * push.cols + c] += sum;
}
