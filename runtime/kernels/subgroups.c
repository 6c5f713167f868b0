#include "kernels/subgroups.h"

#include "base/mem.h"

/* The first that fits is the default where subgroups of 32 are not to be had. Few threads first:
 * rows of a model's width leave 256 of them little to do. */
const KernelTuning subgroup_tunings[SUBGROUP_TUNINGS] = {
    {{64, 32}}, {{64, 64}}, {{64, 16}}, {{64, 8}},   {{64, 4}},
    {{32, 32}}, {{256, 32}}, {{256, 64}}, {{256, 16}}, {{256, 8}},
};

const KernelTuning tree_tunings[TREE_TUNINGS] = {{{8}}, {{32}}, {{64}}, {{128}}, {{256}}};

bool tree_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    while (tuning->spec[0] > caps->max_invocations)
        tuning->spec[0] /= 2;
    return tuning->spec[0] > 0;
}

bool subgroup_is_fixed(const GpuCaps *caps)
{
    return caps->subgroup_size && caps->subgroup_min == caps->subgroup_size &&
           caps->subgroup_max == caps->subgroup_size;
}

bool subgroup_fits(const GpuCaps *caps, uint32_t size)
{
    return (subgroup_is_fixed(caps) || caps->bits & GPU_CAP_SUBGROUP_SIZE) && size >= caps->subgroup_min &&
           size <= caps->subgroup_max;
}

bool subgroup_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    return subgroup_fits(caps, tuning->spec[1]) && tuning->spec[0] <= caps->max_invocations;
}
