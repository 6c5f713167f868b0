#ifndef PUSH_LORA_VECTORS_H
#define PUSH_LORA_VECTORS_H
#include "push.h"

// Up to three adapters of the same x; those beyond the last have n = 0. A is [rank, k], B is
// [n, rank]; a… and b… are where they begin in `adapters`, in values.
PUSH_BEGIN(LoraVectorsPush) {
    push_uint rows;         // vectors x, at most 8
    push_uint k;
    push_uint rank;         // at most 64
    float scale;
    push_uint n0;
    push_uint n1;
    push_uint n2;
    push_uint a0;
    push_uint a1;
    push_uint a2;
    push_uint b0;
    push_uint b1;
    push_uint b2;
} PUSH_END(LoraVectorsPush)

#endif
