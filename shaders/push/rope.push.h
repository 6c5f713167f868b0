#ifndef PUSH_ROPE_H
#define PUSH_ROPE_H
#include "push.h"

// x is [rows, heads * head_dim]; the first rope_dims values of each head are rotated, the
// others copied. The table holds (cos, sin) of [table_rows, rope_dims / 2].
PUSH_BEGIN(RopePush) {
    push_uint rows;
    push_uint heads;
    push_uint head_dim;
    push_uint rope_dims;    // even, at most head_dim
    push_uint pairs;        // 0: (0,1) (2,3) …   1: (i, i + rope_dims / 2)
    push_uint table_rows;   // positions are below it
    push_uint accumulate;   // backward: add to dx instead of overwriting it
} PUSH_END(RopePush)

#endif
