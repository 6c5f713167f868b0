#ifndef PUSH_EMBEDDING_BWD_H
#define PUSH_EMBEDDING_BWD_H
#include "push.h"

// order lists the rows of dy sorted by id; those of token[u] are order[starts[u] … starts[u+1]-1].
// The gradient bound holds rows first … first + count - 1; other tokens are skipped.
PUSH_BEGIN(EmbeddingBwdPush) {
    push_uint rows;         // of dy
    push_uint cols;
    push_uint unique;       // distinct ids
    push_uint first;        // 0 unless the gradient is split by rows
    push_uint count;        // rows of dtable
} PUSH_END(EmbeddingBwdPush)

#endif
