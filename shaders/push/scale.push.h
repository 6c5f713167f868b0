#ifndef PUSH_SCALE_H
#define PUSH_SCALE_H
#include "push.h"

PUSH_BEGIN(ScalePush) {
    push_uint count;
    float factor;
    push_uint accumulate;   // add to y instead of overwriting it
} PUSH_END(ScalePush)

#endif
