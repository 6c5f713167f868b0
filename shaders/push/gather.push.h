#ifndef PUSH_GATHER_H
#define PUSH_GATHER_H
#include "push.h"

// For gather_rows and scatter_rows: row r of y belongs to row index[first + r] of x.
PUSH_BEGIN(GatherPush) {
    push_uint rows;         // of y
    push_uint cols;
    push_uint first;        // in index
    push_uint x_rows;       // indices are below it
    push_uint accumulate;   // scatter: add to x instead of overwriting its rows
} PUSH_END(GatherPush)

#endif
