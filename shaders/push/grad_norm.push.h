#ifndef PUSH_GRAD_NORM_H
#define PUSH_GRAD_NORM_H
#include "push.h"

PUSH_BEGIN(GradNormPush) {
    push_uint tensors;
    push_uint count;        // elements behind grad; every offset + count lies within
} PUSH_END(GradNormPush)

#endif
