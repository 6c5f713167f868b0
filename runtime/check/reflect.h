#ifndef CHECK_REFLECT_H
#define CHECK_REFLECT_H
/* What a compiled shader says of itself, read from its SPIR-V, and whether that agrees
 * with its row. */

#include "base/mem.h"
#include "kernels/kernel.h"

/* One sentence per disagreement into `problems` (lines); returns how many. local_size is
 * the workgroup under this tuning. */
unsigned reflect_check(const KernelRow *row, const uint32_t *words, size_t bytes,
                       const KernelTuning *tuning, uint32_t local_size[3], Text *problems);

/* What a skeleton of the shader begins with. */
typedef struct ReflectLayout {
    uint32_t local_size[3];
    uint32_t local_spec[3];              /* id of the constant that sets it, or UINT32_MAX */
    char name[GPU_MAX_SPEC][48];         /* of the specialisation constants; "" when unknown */
} ReflectLayout;
void reflect_layout(const uint32_t *words, size_t bytes, ReflectLayout *out);

#endif
