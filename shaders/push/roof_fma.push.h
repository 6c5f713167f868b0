#ifndef PUSH_ROOF_FMA_H
#define PUSH_ROOF_FMA_H
#include "push.h"

PUSH_BEGIN(RoofFmaPush) {
    push_uint count;
    push_uint rounds;
} PUSH_END(RoofFmaPush)

#endif
