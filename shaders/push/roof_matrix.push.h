#ifndef PUSH_ROOF_MATRIX_H
#define PUSH_ROOF_MATRIX_H
#include "push.h"

PUSH_BEGIN(RoofMatrixPush) {
    push_uint subgroups;   // each writes one unit of y
    push_uint rounds;
    push_uint unit_m;      // the shape of the matrix unit
    push_uint unit_n;
    push_uint unit_k;
} PUSH_END(RoofMatrixPush)

#endif
