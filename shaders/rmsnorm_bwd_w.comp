// dw[c] += sum_r dy[r,c] * x[r,c] * rstd[r].  A group takes THREADS / SPLIT columns, neighbours
// neighbouring ones, and SPLIT invocations share a column's rows: one alone waits for memory as often
// as there are rows, and few columns are few groups. Rows are summed in blocks of 32, so that the
// rounding of a sum grows with the number of blocks only.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "push/rmsnorm.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 256;
layout(constant_id = 1) const uint SPLIT = 16;
const uint COLUMNS = THREADS / SPLIT;

layout(set = 0, binding = 0) readonly buffer X { float x[]; };
layout(set = 0, binding = 1) readonly buffer Rstd { float rstd[]; };
layout(set = 0, binding = 2) readonly buffer Dy { float dy[]; };
layout(set = 0, binding = 3) buffer Dw { float dw[]; };

shared float sums[THREADS];

void main()
{
    uint lane = gl_LocalInvocationID.x, column = lane % COLUMNS, slice = lane / COLUMNS;
    uint first = GROUP_INDEX * COLUMNS, c = first + column;
    if (first >= push.cols)
        return;
    float sum = 0.0;
    if (c < push.cols)
        for (uint block = slice; block < push.rows; block += 32 * SPLIT) {
            float part = 0.0;
            uint end = min(block + 32 * SPLIT, push.rows);
            for (uint r = block; r < end; r += SPLIT)
                part += dy[r * push.cols + c] * x[r * push.cols + c] * rstd[r];
            sum += part;
        }
    if (SPLIT > 1) {
        sums[lane] = sum;
        barrier();
        for (uint half_size = SPLIT / 2; half_size > 0; half_size /= 2) {
            if (slice < half_size)
                sums[lane] += sums[lane + half_size * COLUMNS];
            barrier();
        }
        sum = sums[lane];
    }
    if (slice == 0 && c < push.cols)
        dw[c] += sum;
}
