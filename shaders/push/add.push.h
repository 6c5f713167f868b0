#ifndef PUSH_ADD_H
#define PUSH_ADD_H
#include "push.h"

PUSH_BEGIN(AddPush) {
    push_uint count;
    push_uint accumulate;   // add to y instead of overwriting it
} PUSH_END(AddPush)

#endif
