#ifndef PUSH_EMBEDDING_H
#define PUSH_EMBEDDING_H
#include "push.h"

// The table bound holds rows first … first + count - 1; rows of y with other ids are left alone.
PUSH_BEGIN(EmbeddingPush) {
    push_uint rows;         // of y
    push_uint cols;         // a multiple of the table type's block
    push_uint vocab;        // ids are below it
    push_uint first;        // 0 unless the table is split by rows
    push_uint count;        // vocab unless the table is split by rows
} PUSH_END(EmbeddingPush)

#endif
