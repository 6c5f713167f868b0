#ifndef PUSH_SOFTMAX_H
#define PUSH_SOFTMAX_H
#include "push.h"

PUSH_BEGIN(SoftmaxPush) {
    push_uint rows;
    push_uint cols;
    push_uint accumulate;   // backward: add to dx instead of overwriting it
} PUSH_END(SoftmaxPush)

#endif
