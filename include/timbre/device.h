#ifndef TIMBRE_DEVICE_H
#define TIMBRE_DEVICE_H
/* The Vulkan device that does the work. */

#include <stddef.h>
#include <stdint.h>

#include "timbre/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_device tmb_device;
typedef struct tmb_model tmb_model;

typedef struct tmb_device_params {
    const char *device;     /* index as text or part of a name; NULL: discrete, integrated, CPU */
    const char *caps;       /* "none", "range=8M", "0x…" or NULL for everything the device has */
    uint64_t memory_cap;    /* bytes of device memory to use at most; 0: no cap */
    int profile;            /* non-zero: time every dispatch */
    int validate;           /* non-zero: enable the Khronos validation layer when installed */
    const char *helper;     /* path of the timbre program: tries kernels that drivers have crashed
                             * in (matrix units) in a process of its own, once per device, driver,
                             * set of kernels and size of model; NULL: those that were not tried yet
                             * are not used. It also measures which tile sizes are the fastest here */
    const tmb_model *model; /* at whose sizes it measures; NULL: those of a usual model */
    int retune;             /* non-zero: the helper does all that again, and on CPU drivers too,
                             * where tile sizes are otherwise taken from a table */
} tmb_device_params;

/* Opens a device; TMB_NO_DEVICE or TMB_OUT_OF_DEVICE with one sentence. One
 * thread at a time may use it. Close it after everything made with it. */
TMB_MUST_USE tmb_status tmb_device_open(const tmb_device_params *params, tmb_device **out);
/* Takes the address, sets it to NULL, accepts NULL. */
void tmb_device_close(tmb_device **device);
/* One sentence: which device and why. Owned by the device. */
const char *tmb_device_why(const tmb_device *device);

/* One sentence each about kernels that are used, or not, because of what was found out on this
 * device; NULL beyond the last. Owned by the device until its next call. */
const char *tmb_device_note(tmb_device *device, unsigned index);

/* What a helper does, with the words it was started with: opens the device and tries kernels
 * (names separated by commas) at the sizes of a model, for about so many seconds. What whoever
 * started it waits for is one line for each of them, given to `line` as soon as it is known. */
TMB_MUST_USE tmb_status tmb_device_probe(const tmb_device_params *params, const char *kernels,
                                         const char *sizes, const char *seconds,
                                         void (*line)(const char *text));

typedef struct tmb_device_info {
    char name[256];
    char driver[256];           /* name and version */
    char problem[256];          /* empty, or why this device cannot be used */
    const char *kind;           /* "discrete", "integrated", "virtual", "cpu", "other" */
    uint64_t memory_bytes;      /* of the heap Timbre would use */
    uint64_t memory_free;       /* of it now, by the driver's budget where it has one */
    uint64_t storage_range;     /* bytes one shader binding may cover */
    uint32_t api_major, api_minor;
    uint32_t subgroup_size, shared_bytes, max_invocations;
    int f16, matrix_units;      /* non-zero when present */
} tmb_device_info;

/* Every device found, in the order `device` counts. Release with free(). */
TMB_MUST_USE tmb_status tmb_device_list(tmb_device_info **out, size_t *count);
/* The opened device's own entry. */
void tmb_device_describe(const tmb_device *device, tmb_device_info *out);

typedef struct tmb_memory {
    uint64_t used, peak, available;   /* bytes of device memory */
} tmb_memory;
tmb_memory tmb_device_memory(tmb_device *device);

typedef struct tmb_profile_row {
    const char *label;
    uint64_t dispatches;
    double seconds, flops, bytes;
    double roof_share;       /* of the shortest time that this device could need, measured */
} tmb_profile_row;
/* With params.profile: time per kernel since the last reset, longest first. Owned
 * by the device until its next call. */
const tmb_profile_row *tmb_device_profile(tmb_device *device, size_t *count);
void tmb_device_profile_reset(tmb_device *device);

#ifdef __cplusplus
}
#endif
#endif
