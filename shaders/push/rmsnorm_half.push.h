#ifndef PUSH_RMSNORM_HALF_H
#define PUSH_RMSNORM_HALF_H
#include "push.h"

PUSH_BEGIN(RmsnormHalfPush) {
    push_uint rows;
    push_uint cols;
    float eps;
    push_uint keep;         // also write y as f32
} PUSH_END(RmsnormHalfPush)

#endif
