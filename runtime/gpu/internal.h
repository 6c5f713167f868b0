#ifndef GPU_INTERNAL_H
#define GPU_INTERNAL_H
/* What the files of runtime/gpu share: the opened device and its parts. */

#include "gpu/budget.h"
#include "gpu/caps.h"
#include "gpu/hazard.h"
#include "gpu/vk.h"

enum {
    FRAME_COUNT = 3,             /* command buffers in turn: one recorded while others run */
    FRAME_DISPATCHES = 1024,     /* at most in one submit */
    FRAME_QUERIES = FRAME_DISPATCHES + 2,
    POOL_SETS = 256,
    POOL_TEXELS = 4,             /* texel bindings of a set, on average at most */
    MESSAGE_BYTES = 1024,
};
#define STAGING_BYTES (16ull << 20)

/* ---- instance.c ---------------------------------------------------------- */

/* Counts what the validation layers report and keeps the first message. */
typedef struct Validation {
    uint64_t errors;
    char first[MESSAGE_BYTES];
} Validation;

typedef struct Instance {
    VkInstance handle;
    VkDebugUtilsMessengerEXT messenger;
    Validation *validation;      /* NULL unless asked for; address known to the messenger */
    VkPhysicalDevice *devices;
    uint32_t device_count;
} Instance;

TMB_MUST_USE tmb_status instance_create(bool validate, Instance *out);
void instance_destroy(Instance *instance);
/* Sentence for a VkResult: what failed, with the result's name; sets lost on device loss. */
TMB_MUST_USE tmb_status vk_check(VkResult result, const char *what);

/* ---- snapshot.c ---------------------------------------------------------- */

void snapshot_take(VkInstance instance, VkPhysicalDevice physical, GpuSnapshot *out);

/* ---- the device ---------------------------------------------------------- */

struct GpuBuffer {
    VkBuffer handle;
    VkDeviceMemory memory;
    uint64_t bytes, id;
    void *host;                  /* mapped address or NULL */
    GpuHeap heap;
    char *label;
};

typedef struct PipelineLayout {
    VkDescriptorSetLayout set;
    VkPipelineLayout pipeline;
    VkDescriptorUpdateTemplate update;
    uint32_t bind_count, texels;
} PipelineLayout;

/* What an update template reads for one binding. */
typedef union DescriptorSource {
    VkDescriptorBufferInfo slice;
    VkBufferView view;           /* for the bits of texels */
} DescriptorSource;

struct GpuPipeline {
    VkPipeline handle;
    char *name;
    GpuAccess access[GPU_MAX_BIND];
    PipelineLayout *layout;
    uint32_t bind_count, push_bytes, spec_count, subgroup_size;
    uint32_t spec[GPU_MAX_SPEC];
};

/* One timed command of a frame: it ends at query 1 + its index. */
typedef struct ProfileMark {
    const char *label;
    double flops, bytes;
    uint32_t dispatches;         /* 0 for all but the first piece of a split dispatch */
} ProfileMark;

typedef struct Frame {
    VkCommandBuffer commands;
    VkFence fence;
    VkQueryPool queries;         /* null when nothing is timed */
    VkDescriptorPool *pools;
    uint32_t pool_count, pool_at, pool_sets;   /* sets taken from pools[pool_at] */
    VkBufferView *views;         /* of its texel bindings */
    size_t view_count, view_capacity;
    bool recording, in_flight;
    uint32_t dispatches;
    double cost;                 /* estimated seconds */
    double elapsed;              /* measured seconds once finished, 0 when not timed */
    ProfileMark marks[FRAME_DISPATCHES];
    uint32_t mark_count;
} Frame;

typedef struct Profile {
    GpuProfileRow *rows;         /* labels are copies */
    size_t count, capacity;
} Profile;

struct Gpu {
    Instance instance;
    VkPhysicalDevice physical;
    uint32_t index;              /* of `physical` among those of the instance */
    VkDevice device;
    VkQueue queue;
    struct VolkDeviceTable vk;
    GpuSnapshot snapshot;
    GpuCaps caps;
    GpuParams params;            /* text members are not kept */
    char why[1024];
    bool lost;
    struct KernelPolicy *policy; /* what caps.policy points to */
    char notice[256], told[256];  /* what gpu_notice will say, and said last */
    /* memory.c */
    uint64_t used, peak, next_id;
    uint32_t buffers;            /* alive, the staging buffer included */
    GpuBuffer *staging;          /* created at the first use */
    /* pipeline.c */
    PipelineLayout **layouts;
    size_t layout_count;
    VkPipelineCache cache;
    char *cache_path;            /* NULL: not kept on disk */
    bool cache_grew;
    GpuPipeline **pipelines;
    size_t pipeline_count;
    /* stream.c */
    VkCommandPool command_pool;
    Frame frames[FRAME_COUNT];
    uint32_t frame_at;
    Hazards hazards;
    Budget budget;
    /* profile.c */
    Profile profile;
};

/* Passes a VkResult of this device up; device loss is remembered. */
TMB_MUST_USE tmb_status gpu_check(Gpu *gpu, VkResult result, const char *what);

/* ---- device.c ------------------------------------------------------------ */

/* Opens a physical device; the Gpu borrows the instance until the caller says it owns it. */
TMB_MUST_USE tmb_status device_open(const Instance *instance, VkPhysicalDevice physical,
                                    const GpuSnapshot *snapshot, const GpuParams *params,
                                    Gpu **out);
/* Fills and reads back a few bytes, and compares: devices that cannot are skipped. */
TMB_MUST_USE tmb_status device_trial(Gpu *gpu);
/* Makes the VkDevice of a Gpu whose physical device, snapshot and caps are known. */
TMB_MUST_USE tmb_status device_start(Gpu *gpu);
/* Gives back all that was made from the VkDevice, and it too. */
void device_stop(Gpu *gpu);
/* Closes the device, not the instance. */
void device_close(Gpu **gpu);

/* ---- memory.c ------------------------------------------------------------ */

/* Bytes free in the heap of device memory, by VK_EXT_memory_budget or the heap's size. */
uint64_t memory_available(Gpu *gpu);
void memory_finish(Gpu *gpu);

/* ---- pipeline.c ---------------------------------------------------------- */

TMB_MUST_USE tmb_status pipelines_init(Gpu *gpu);
void pipelines_finish(Gpu *gpu);

/* ---- stream.c ------------------------------------------------------------ */

TMB_MUST_USE tmb_status stream_init(Gpu *gpu);
void stream_finish(Gpu *gpu);
/* The frame being recorded, begun if necessary. */
TMB_MUST_USE tmb_status stream_frame(Gpu *gpu, Frame **out);
/* Waits for one submitted frame and reads its times. */
TMB_MUST_USE tmb_status stream_frame_wait(Gpu *gpu, Frame *frame);
/* Submits and waits for everything; validation messages are left to gpu_wait. */
TMB_MUST_USE tmb_status stream_drain(Gpu *gpu);
/* Puts a barrier before a command with these accesses when one is needed. */
void stream_order(Gpu *gpu, Frame *frame, const HazardAccess *accesses, size_t count);
/* Checks a dispatch against its pipeline and the limits. */
TMB_MUST_USE tmb_status stream_check(Gpu *gpu, const GpuDispatch *dispatch);
TMB_MUST_USE tmb_status stream_check_copy(GpuSlice from, GpuSlice to);
/* Records one dispatch, or a part of its grid, into the frame. */
TMB_MUST_USE tmb_status stream_record(Gpu *gpu, Frame *frame, const GpuDispatch *dispatch,
                                      const uint32_t base[3], const uint32_t count[3]);

/* ---- lost.c -------------------------------------------------------------- */

/* A wait for work that should have taken budget.seconds at most took this long. */
void lost_watch(Gpu *gpu, double seconds);
/* TMB_DEVICE_LOST while the Gpu waits to be opened again. */
TMB_MUST_USE tmb_status lost_check(const Gpu *gpu);

/* ---- descriptor.c -------------------------------------------------------- */

/* A descriptor set for these slices, valid until the frame is begun again. */
TMB_MUST_USE tmb_status descriptor_set(Gpu *gpu, Frame *frame, const GpuDispatch *dispatch,
                                       VkDescriptorSet *out);
void descriptor_reset(Gpu *gpu, Frame *frame);
void descriptor_finish(Gpu *gpu, Frame *frame);

/* ---- profile.c ----------------------------------------------------------- */

void profile_begin(Gpu *gpu, Frame *frame);
/* After a command was recorded, with profile only. */
void profile_mark(Gpu *gpu, Frame *frame, ProfileMark mark);
void profile_end(Gpu *gpu, Frame *frame);
/* Reads the timestamps of a finished frame into the rows and the budget. */
TMB_MUST_USE tmb_status profile_collect(Gpu *gpu, Frame *frame);
void profile_finish(Gpu *gpu);

#endif
