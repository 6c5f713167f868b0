#ifndef KERNELS_HALF_ROWS_H
#define KERNELS_HALF_ROWS_H
/* The reference of rows as f16 with a power of two of their own, for the kernels that write them. */

#include <stdint.h>

/* y[0, cols rounded up to 2) = x / scale rounded to f16, scale the power of two that brings the
 * largest value of the row near 2^14. */
void half_row_reference(const double *x, uint64_t cols, double *y, double *scale);

#endif
