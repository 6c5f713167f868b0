/* tmb_device_…: the public face of runtime/gpu. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/mem.h"
#include "check/probe.h"
#include "kernels/roof.h"

static GpuParams gpu_params(const tmb_device_params *params)
{
    return (GpuParams){.device = params->device, .caps = params->caps,
                       .vram_cap = params->memory_cap, .profile = params->profile != 0,
                       .validate = params->validate != 0};
}

/* Tokens at once as `train` has them unless told otherwise. */
static const KernelShape *shape_of(const tmb_model *model, KernelShape *out)
{
    if (!model)
        return NULL;
    const ModelConfig *config = model_config(model->model);
    *out = (KernelShape){.rows = probe_usual_shape.rows, .hidden = config->hidden, .ffn = config->ffn,
                         .heads = config->heads, .kv_heads = config->kv_heads,
                         .head_dim = config->head_dim, .vocab = config->vocab,
                         .types = config->block_types};
    return out;
}

tmb_status tmb_device_open(const tmb_device_params *params, tmb_device **out)
{
    tmb_device *device = MEM_NEW(tmb_device);
    *out = NULL;
    const GpuParams chosen = gpu_params(params);
    tmb_status status = gpu_open(&chosen, &device->gpu);
    if (status != TMB_OK) {
        free(device);
        return status;
    }
    KernelShape shape;
    probe_device(device->gpu,
                 &(ProbeHelper){.program = params->helper, .command = "probe-kernel",
                                .device = params->device, .caps = params->caps,
                                .shape = shape_of(params->model, &shape), .seconds = PROBE_SECONDS,
                                .row_seconds = PROBE_ROW_SECONDS, .again = params->retune != 0});
    *out = device;
    return TMB_OK;
}

tmb_status tmb_device_probe(const tmb_device_params *params, const char *kernels, const char *sizes,
                            const char *seconds, void (*line)(const char *text))
{
    const double end = probe_end(seconds);
    const GpuParams chosen = gpu_params(params);
    KernelShape shape;
    Gpu *gpu;
    if (!probe_shape_read(sizes, &shape))
        return fail(TMB_USAGE, "'%s' are no sizes of a model", sizes);
    tmb_status status = gpu_open(&chosen, &gpu);
    if (status != TMB_OK) {
        probe_rows_failed(kernels, line);
        return status;
    }
    status = probe_rows(gpu, kernels, &shape, end, line);
    gpu_close(&gpu);
    return status;
}

const char *tmb_device_note(tmb_device *device, unsigned index)
{
    const GpuCaps *caps = gpu_caps(device->gpu);
    unsigned seen = 0;
    for (size_t i = 0; i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        if (!row->probe || !probe_applies(caps, row, &probe_usual_shape, false) || seen++ != index)
            continue;
        const KernelVerdict *verdict = policy_verdict(caps->policy, row->name);
        snprintf(device->note, sizeof device->note, "%s %s: %s%s%s%s", row->name,
                 kernel_trusted(caps, row) ? "used" : "not used",
                 verdict ? finding_name(verdict->finding) : "nothing has tried it here yet",
                 verdict ? " (" : "", verdict ? verdict->why : "", verdict ? ")" : "");
        return device->note;
    }
    return NULL;
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
