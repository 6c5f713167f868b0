/* tmb_device_…: the public face of runtime/gpu. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/mem.h"
#include "kernels/roof.h"

tmb_status tmb_device_open(const tmb_device_params *params, tmb_device **out)
{
    tmb_device *device = MEM_NEW(tmb_device);
    *out = NULL;
    tmb_status status = gpu_open(&(GpuParams){.device = params->device,
                                              .caps = params->caps,
                                              .vram_cap = params->memory_cap,
                                              .profile = params->profile != 0,
                                              .validate = params->validate != 0},
                                 &device->gpu);
    if (status != TMB_OK) {
        free(device);
        return status;
    }
    *out = device;
    return TMB_OK;
}

void tmb_device_close(tmb_device **device)
{
    if (!*device)
        return;
    gpu_close(&(*device)->gpu);
    free((*device)->rows);
    free(*device);
    *device = NULL;
}

const char *tmb_device_why(const tmb_device *device)
{
    return gpu_why(device->gpu);
}

static void describe(const GpuCaps *caps, tmb_device_info *out)
{
    static const char *const kinds[] = {
        [GPU_DISCRETE] = "discrete", [GPU_INTEGRATED] = "integrated",
        [GPU_VIRTUAL] = "virtual",   [GPU_CPU] = "cpu", [GPU_OTHER] = "other",
    };
    *out = (tmb_device_info){
        .kind = kinds[caps->kind],
        .memory_bytes = caps->heap_bytes,
        .storage_range = caps->storage_range,
        .api_major = caps->api_version >> 22 & 0x7f,
        .api_minor = caps->api_version >> 12 & 0x3ff,
        .subgroup_size = caps->subgroup_size,
        .shared_bytes = caps->shared_bytes,
        .max_invocations = caps->max_invocations,
        .f16 = (caps->bits & GPU_CAP_F16) != 0,
        .matrix_units = (caps->bits & GPU_CAP_COOPMAT) != 0,
    };
    memcpy(out->name, caps->name, sizeof out->name);
    memcpy(out->driver, caps->driver, sizeof out->driver);
}

tmb_status tmb_device_list(tmb_device_info **out, size_t *count)
{
    GpuListing *list = NULL;
    *out = NULL;
    *count = 0;
    TRY(gpu_list(&list, count));
    *out = MEM_NEW_ARRAY(tmb_device_info, *count);
    for (size_t i = 0; i < *count; i++) {
        describe(&list[i].caps, &(*out)[i]);
        (*out)[i].memory_free = list[i].memory_free;
        memcpy((*out)[i].problem, list[i].problem, sizeof list[i].problem);
    }
    free(list);
    return TMB_OK;
}

void tmb_device_describe(const tmb_device *device, tmb_device_info *out)
{
    describe(gpu_caps(device->gpu), out);
    out->memory_free = gpu_memory(device->gpu).available;
}

tmb_memory tmb_device_memory(tmb_device *device)
{
    GpuMemory memory = gpu_memory(device->gpu);
    return (tmb_memory){memory.used, memory.peak, memory.available};
}

const tmb_profile_row *tmb_device_profile(tmb_device *device, size_t *count)
{
    KernelRoof roof;
    /* a device too full to be measured shows no shares; the times are right all the same */
    if (kernel_roof(device->gpu, &roof) != TMB_OK)
        roof = (KernelRoof){0};
    const GpuProfileRow *rows = gpu_profile(device->gpu, count);
    device->rows = mem_grow(device->rows, *count, sizeof *device->rows);
    for (size_t i = 0; i < *count; i++)
        device->rows[i] = (tmb_profile_row){
            rows[i].label, rows[i].dispatches, rows[i].seconds, rows[i].flops, rows[i].bytes,
            kernel_roof_share(&roof, rows[i].flops, rows[i].bytes, rows[i].seconds)};
    return device->rows;
}

void tmb_device_profile_reset(tmb_device *device)
{
    gpu_profile_reset(device->gpu);
}
