#ifndef KERNELS_TUNINGS_H
#define KERNELS_TUNINGS_H
/* Which tuning of a row a device begins with, before anything was measured on it: a small table
 * keyed by driver and architecture. It decides where the race of tunings starts, and what is used
 * where there is no race (CPU drivers) or it failed. */

#include "kernels/kernel.h"

typedef struct TuningLine {
    uint32_t driver_id;                    /* VkDriverId */
    /* The architecture, by the subgroups it offers; 0: any. AMD's GCN has 64 only, RDNA 32 to 64;
     * Intel's Xe 8 to 32, Xe2 16 to 32. */
    uint32_t subgroup_min, subgroup_max;
    const char *row;                       /* a name; one * stands for any run of characters */
    KernelTuning tuning;                   /* one of the row's */
    const char *why;                       /* how we know */
} TuningLine;
extern const TuningLine tuning_lines[];
extern const size_t tuning_line_count;

/* The first line that is meant for the device and the row, or NULL. */
const TuningLine *tuning_line(const GpuCaps *caps, const KernelRow *row);

#endif
