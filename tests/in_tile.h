#ifndef TESTS_IN_TILE_H
#define TESTS_IN_TILE_H
/* Products that decode their weight in the tile, taken although nothing was measured. */

#include "base/mem.h"
#include "gpu/gpu.h"
#include "kernels/policy.h"

/* Says of the f32 rows for weights in blocks what a probe would: that they were right and faster. */
static inline void call_in_tile_faster(Gpu *gpu)
{
    KernelPolicy *policy = MEM_NEW(KernelPolicy);
    *policy = (KernelPolicy){.verdict_count = 0};
    for (size_t i = 0; i < kernel_count(); i++)
        if (kernel_at(i)->instead[0] && kernel_at(i)->probe && !(kernel_at(i)->needs & GPU_CAP_COOPMAT))
            policy_set_verdict(policy, kernel_at(i)->name, FINDING_FASTER, "");
    gpu_set_policy(gpu, policy);
}

#endif
