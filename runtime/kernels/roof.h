#ifndef KERNELS_ROOF_H
#define KERNELS_ROOF_H
/* What a device can do at most, measured: the roof of Williams, Waterman and Patterson's
 * roofline model (2009). Kernels are judged by their share of it. */

#include "kernels/kernel.h"

typedef struct KernelRoof {
    double flops_per_second;   /* f32 multiply-adds in registers, counted as two */
    double bytes_per_second;   /* read and written by a copy beyond the caches */
} KernelRoof;

/* Takes about a fifth of a second; needs 128 MiB of device memory, less where that much is
 * not free. No rows appear in the profile. */
TMB_MUST_USE tmb_status kernel_roof(Gpu *gpu, KernelRoof *out);

/* The same for matrix units, f16 operands and f32 sums: the best of the device's units; 0 without
 * any. Only where a probe vouched for them, or in a developer's tool: drivers have crashed. */
TMB_MUST_USE tmb_status kernel_roof_matrix(Gpu *gpu, double *flops_per_second);

/* The shortest time that this work can take, as a share of the time it took; 0 without. */
double kernel_roof_share(const KernelRoof *roof, double flops, double bytes, double seconds);

#endif
