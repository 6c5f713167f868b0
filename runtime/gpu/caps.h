#ifndef GPU_CAPS_H
#define GPU_CAPS_H
/* Decisions made from a snapshot: pure functions, no Vulkan. */

#include "gpu/snapshot.h"

/* Capabilities after the quirks table and the --caps text (NULL: all).
 * TMB_USAGE when the text cannot be read. */
TMB_MUST_USE tmb_status caps_build(const GpuSnapshot *snapshot, const char *text, GpuCaps *out);

/* Why a device cannot be used at all, or NULL; the second looks at what compiling needs
 * only, because drivers without their card offer no memory. */
const char *caps_problem(const GpuSnapshot *snapshot);
const char *caps_limits_problem(const GpuSnapshot *snapshot);

/* Memory type for a heap among allowed_bits, -1 when none fits. Device memory lies in
 * the largest suitable heap; staging is host-visible, coherent and cached if possible. */
int caps_memory_type(const GpuSnapshot *snapshot, GpuHeap heap, uint32_t allowed_bits);

/* Place in the order of preference, smaller is better: discrete, integrated, virtual,
 * other, CPU. */
int caps_kind_rank(GpuKind kind);
const char *caps_kind_name(GpuKind kind);

/* Drivers that are named somewhere: VkDriverId values. */
enum {
    DRIVER_AMD_PROPRIETARY = 1,
    DRIVER_AMDVLK = 2,
    DRIVER_RADV = 3,
    DRIVER_NVIDIA = 4,
    DRIVER_INTEL_WINDOWS = 5,
    DRIVER_INTEL_MESA = 6,
    DRIVER_SWIFTSHADER = 10,
    DRIVER_LLVMPIPE = 13,
    DRIVER_MOLTENVK = 14,
};

/* What is known to be broken where, and struck from the capabilities. */
typedef struct GpuQuirk {
    uint32_t driver_id;       /* VkDriverId */
    uint32_t vendor_id;       /* 0: any */
    uint32_t strikes;         /* GPU_CAP_… */
    uint32_t unit_n;          /* only devices whose matrix unit is this wide, 0: any … */
    const char *spared[2];    /* … and whose name has none of these words */
    const char *named;        /* only devices whose name has this word, NULL: any */
    uint32_t before;          /* only driver versions below this, 0: any */
    uint64_t block_bytes;     /* upper limit of one allocation, 0: none */
    uint32_t lane_sums;       /* of GpuCaps, 0: says nothing */
    bool one_subgroup_size;   /* without an extension that would say so */
    const char *why;          /* what happens, and who measured it where */
} GpuQuirk;
extern const GpuQuirk gpu_quirks[];
extern const size_t gpu_quirk_count;

#endif
