#ifndef GPU_SNAPSHOT_H
#define GPU_SNAPSHOT_H
/* Everything Timbre asks of a physical device, asked once and kept as plain data,
 * so that the decisions made from it (caps.c) can be tested without Vulkan. */

#include <stdbool.h>
#include <stdint.h>

#include "gpu/gpu.h"

enum { SNAPSHOT_HEAPS = 16, SNAPSHOT_TYPES = 32, SNAPSHOT_SHAPES = 16 };

/* Bits of SnapshotType.flags: the values of VkMemoryPropertyFlagBits. */
enum {
    MEMORY_DEVICE_LOCAL = 1,
    MEMORY_HOST_VISIBLE = 2,
    MEMORY_HOST_COHERENT = 4,
    MEMORY_HOST_CACHED = 8,
};

typedef struct GpuSnapshot {
    char name[256], driver_name[256], driver_info[256];
    uint8_t driver_uuid[16], device_uuid[16], cache_uuid[16];
    uint32_t vendor_id, device_id, api_version, driver_version;
    uint32_t driver_id;                /* VkDriverId */
    GpuKind kind;
    /* limits */
    uint32_t max_invocations, max_group_size_x, max_groups_x, max_groups_y, max_groups_z;
    uint32_t shared_bytes, push_bytes, storage_buffers_per_stage, offset_align;
    uint32_t texel_elements, texel_align;   /* of texel buffers: elements, bytes */
    uint64_t storage_range, allocation_bytes;
    double timestamp_nanoseconds;      /* of one tick */
    /* the compute queue; family UINT32_MAX when there is none */
    uint32_t queue_family, timestamp_bits;
    /* subgroups */
    uint32_t subgroup_size, subgroup_min, subgroup_max;   /* the last two 0: the driver does not say */
    uint32_t max_subgroups;            /* in a workgroup whose size of subgroups is asked for, or 0 */
    bool subgroup_arithmetic;          /* basic, arithmetic and shuffle operations in compute */
    bool subgroup_size_control;        /* feature and extension, compute stage */
    /* features that may be enabled */
    bool f16, int8, int16, storage16, storage8, memory_model;
    bool memory_budget, coopmat;
    bool executables;                  /* tells about the code it compiles */
    /* f16 x f16 -> f32 at subgroup scope */
    struct { uint32_t m, n, k; } shape[SNAPSHOT_SHAPES];
    uint32_t shape_count;
    /* memory */
    struct { uint64_t bytes; bool device_local; } heap[SNAPSHOT_HEAPS];
    struct { uint32_t flags, heap; } type[SNAPSHOT_TYPES];
    uint32_t heap_count, type_count;
} GpuSnapshot;

/* One of every physical device found, usable or not, in the order --device counts.
 * Free with free(). */
TMB_MUST_USE tmb_status gpu_snapshots(GpuSnapshot **out, size_t *count);

/* As JSON, for tests of the decisions on machines that are not here. `out` is the caller's;
 * a missing or wrong field is TMB_BAD_INPUT. */
typedef struct cJSON cJSON;
cJSON *snapshot_to_json(const GpuSnapshot *snapshot);
TMB_MUST_USE tmb_status snapshot_from_json(const char *source, const cJSON *tree, GpuSnapshot *out);

#endif
