#ifndef PUSH_CROSS_ENTROPY_H
#define PUSH_CROSS_ENTROPY_H
#include "push.h"

// Row r of the chunk of logits is supervised row first + r of labels, weights, loss, lse.
PUSH_BEGIN(CrossEntropyPush) {
    push_uint rows;         // of the chunk
    push_uint vocab;
    push_uint first;
    float scale;            // backward: multiplies every gradient, usually 1 / supervised tokens
} PUSH_END(CrossEntropyPush)

#endif
