#ifndef PUSH_KV_APPEND_H
#define PUSH_KV_APPEND_H
#include "push.h"

// The cache bound holds rows first_row … first_row + cache_rows - 1; other slots are skipped.
PUSH_BEGIN(KvAppendPush) {
    push_uint rows;         // of x
    push_uint cols;
    push_uint first_row;    // 0 unless the cache is split by rows
    push_uint cache_rows;
} PUSH_END(KvAppendPush)

#endif
