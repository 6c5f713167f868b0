// From the tensors' sums of squares: control = {norm, factor, finite, 0} with
// norm = sqrt(sum), factor = min(1, max_norm / (norm + 1e-6)) (1 when max_norm is 0) as
// torch.nn.utils.clip_grad_norm_, finite = 1 when norm is a finite number, else 0.  One group.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numeric.glsl"
#include "push/grad_clip.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
#include "lib/reduce.glsl"

layout(set = 0, binding = 0) readonly buffer Partial { float squares[]; };
layout(set = 0, binding = 1) writeonly buffer Control { float control[]; };

void main()
{
    if (GROUP_INDEX != 0)
        return;
    uint lane = gl_LocalInvocationID.x;
    float sum = 0.0;
    for (uint t = lane; t < push.tensors; t += THREADS)
        sum += squares[t];
    sum = group_sum(sum);
    if (lane != 0)
        return;
    float norm = sqrt(sum);
    control[0] = norm;
    control[1] = push.max_norm > 0.0 ? min(1.0, push.max_norm / (norm + 1e-6)) : 1.0;
    control[2] = is_finite(sum) ? 1.0 : 0.0;
    control[3] = 0.0;
}
