#ifndef CHECK_REFLECT_H
#define CHECK_REFLECT_H
/* What a compiled shader says of itself, read from its SPIR-V, and whether that agrees
 * with its row. */

#include "base/mem.h"
#include "kernels/kernel.h"

/* What a disagreement with the row means: bindings, constants and words that no driver may be given, or
 * only a rule of ours. */
typedef struct ReflectFound {
    unsigned unusable, rules;
} ReflectFound;
/* One sentence per disagreement into `problems` (lines); returns how many. */
ReflectFound reflect_check(const KernelRow *row, const uint32_t *words, size_t bytes,
                           const KernelTuning *tuning, Text *problems);

/* Fails when a workgroup or its shared memory under this tuning is beyond the device's limits, which
 * drivers need not notice: llvmpipe runs what is too large for every card. */
TMB_MUST_USE tmb_status reflect_fits(const KernelRow *row, const uint32_t *words, size_t bytes,
                                     const KernelTuning *tuning, const GpuCaps *caps);

/* What a skeleton of the shader begins with. */
typedef struct ReflectLayout {
    uint32_t local_size[3];
    uint32_t local_spec[3];              /* id of the constant that sets it, or UINT32_MAX */
    char name[GPU_MAX_SPEC][48];         /* of the specialisation constants; "" when unknown */
} ReflectLayout;
void reflect_layout(const uint32_t *words, size_t bytes, ReflectLayout *out);

#endif
