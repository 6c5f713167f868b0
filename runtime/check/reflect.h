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

#endif
