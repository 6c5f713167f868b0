/* The one place that names vendors. A row says what breaks, and who saw it where;
 * rows without a measurement of our own say so. Driver ids are VkDriverId values. */
#include "base/mem.h"
#include "gpu/caps.h"

enum {
    DRIVER_AMD_PROPRIETARY = 1,
    DRIVER_INTEL_WINDOWS = 5,
    DRIVER_MOLTENVK = 14,
};

#define GIB (1024ull * 1024 * 1024)

const GpuQuirk gpu_quirks[] = {
    {DRIVER_INTEL_WINDOWS, 0, GPU_CAP_COOPMAT, 0,
     "cooperative matrix up to 1,400 times slower than plain code on an A770 "
     "(llama.cpp #11074, #22750; not measured by us)"},
    {DRIVER_AMD_PROPRIETARY, 0, 0, GIB / 2,
     "allocations near the advertised 2 GiB fail on Windows "
     "(llama.cpp #5441, #11598; not measured by us)"},
    {DRIVER_MOLTENVK, 0, GPU_CAP_SUBGROUP_SIZE | GPU_CAP_COOPMAT, 0,
     "subgroup size follows the Metal compiler and cannot be pinned "
     "(MoltenVK's documentation; not measured by us)"},
};
const size_t gpu_quirk_count = COUNT_OF(gpu_quirks);
