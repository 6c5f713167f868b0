#ifndef GPU_GPU_H
#define GPU_GPU_H
/* The Vulkan device as the rest of Timbre sees it: capabilities, buffers,
 * pipelines and an ordered stream of dispatches. No header outside
 * runtime/gpu includes vulkan.h. One Gpu is used by one thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ---- capabilities ------------------------------------------------------- */

/* What a kernel row may need beyond the floor (Vulkan 1.2, f32, 256 invocations,
 * 32 KiB shared memory). --caps MASK strikes bits; --caps none strikes all. */
enum {
    GPU_CAP_CPU = 1u << 0,            /* a CPU driver: register tiles win, no watchdog */
    GPU_CAP_SUBGROUP = 1u << 1,       /* subgroup arithmetic in compute */
    GPU_CAP_SUBGROUP_SIZE = 1u << 2,  /* required subgroup size can be pinned */
    GPU_CAP_F16 = 1u << 3,            /* f16 arithmetic */
    GPU_CAP_STORAGE16 = 1u << 4,      /* 16-bit values in storage buffers */
    GPU_CAP_INT8 = 1u << 5,
    GPU_CAP_COOPMAT = 1u << 6,        /* VK_KHR_cooperative_matrix, f16 x f16 -> f32 */
    GPU_CAP_TIMESTAMPS = 1u << 7,
    GPU_CAP_MEMORY_BUDGET = 1u << 8,
    GPU_CAP_TEXEL = 1u << 9,          /* any slice can be bound as a texel buffer */
};
#define GPU_CAPS_ALL 0xffffffffu

typedef enum GpuKind { GPU_DISCRETE, GPU_INTEGRATED, GPU_VIRTUAL, GPU_CPU, GPU_OTHER } GpuKind;

/* Plain data about one device after quirks and --caps, from the snapshot. */
typedef struct GpuCaps {
    char name[256], driver[256];      /* driver: name and version, for people */
    uint8_t driver_uuid[16], device_uuid[16];
    uint32_t vendor_id, device_id, api_version;
    uint32_t driver_id;               /* VkDriverId */
    GpuKind kind;
    uint32_t bits;                    /* GPU_CAP_… */
    uint32_t subgroup_size;           /* which the driver names; those it takes may vary: */
    uint32_t subgroup_min, subgroup_max;   /* 0: within limits that are not known */
    uint32_t max_subgroups;           /* per workgroup, where their size is asked for; 0: any number */
    uint32_t max_invocations;         /* per workgroup */
    uint32_t shared_bytes;            /* shared memory per workgroup */
    uint32_t max_groups;              /* per grid dimension, <= 65535 used */
    uint32_t max_push_bytes;
    uint64_t storage_range;           /* bytes one binding may cover; --caps range=8M lowers it */
    uint64_t block_bytes;             /* largest allocation we make, <= 1 GiB */
    uint64_t heap_bytes;              /* of the heap chosen for device memory */
    uint32_t offset_align;            /* storage buffer offset alignment, >= 16 */
    bool unified;                     /* device memory is host-visible main memory */
    double timestamp_seconds;         /* of one tick, 0 without timestamps */
    struct { uint32_t m, n, k; } coopmat[16];
    uint32_t coopmat_count;
    uint32_t lane_sums;               /* f32 sums that an invocation keeps without spilling them;
                                       * 0: as many as any kernel wants */
    /* what was found out about kernels here (kernels/policy.h), NULL: nothing; the Gpu owns it */
    const struct KernelPolicy *policy;
} GpuCaps;

/* ---- opening ------------------------------------------------------------ */

typedef struct Gpu Gpu;

typedef struct GpuParams {
    const char *device;      /* index as text, part of a name, or NULL: discrete, integrated, CPU */
    const char *caps;        /* NULL: all; "none"; "range=8M"; "0x…" mask; comma-separated */
    uint64_t vram_cap;       /* bytes of device memory this process may use, 0: no cap */
    bool profile;            /* timestamp every dispatch */
    bool validate;           /* VK_LAYER_KHRONOS_validation, core and synchronisation; its
                              * first error becomes the failure of the next gpu_wait */
    bool compile_only;       /* nothing but pipelines can be made, and they tell about their code:
                              * drivers whose card is not here offer no memory and no fences */
    double submit_seconds;   /* work in one submit; 0: 0.1 on GPUs, no limit on CPU drivers */
} GpuParams;

/* Creates instance, picks a device and opens it. TIMBRE_DEVICE and TIMBRE_CAPS in the
 * environment stand in for a NULL device and caps. TMB_NO_DEVICE with one sentence
 * when there is no loader, no driver or no match; gpu_why() says how it chose. */
TMB_MUST_USE tmb_status gpu_open(const GpuParams *params, Gpu **out);
void gpu_close(Gpu **gpu);
/* After TMB_DEVICE_LOST, or when a submit ran out of memory: opens the same device anew in the
 * same Gpu, with half the work in a submit (where there was no limit, half of 0.1 s). Pipelines
 * are gone; buffers must have been destroyed before, or this is TMB_DEVICE_LOST. A driver that
 * is still busy resetting is given some seconds. A failure leaves a Gpu that only answers
 * TMB_DEVICE_LOST; it can be tried again. */
TMB_MUST_USE tmb_status gpu_reopen(Gpu *gpu);
/* One sentence about something that befell the device since the last call and did not stop it
 * (a submit that took far too long), or NULL. Owned by the Gpu until the next call. */
const char *gpu_notice(Gpu *gpu);
const GpuCaps *gpu_caps(const Gpu *gpu);
/* Gives the Gpu a policy for its caps, one block from malloc, in place of an earlier one. */
void gpu_set_policy(Gpu *gpu, struct KernelPolicy *policy);
/* The device's place in the order --device counts: another process that opens it by this number has
 * the same one, also where several match a name. */
uint32_t gpu_index(const Gpu *gpu);
const char *gpu_why(const Gpu *gpu);    /* "llvmpipe …: the only device found" */

/* One entry per device found, in the order --device counts; `problem` is empty
 * for a usable device, otherwise why it is skipped. Free with free(). */
typedef struct GpuListing {
    GpuCaps caps;
    uint64_t memory_free;    /* bytes now, by VK_EXT_memory_budget or the heap size */
    char problem[256];
} GpuListing;
TMB_MUST_USE tmb_status gpu_list(GpuListing **out, size_t *count);

/* ---- memory ------------------------------------------------------------- */

typedef struct GpuBuffer GpuBuffer;
typedef enum GpuHeap { GPU_HEAP_DEVICE, GPU_HEAP_STAGING } GpuHeap;

/* One allocation of its own (<= block_bytes). label is for messages and is
 * copied. TMB_OUT_OF_DEVICE when the heap or vram_cap cannot hold it. */
TMB_MUST_USE tmb_status gpu_buffer_create(Gpu *gpu, uint64_t bytes, GpuHeap heap,
                                          const char *label, GpuBuffer **out);
void gpu_buffer_destroy(Gpu *gpu, GpuBuffer **buffer);
uint64_t gpu_buffer_bytes(const GpuBuffer *buffer);
/* Host address of a STAGING buffer (or of a DEVICE buffer on unified memory that
 * happens to be mapped); NULL otherwise. */
void *gpu_buffer_host(const GpuBuffer *buffer);

/* Copies through the staging ring (or directly when mapped), ordered after all
 * work already recorded; both flush and wait before they return. */
TMB_MUST_USE tmb_status gpu_upload(Gpu *gpu, GpuBuffer *to, uint64_t offset,
                                   const void *from, uint64_t bytes);
TMB_MUST_USE tmb_status gpu_download(Gpu *gpu, const GpuBuffer *from, uint64_t offset,
                                     void *to, uint64_t bytes);

/* Bytes of device memory allocated now and at the highest; free by the live budget. */
typedef struct GpuMemory {
    uint64_t used, peak, available;
} GpuMemory;
GpuMemory gpu_memory(Gpu *gpu);

/* ---- pipelines ---------------------------------------------------------- */

enum { GPU_MAX_BIND = 12, GPU_MAX_SPEC = 12, GPU_MAX_PUSH = 128 };

typedef enum GpuAccess {
    GPU_READ,
    GPU_WRITE,   /* every element of the extent that the contract names is overwritten */
    GPU_ADD      /* read and written: accumulates, or updates in place */
} GpuAccess;

typedef struct GpuPipelineInfo {
    const char *name;              /* for messages, profile and the cache */
    const uint32_t *spirv;
    size_t spirv_bytes;
    GpuAccess access[GPU_MAX_BIND];/* set 0, bindings 0…bind_count-1, storage buffers */
    uint32_t bind_count;
    uint32_t texels;               /* bit i: binding i is a uimageBuffer of rgba32ui, not a storage
                                    * buffer; of its slice only whole groups of four words exist */
    uint32_t push_bytes;
    uint32_t spec[GPU_MAX_SPEC];   /* 32-bit specialisation constants, ids 0…spec_count-1 */
    uint32_t spec_count;
    uint32_t subgroup_size;        /* 0: the driver's choice */
} GpuPipelineInfo;

typedef struct GpuPipeline GpuPipeline;

/* Compiles, or finds the pipeline with equal name and spec already compiled; the
 * Gpu owns it. Uses the disk cache keyed by driver. */
TMB_MUST_USE tmb_status gpu_pipeline_get(Gpu *gpu, const GpuPipelineInfo *info,
                                         GpuPipeline **out);

/* What a driver tells about the code of a pipeline (devices opened compile_only); one for each
 * subgroup size it compiled the shader for. */
typedef struct GpuStatistic {
    char name[64];                 /* the driver's words: "VGPRs", "Spill count" */
    double value;
} GpuStatistic;

typedef struct GpuCode {
    char name[64];                 /* "Compute Shader", "SIMD16 compute shader" */
    uint32_t subgroup_size;
    GpuStatistic *statistics;
    uint32_t count;
    char *text;                    /* all representations it offers */
    const char *machine;           /* the last of them in text: the machine's code; NULL: none */
} GpuCode;
/* TMB_UNSUPPORTED when the driver tells nothing. Release with gpu_codes_free. */
TMB_MUST_USE tmb_status gpu_pipeline_codes(Gpu *gpu, const GpuPipeline *pipeline, GpuCode **out,
                                           uint32_t *count);
void gpu_codes_free(GpuCode **codes, uint32_t count);

/* ---- stream ------------------------------------------------------------- */

typedef struct GpuSlice {
    GpuBuffer *buffer;
    uint64_t offset, bytes;        /* offset aligned to caps.offset_align; bytes <= storage_range */
} GpuSlice;

typedef struct GpuDispatch {
    GpuPipeline *pipeline;
    GpuSlice bind[GPU_MAX_BIND];
    unsigned char push[GPU_MAX_PUSH];
    uint32_t groups[3];            /* any extent with 0 groups: the dispatch is skipped */
    double flops, bytes;           /* cost, for submit budgeting and the profile; 0 if unknown */
    const char *label;             /* profile row; NULL: the pipeline's name. Must outlive the wait */
} GpuDispatch;

/* Appends work; submits by itself when the time budget of one submit is full.
 * Barriers come from the access of overlapping slices. Dispatches longer than the
 * budget are split along groups with vkCmdDispatchBase. */
TMB_MUST_USE tmb_status gpu_dispatch(Gpu *gpu, const GpuDispatch *dispatch);
/* Fills bytes (multiple of 4) with a 32-bit pattern. */
TMB_MUST_USE tmb_status gpu_fill(Gpu *gpu, GpuSlice slice, uint32_t pattern);
TMB_MUST_USE tmb_status gpu_copy(Gpu *gpu, GpuSlice from, GpuSlice to);
/* Submits what is pending / and waits for all of it. TMB_DEVICE_LOST is final for this Gpu. */
TMB_MUST_USE tmb_status gpu_flush(Gpu *gpu);
TMB_MUST_USE tmb_status gpu_wait(Gpu *gpu);

/* Timing of one dispatch run `repeats` times back to back over rotating binds
 * (dispatches[i % count]); seconds of each repeat by timestamps, else wall clock. */
TMB_MUST_USE tmb_status gpu_time(Gpu *gpu, const GpuDispatch *dispatches, size_t count,
                                 size_t repeats, double *seconds);

/* The same for a copy between buffers. */
TMB_MUST_USE tmb_status gpu_time_copy(Gpu *gpu, GpuSlice from, GpuSlice to, size_t repeats,
                                      double *seconds);

/* ---- profile (GpuParams.profile) ---------------------------------------- */

typedef struct GpuProfileRow {
    const char *label;
    uint64_t dispatches;
    double seconds, flops, bytes;
} GpuProfileRow;
/* Rows since the last reset, longest first. Owned by the Gpu until the next call. */
const GpuProfileRow *gpu_profile(Gpu *gpu, size_t *count);
void gpu_profile_reset(Gpu *gpu);

#endif
