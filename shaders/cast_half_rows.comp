// y[r,:] = x[first + r,:] / scale[r] rounded to f16, scale[r] the power of two that brings the
// largest value of the row near 2^14: nothing overflows, and what f16 loses is 2^-28 of the
// largest. Infinities and NaN stay what they are. One group a row, four values at a time where they
// come in fours.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/cast_half.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 128;

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 0) readonly buffer X4 { vec4 x4[]; };
layout(set = 0, binding = 1) writeonly buffer Y { uint y[]; };
layout(set = 0, binding = 1) writeonly buffer Y2 { uvec2 y2[]; };
layout(set = 0, binding = 2) writeonly buffer Scale { float scale[]; };

#include "lib/half.glsl"
#include "lib/reduce.glsl"

void main()
{
    uint row = GROUP_INDEX, lane = gl_LocalInvocationID.x;
    if (row >= push.rows)
        return;
    uint from = (push.first + row) * push.cols, words = (push.cols + 1) / 2;
    // exponents, not values: the maximum of a NaN is nobody's to tell
    uint exponent = 0, fours = push.cols % 4 == 0 ? push.cols / 4 : 0;
    for (uint v = lane; v < fours; v += THREADS) {
        uvec4 each = floatBitsToUint(x4[from / 4 + v]) >> 23 & 255u;
        exponent = max(exponent, max(max(each.x, each.y), max(each.z, each.w)));
    }
    for (uint c = 4 * fours + lane; c < push.cols; c += THREADS)
        exponent = max(exponent, floatBitsToUint(x[from + c]) >> 23 & 255u);
    int peak = int(group_max(float(exponent)));
    // 2^(14 - exponent of the peak); the clamp keeps its inverse an ordinary number
    uint factor = uint(clamp(268 - peak, 14, 253));
    if (lane == 0)
        scale[row] = uintBitsToFloat((254u - factor) << 23);
    for (uint v = lane; v < fours; v += THREADS) {
        vec4 four = x4[from / 4 + v] * uintBitsToFloat(factor << 23);
        y2[row * fours + v] = uvec2(half_pair(four.xy), half_pair(four.zw));
    }
    for (uint w = 2 * fours + lane; w < words; w += THREADS) {
        vec2 pair = vec2(x[from + 2 * w], 2 * w + 1 < push.cols ? x[from + 2 * w + 1] : 0.0);
        y[row * words + w] = half_pair(pair * uintBitsToFloat(factor << 23));
    }
}
