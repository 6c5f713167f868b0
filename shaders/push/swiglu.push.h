#ifndef PUSH_SWIGLU_H
#define PUSH_SWIGLU_H
#include "push.h"

PUSH_BEGIN(SwigluPush) {
    push_uint count;
    push_uint accumulate;   // backward: add to dgate and dup instead of overwriting them
} PUSH_END(SwigluPush)

#endif
