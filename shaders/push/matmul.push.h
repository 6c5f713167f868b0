#ifndef PUSH_MATMUL_H
#define PUSH_MATMUL_H
#include "push.h"

// Sizes, strides and offsets count elements; a stride is the distance between two rows.
PUSH_BEGIN(MatmulPush) {
    push_uint m;            // rows of C
    push_uint n;            // columns of C
    push_uint k;            // length of the sums
    push_uint a_stride;
    push_uint b_stride;
    push_uint c_stride;
    push_uint a_offset;
    push_uint b_offset;
    push_uint c_offset;
    float alpha;            // C = alpha * product
    push_uint accumulate;   // add to C instead of overwriting it
} PUSH_END(MatmulPush)

#endif
