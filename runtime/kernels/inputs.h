#ifndef KERNELS_INPUTS_H
#define KERNELS_INPUTS_H
/* Shared by the families: test inputs that plain normal values would not do for, and
 * the grid of kernels whose invocations each take a fixed number of items. */

#include "kernels/kernel.h"

/* Uniform integers in [0, limit). Always true, as KernelCase.input wants it. */
bool input_below(double *values, uint64_t count, uint64_t limit, uint64_t seed);
/* Distinct integers in [0, limit), count <= limit. */
bool input_distinct(double *values, uint64_t count, uint64_t limit, uint64_t seed);
/* Uniform values in [low, high). */
bool input_between(double *values, uint64_t count, double low, double high, uint64_t seed);

/* Rows that fall off steeply on both sides of their largest value, which moves on by a column a
 * row: a maximum that overlooks any column shows, because what exponentials then meet is too large. */
bool input_peaks(double *values, uint64_t count, uint64_t cols);

/* Groups of tuning->spec[0] invocations for so many items, one item each. */
void grid_of_items(uint64_t items, const KernelTuning *tuning, uint32_t groups[3]);

#endif
