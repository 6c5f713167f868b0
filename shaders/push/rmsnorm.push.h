#ifndef PUSH_RMSNORM_H
#define PUSH_RMSNORM_H
#include "push.h"

PUSH_BEGIN(RmsnormPush) {
    push_uint rows;
    push_uint cols;
    float eps;
    push_uint keep;         // rmsnorm_half_fwd: also write y as f32
    push_uint accumulate;   // backward: add to dx instead of overwriting it
} PUSH_END(RmsnormPush)

#endif
