#ifndef KERNELS_NORM_H
#define KERNELS_NORM_H
/* What the kernels around RMSNorm share (norm.c, norm_half.c). */

#include <stdbool.h>

/* Sums of squares of larger inputs are beyond f32. */
#define NORM_SQUARED 0x1p40f

/* Whether rows of these columns are read in fours. With the same threads the sums have the same bits
 * in all kernels of a kind. */
bool norm_in_vectors(const void *push);

#endif
