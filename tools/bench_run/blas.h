#ifndef BENCH_RUN_BLAS_H
#define BENCH_RUN_BLAS_H
/* OpenBLAS as a yardstick, loaded at run time where it is installed. */

#include <stddef.h>

/* Seconds of the median of several C[m,n] = A[m,k] · B[n,k]ᵀ in f32; 0 when there is no
 * OpenBLAS. `name` receives what it calls itself. */
double blas_seconds(unsigned m, unsigned n, unsigned k, char *name, size_t capacity);

#endif
