#ifndef PUSH_ADAMW_H
#define PUSH_ADAMW_H
#include "push.h"

// Updates elements first … first + count - 1.
PUSH_BEGIN(AdamwPush) {
    push_uint count;
    push_uint first;
    float lr;
    float beta1;
    float beta2;
    float eps;
    float weight_decay;
    float correction1;      // 1 - beta1^step, step counted from 1
    float correction2;      // 1 - beta2^step
} PUSH_END(AdamwPush)

#endif
