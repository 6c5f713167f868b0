#ifndef KERNELS_NORM_H
#define KERNELS_NORM_H
/* What the kernels around RMSNorm share (norm.c, norm_half.c). */

#include "kernels/kernel.h"

/* Sums of squares of larger inputs are beyond f32. */
#define NORM_SQUARED 0x1p40f

/* Whether rows of these columns are read in fours. With the same threads the sums have the same bits
 * in all kernels of a kind. */
bool norm_in_vectors(const void *push);
/* Wide rows take more threads: of 64, 512 rows would leave a large card waiting for memory. */
void norm_resize(const void *push, KernelTuning *tuning);

#endif
