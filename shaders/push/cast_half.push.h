#ifndef PUSH_CAST_HALF_H
#define PUSH_CAST_HALF_H
#include "push.h"

// Rows of y have cols values, and one zero more where that is odd.
PUSH_BEGIN(CastHalfPush) {
    push_uint rows;
    push_uint cols;
    push_uint first;        // row of x that becomes row 0 of y
} PUSH_END(CastHalfPush)

#endif
