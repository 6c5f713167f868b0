#include "devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "check/probe.h"
#include "report.h"
#include "retune.h"

/* What a thread needs at most, for the largest case and its reference: one alone took 1.9 GB, four at
 * a time 2.5. */
#define JOB_BYTES (2ull << 30)
#define JOB_DEVICE_BYTES (1ull << 30)
enum { USUAL_JOBS = 4 };

/* Opens what is listed at `index`, as --device takes it. */
static tmb_status open_one(GpuParams params, const GpuListing *list, size_t count, size_t index, Devices *devices)
{
    char number[24];
    Rig *rig = &devices->rig[devices->count];
    char *label = devices->label[devices->count++];
    unsigned same = 0;
    for (size_t i = 0; i < count; i++)
        same += !strcmp(list[i].caps.name, list[index].caps.name);
    snprintf(number, sizeof number, "%zu", index);
    params.device = number;
    snprintf(label, sizeof devices->label[0], same > 1 ? "%s" DEVICE_BEHIND "%zu)" : "%s", list[index].caps.name,
             index);
    rig->label = label;
    return gpu_open(&params, &rig->gpu);
}

/* One chosen by a name, or by a rule that gpu_open knows. */
static tmb_status open_named(const GpuParams *params, Devices *devices)
{
    devices->count = 1;
    devices->rig[0].label = devices->label[0];
    TRY(gpu_open(params, &devices->rig[0].gpu));
    snprintf(devices->label[0], sizeof devices->label[0], "%s", gpu_caps(devices->rig[0].gpu)->name);
    return TMB_OK;
}

/* Whether --device is a number of the list. */
static bool is_listed(const char *device, size_t count, size_t *index)
{
    char *end;
    *index = strtoul(device, &end, 10);
    return device[0] >= '0' && device[0] <= '9' && !*end && *index < count;
}

tmb_status devices_open(const Options *options, Devices *devices)
{
    GpuListing *list = NULL;
    size_t count = 0, chosen = 0;
    GpuParams params = {.device = options->device, .caps = options->caps,
                        .validate = options->validate};
    tmb_status status = gpu_list(&list, &count);
    if (options->device && (status != TMB_OK || !is_listed(options->device, count, &chosen))) {
        free(list);
        return open_named(&params, devices);
    }
    if (options->device)
        status = open_one(params, list, count, chosen, devices);
    for (size_t i = 0; i < count && !options->device && devices->count < MAX_DEVICES && status == TMB_OK; i++) {
        if (list[i].problem[0])
            printf("%s: not usable: %s\n", list[i].caps.name, list[i].problem);
        else
            status = open_one(params, list, count, i, devices);
    }
    free(list);
    if (status == TMB_OK && !devices->count)
        status = fail(TMB_NO_DEVICE, "none of the %zu devices found can be used", count);
    return status;
}

tmb_status devices_open_again(const Options *options, const Devices *first, Devices *devices)
{
    GpuParams params = {.caps = options->caps, .validate = options->validate};
    for (size_t i = 0; i < first->count; i++) {
        char number[24];
        Rig *rig = &devices->rig[devices->count++];
        snprintf(number, sizeof number, "%u", (unsigned)gpu_index(first->rig[i].gpu));
        params.device = number;
        rig->label = first->rig[i].label;
        TRY(gpu_open(&params, &rig->gpu));
    }
    return TMB_OK;
}

/* Rows that are checked here and never used are said to be. */
static void print_needless(const GpuCaps *caps)
{
    const char *why = NULL;
    for (size_t i = 0; i < kernel_count() && !why; i++)
        if (probe_applies(caps, kernel_at(i), &probe_usual_shape, false))
            why = probe_needless(caps, kernel_at(i));
    if (why)
        printf("matrix units: checked here, but not used: %s\n", why);
}

/* Prints what runs here; for measuring, finds out what it can do at most. */
static tmb_status introduce(const Options *options, Rig *rig)
{
    const GpuCaps *caps = gpu_caps(rig->gpu);
    printf("device: %s, %s, seed %llu\n", rig->label, caps->driver,
           (unsigned long long)options->seed);
    if (!options->retune)
        print_needless(caps);
    if (!options->bench)
        return TMB_OK;
    retune_recall(options, rig->gpu);
    TRY(kernel_roof(rig->gpu, &rig->roof));
    printf("roof: %.1f GFLOP/s in registers, %.1f GB/s copied\n",
           rig->roof.flops_per_second * 1e-9, rig->roof.bytes_per_second * 1e-9);
    TRY(kernel_roof_matrix(rig->gpu, &rig->matrix_flops));
    if (rig->matrix_flops > 0)
        printf("roof: %.1f GFLOP/s on matrix units, f16 operands and f32 sums\n",
               rig->matrix_flops * 1e-9);
    return TMB_OK;
}

tmb_status devices_introduce(const Options *options, Devices *devices)
{
    for (size_t i = 0; i < devices->count; i++)
        TRY(introduce(options, &devices->rig[i]));
    return TMB_OK;
}

/* Measured alone is measured well; the rest is too short, or stops at the first failure. */
static bool wants_one(const Options *options)
{
    return options->bench || options->retune || options->shader || options->first;
}

unsigned devices_jobs(const Options *options, const Devices *devices)
{
    uint64_t most = wants_one(options) ? 1 : options->jobs ? options->jobs : os_cpu_count();
    if (!options->jobs) {
        most = most < USUAL_JOBS ? most : USUAL_JOBS;
        most = most < os_free_memory() / JOB_BYTES ? most : os_free_memory() / JOB_BYTES;
        for (size_t i = 0; i < devices->count; i++) {
            const uint64_t room = gpu_memory(devices->rig[i].gpu).available / JOB_DEVICE_BYTES;
            most = most < room ? most : room;
        }
    }
    return most < 1 ? 1 : most > DEVICES_MAX_JOBS ? DEVICES_MAX_JOBS : (unsigned)most;
}

void devices_close(Devices *devices)
{
    for (size_t i = 0; i < devices->count; i++) {
        if (devices->rig[i].gpu)
            rig_finish(&devices->rig[i]);
        gpu_close(&devices->rig[i].gpu);
    }
}
