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
    push_uint n1;           // of the n rows the last n1 + n2 have outputs of their own:
    push_uint n2;           // [rows, n1] from value y1 of y on, [rows, n2] from y2 on
    push_uint y1;
    push_uint y2;
} PUSH_END(MatvecPush)

#endif
