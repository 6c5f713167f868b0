#ifndef CHECK_INSTEAD_H
#define CHECK_INSTEAD_H
/* Rows that do in one dispatch what otherwise takes two (KernelRow.instead), against these two. */

#include "kernels/kernel.h"

enum { INSTEAD_NAME = 48 };

/* Both of them for one case of the row. The second is the family's best for the device among those on
 * matrix units when the row is, else among those that need no probe; false: there is none. */
typedef struct Instead {
    const KernelRow *row[2];
    uint32_t push[2][GPU_MAX_PUSH / 4];
    KernelCase one[2];           /* points into push: not to be copied */
} Instead;
bool instead_begin(const GpuCaps *caps, const KernelRow *row, const KernelCase *one, Instead *out);

/* Seconds of both together, the second at the best of its tunings that were tried in `limit` seconds and
 * before `end` (tune_row), and their names joined by +. */
TMB_MUST_USE tmb_status instead_time(Gpu *gpu, const KernelRow *row, const KernelCase *one, double limit,
                                     double end, char name[INSTEAD_NAME], double *seconds);
/* Seconds of both, as bench_run measures the row itself. */
TMB_MUST_USE tmb_status instead_bench(Gpu *gpu, const KernelRow *row, const KernelCase *one, uint64_t seed,
                                      char name[INSTEAD_NAME], double *seconds);

#endif
