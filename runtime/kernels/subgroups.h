#ifndef KERNELS_SUBGROUPS_H
#define KERNELS_SUBGROUPS_H
/* Rows that reduce with the subgroups' own operations (SUBGROUPS of shaders/lib/reduce.glsl), where
 * the device has a size of subgroups that can be relied upon. */

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

#endif
