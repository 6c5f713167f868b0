/* Which of the device's matrix units a kernel takes. */
#include "kernels/matrix.h"

#include "kernels/subgroups.h"

uint32_t matrix_lanes(const GpuCaps *caps, uint32_t unit_m, uint32_t unit_n)
{
    /* units of eight rows take as many lanes as they have columns (Intel), others a subgroup
     * of 32, which AMD's devices offer beside 64 */
    uint32_t lanes = unit_m == 8 ? unit_n : 32;
    if (!(caps->bits & GPU_CAP_SUBGROUP_SIZE))
        return subgroup_is_fixed(caps) ? caps->subgroup_size : 0;
    lanes = lanes < caps->subgroup_min ? caps->subgroup_min : lanes;
    return lanes > caps->subgroup_max ? caps->subgroup_max : lanes;
}

bool matrix_unit(const GpuCaps *caps, uint32_t m, uint32_t n, uint32_t k, MatrixUnit *out)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < caps->coopmat_count; i++) {
        uint32_t um = caps->coopmat[i].m, un = caps->coopmat[i].n, uk = caps->coopmat[i].k;
        /* shared tiles and their edges are counted in eights */
        bool usable = um && un && uk && um % 8 == 0 && un % 8 == 0 && uk % 8 == 0;
        if (!usable || m % um || n % un || k % uk || um * un * uk <= best)
            continue;
        best = um * un * uk;
        *out = (MatrixUnit){um, un, uk, matrix_lanes(caps, um, un)};
    }
    return best && out->lanes;
}
