#ifndef KERNELS_SUBGROUPS_H
#define KERNELS_SUBGROUPS_H
/* Rows that reduce along the columns of a matrix (shaders/lib/reduce.glsl): with the subgroups' own
 * operations where the device has a size of subgroups that can be relied upon, with a tree in shared
 * memory elsewhere, and with the one subgroup of a group on CPU drivers. */

#include "kernels/kernel.h"

/* Threads and size of a subgroup, spec[0] and spec[1]. */
enum { SUBGROUP_TUNINGS = 10 };
extern const KernelTuning subgroup_tunings[SUBGROUP_TUNINGS];
/* Whether the device has, or can be told to use, subgroups of spec[1]. */
bool subgroup_adapt(const GpuCaps *caps, KernelTuning *tuning);
/* Whether all subgroups are of one size, which is known. */
bool subgroup_is_fixed(const GpuCaps *caps);
/* As subgroup_adapt for any constant. */
bool subgroup_fits(const GpuCaps *caps, uint32_t size);

#define SUBGROUP_ROW                                                                     \
    .needs = GPU_CAP_SUBGROUP, .rank = 5, .spec_count = 2, .subgroup_spec = 2,           \
    .tuning = {{64, 32}}, .tunings = subgroup_tunings, .tuning_count = SUBGROUP_TUNINGS, \
    .adapt = subgroup_adapt, .slow_on_cpu = true

/* Threads, spec[0]. */
enum { TREE_TUNINGS = 5 };
extern const KernelTuning tree_tunings[TREE_TUNINGS];
/* No more of them than a group may have. */
bool tree_adapt(const GpuCaps *caps, KernelTuning *tuning);

/* Any number of columns; those that SUITS accepts, read in fours; the same from texel buffers. */
#define TREE_ROW                                                                         \
    .rank = 20, .spec_count = 1, .tuning = {{64}}, .tunings = tree_tunings, .tuning_count = TREE_TUNINGS, \
    .adapt = tree_adapt
#define TREE_VECTORS_ROW(SUITS)                                                          \
    .rank = 10, .spec_count = 1, .tuning = {{64}}, .tunings = tree_tunings,              \
    .tuning_count = TREE_TUNINGS, .adapt = tree_adapt, .suits = SUITS
#define REDUCE_TEXEL_ROW(SUITS)                                                          \
    .needs = GPU_CAP_CPU | GPU_CAP_TEXEL | GPU_CAP_SUBGROUP, .subgroup_size = 8,         \
    .spec_count = 1, .tuning = {{8}}, .suits = SUITS

#endif
