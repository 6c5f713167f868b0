#ifndef PUSH_COPY_H
#define PUSH_COPY_H
#include "push.h"

// Also for casts.
PUSH_BEGIN(CopyPush) {
    push_uint count;
} PUSH_END(CopyPush)

#endif
