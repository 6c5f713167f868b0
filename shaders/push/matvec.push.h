#ifndef PUSH_MATVEC_H
#define PUSH_MATVEC_H
#include "push.h"

PUSH_BEGIN(MatvecPush) {
    push_uint rows;         // vectors x, at most 16
    push_uint n;            // rows of w
    push_uint k;            // columns of w, a multiple of its type's block
    push_uint x_stride;     // elements between two vectors
    push_uint y_stride;
    push_uint accumulate;   // add to y instead of overwriting it
    push_uint first_row;    // column of y that belongs to row 0 of w
} PUSH_END(MatvecPush)

#endif
