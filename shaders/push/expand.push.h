#ifndef PUSH_EXPAND_H
#define PUSH_EXPAND_H
#include "push.h"

// Both count values and are multiples of the type's block.
PUSH_BEGIN(ExpandPush) {
    push_uint first;        // in the source
    push_uint count;
} PUSH_END(ExpandPush)

#endif
