/* A device that its driver reset, or that is slower than a watchdog allows: opening it anew,
 * and giving it less work at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "gpu/internal.h"

/* Desktops reset a device after two seconds on one submit. */
static const double WATCHDOG_SECONDS = 2;
/* Below this, launching costs more than it saves. */
static const double LEAST_SUBMIT_SECONDS = 0.002;
static const double USUAL_SUBMIT_SECONDS = 0.1;
/* Pauses between attempts: a driver's reset takes up to some seconds. */
static const double pauses[] = {0, 0.5, 2.5};

tmb_status lost_check(const Gpu *gpu)
{
    if (!gpu->lost)
        return TMB_OK;
    return fail(TMB_DEVICE_LOST, "%s was reset by its driver; it must be opened again",
                gpu->caps.name);
}

static void halve(Budget *budget)
{
    double seconds = budget->seconds > 0 ? budget->seconds : USUAL_SUBMIT_SECONDS;
    budget->seconds = seconds / 2 > LEAST_SUBMIT_SECONDS ? seconds / 2 : LEAST_SUBMIT_SECONDS;
}

void lost_watch(Gpu *gpu, double seconds)
{
    /* without a budget there is no watchdog: CPU drivers may take their time */
    if (!(gpu->budget.seconds > 0) || seconds < WATCHDOG_SECONDS)
        return;
    double planned = gpu->budget.seconds;
    halve(&gpu->budget);
    snprintf(gpu->notice, sizeof gpu->notice, "the device took %.1f s for work planned for %.2g s; "
             "going on with half the work per submit", seconds, planned);
}

const char *gpu_notice(Gpu *gpu)
{
    if (!*gpu->notice)
        return NULL;
    memcpy(gpu->told, gpu->notice, sizeof gpu->told);
    *gpu->notice = '\0';
    return gpu->told;
}

static bool is_same(const GpuSnapshot *a, const GpuSnapshot *b)
{
    return !memcmp(a->device_uuid, b->device_uuid, sizeof a->device_uuid) &&
           !memcmp(a->driver_uuid, b->driver_uuid, sizeof a->driver_uuid) &&
           a->driver_id == b->driver_id && !strcmp(a->name, b->name);
}

/* The physical device of the snapshot in a new instance: drivers keep what a reset spoils in
 * the instance, too. */
static tmb_status find_again(Gpu *gpu)
{
    GpuSnapshot *found = MEM_NEW(GpuSnapshot);
    tmb_status status = instance_create(gpu->params.validate, &gpu->instance);
    gpu->physical = VK_NULL_HANDLE;
    for (uint32_t i = 0; !status && !gpu->physical && i < gpu->instance.device_count; i++) {
        snapshot_take(gpu->instance.handle, gpu->instance.devices[i], found);
        if (is_same(found, &gpu->snapshot))
            gpu->physical = gpu->instance.devices[i];
    }
    free(found);
    if (!status && !gpu->physical)
        status = fail(TMB_NO_DEVICE, "%s is not there any more", gpu->caps.name);
    return status;
}

static tmb_status open_again(Gpu *gpu)
{
    uint64_t peak = gpu->peak;
    instance_destroy(&gpu->instance);
    TRY(find_again(gpu));
    gpu->lost = false;
    tmb_status status = device_start(gpu);
    if (!status)
        status = device_trial(gpu);
    gpu->peak = peak;
    if (status) {
        device_stop(gpu);
        gpu->lost = true;
    }
    return status;
}

tmb_status gpu_reopen(Gpu *gpu)
{
    if (gpu->buffers > (gpu->staging ? 1u : 0u))
        return fail(TMB_DEVICE_LOST, "%s was reset by its driver while something else on it was "
                    "in use as well; close that and begin again", gpu->caps.name);
    gpu->lost = true;        /* destroying must not wait for work that is gone */
    device_stop(gpu);
    halve(&gpu->budget);
    tmb_status status = TMB_FAILED;
    for (size_t i = 0; status && i < COUNT_OF(pauses); i++) {
        os_sleep(pauses[i]);
        status = open_again(gpu);
    }
    return status ? fail_in(TMB_DEVICE_LOST, "%s was reset by its driver and cannot be opened "
                            "again: ", gpu->caps.name)
                  : TMB_OK;
}
