#ifndef PUSH_ROPE_APPEND_H
#define PUSH_ROPE_APPEND_H
#include "push.h"

// q is [rows, heads * head_dim], k and v are [rows, kv_heads * head_dim]; the other fields are
// those of RopePush and KvAppendPush.
PUSH_BEGIN(RopeAppendPush) {
    push_uint rows;
    push_uint heads;
    push_uint kv_heads;
    push_uint head_dim;     // even
    push_uint rope_dims;
    push_uint pairs;
    push_uint table_rows;
    push_uint cache_rows;
} PUSH_END(RopeAppendPush)

#endif
