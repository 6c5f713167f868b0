#ifndef PUSH_GRAD_CLIP_H
#define PUSH_GRAD_CLIP_H
#include "push.h"

PUSH_BEGIN(GradClipPush) {
    push_uint tensors;
    float max_norm;         // 0: no clipping
} PUSH_END(GradClipPush)

#endif
