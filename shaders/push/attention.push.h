#ifndef PUSH_ATTENTION_H
#define PUSH_ATTENTION_H
#include "push.h"

// Query head h reads key-value head h / (heads / kv_heads).
PUSH_BEGIN(AttentionPush) {
    push_uint rows;         // of q, o, lse, span
    push_uint key_rows;     // of k and v; equal to rows in backward
    push_uint heads;        // a multiple of kv_heads
    push_uint kv_heads;
    push_uint head_dim;     // a multiple of 4, at most 256
    float scale;            // of the scores, usually 1 / sqrt(head_dim)
    push_uint accumulate;   // backward: add to dq, dk, dv instead of overwriting them
} PUSH_END(AttentionPush)

#endif
