// C[m,n] = alpha * A[m,k] op(B) (+ C) for few columns: what an adapter's rank leaves of a product.
// One group per ROWS rows and COLS columns; its invocations share the sums along k, neighbours reading
// neighbouring fours, and add them up in the end. A tile as wide as C is narrow keeps 4 to 8 groups busy
// (512 rows), this one 128.  LAYOUT_NT: B[n,k].  LAYOUT_NN: B[k,n].  Any sizes; f32 sums.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"
#include "push/matmul.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 256;   // a multiple of 16, as ROWS * COLS is
layout(constant_id = 1) const uint ROWS = 4;
layout(constant_id = 2) const uint COLS = 16;       // a multiple of four
layout(constant_id = 3) const uint ALIGNED = 0;     // 1: all that is read of A and B lies in fours

layout(set = 0, binding = 0) readonly buffer A { float a[]; };
layout(set = 0, binding = 0) readonly buffer AFours { vec4 a_fours[]; };
layout(set = 0, binding = 1) readonly buffer B { float b[]; };
layout(set = 0, binding = 1) readonly buffer BFours { vec4 b_fours[]; };
layout(set = 0, binding = 2) buffer C { float c[]; };

#include "lib/chunk_sums.glsl"

// Four values from `at` on, zeros where fewer than that are `left` of the row.
#define FETCH(name, values, fours)                                       \
    vec4 name(uint at, uint left)                                        \
    {                                                                    \
        vec4 four = vec4(0.0);                                           \
        if (ALIGNED != 0u)                                               \
            four = fours[at / 4u];                                       \
        else                                                             \
            [[unroll]] for (uint e = 0u; e < 4u; e++)                    \
                if (e < left)                                            \
                    four[e] = values[at + e];                            \
        return four;                                                     \
    }
FETCH(four_of_a, a, a_fours)
FETCH(four_of_b, b, b_fours)

float sum[ROWS * COLS];

// The terms k to k + 3. Columns beyond the last are not written, so anything will do for them.
#ifdef LAYOUT_NT
void add_terms(vec4 left[ROWS], uint column, uint k)
{
    [[unroll]] for (uint j = 0u; j < COLS; j++) {
        uint line = min(column + j, push.n - 1u);
        vec4 right = four_of_b(push.b_offset + line * push.b_stride + k, push.k - k);
        [[unroll]] for (uint i = 0u; i < ROWS; i++)
            [[unroll]] for (uint e = 0u; e < 4u; e++)
                sum[i * COLS + j] = fma(left[i][e], right[e], sum[i * COLS + j]);
    }
}
#else
void add_terms(vec4 left[ROWS], uint column, uint k)
{
    [[unroll]] for (uint e = 0u; e < 4u; e++)
        [[unroll]] for (uint j = 0u; j < COLS; j += 4u) {
            vec4 right = vec4(0.0);
            if (column + j < push.n && k + e < push.k)
                right = four_of_b(push.b_offset + (k + e) * push.b_stride + column + j, push.n - column - j);
            [[unroll]] for (uint i = 0u; i < ROWS; i++)
                [[unroll]] for (uint f = 0u; f < 4u; f++)
                    sum[i * COLS + j + f] = fma(left[i][e], right[f], sum[i * COLS + j + f]);
        }
}
#endif

void main()
{
    uint across = (push.n + COLS - 1u) / COLS, lane = gl_LocalInvocationID.x;
    uint row = GROUP_INDEX / across * ROWS, column = GROUP_INDEX % across * COLS;
    if (row >= push.m)
        return;
    [[unroll]] for (uint i = 0u; i < ROWS * COLS; i++)
        sum[i] = 0.0;
    for (uint k = 4u * lane; k < push.k; k += 4u * THREADS) {
        vec4 left[ROWS];
        [[unroll]] for (uint i = 0u; i < ROWS; i++) {
            uint line = min(row + i, push.m - 1u);   // rows beyond the last repeat it
            left[i] = four_of_a(push.a_offset + line * push.a_stride + k, push.k - k);
        }
        add_terms(left, column, k);
    }
    [[unroll]] for (uint first = 0u; first < ROWS * COLS; first += CHUNK) {
        float mine[CHUNK];
        [[unroll]] for (uint i = 0u; i < CHUNK; i++)
            mine[i] = sum[first + i];
        if (first > 0u)
            barrier();
        float total = chunk_total(mine);
        uint i = row + (first + lane) / COLS, j = column + (first + lane) % COLS;
        if (lane < CHUNK && i < push.m && j < push.n) {
            uint at = push.c_offset + i * push.c_stride + j;
            c[at] = push.accumulate != 0u ? c[at] + push.alpha * total : push.alpha * total;
        }
    }
}
