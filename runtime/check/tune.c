#include "check/tune.h"

#include <string.h>

#include "base/os.h"
#include "check/check.h"

enum { TUNE_RUNS = 5 };

/* One set of inputs on the device, for all tunings of a row. */
typedef struct Race {
    Gpu *gpu;
    const KernelRow *row;
    const KernelCase *one;
    GpuSlice bind[GPU_MAX_BIND];
    uint32_t count;
} Race;

static tmb_status race_begin(Race *race)
{
    Truth truth;
    TRY(truth_inputs(race->row, race->one, 1, &truth));
    tmb_status status = TMB_OK;
    for (uint32_t i = 0; i < truth.count; i++) {
        GpuBuffer *buffer = NULL;
        const TruthBind *bind = &truth.bind[i];
        TRY_OR(done, status, gpu_buffer_create(race->gpu, bind->bytes, GPU_HEAP_DEVICE,
                                               race->row->bind[i].name, &buffer));
        race->bind[race->count++] = (GpuSlice){buffer, 0, bind->bytes};
        TRY_OR(done, status, gpu_upload(race->gpu, buffer, 0, bind->before, bind->bytes));
    }
done:
    truth_finish(&truth);
    return status;
}

static void race_end(Race *race)
{
    for (uint32_t i = 0; i < race->count; i++)
        gpu_buffer_destroy(race->gpu, &race->bind[i].buffer);
}

static tmb_status best_of(const Race *race, const KernelTuning *tuning, double *best)
{
    double seconds[TUNE_RUNS];
    GpuPipeline *pipeline;
    GpuDispatch dispatch;
    TRY(kernel_pipeline(race->gpu, race->row, tuning, &pipeline));
    check_dispatch(race->row, race->one, tuning, pipeline, &dispatch);
    memcpy(dispatch.bind, race->bind, sizeof race->bind);
    TRY(gpu_time(race->gpu, &dispatch, 1, 1, seconds));   /* the first run is slower everywhere */
    TRY(gpu_time(race->gpu, &dispatch, 1, TUNE_RUNS, seconds));
    *best = seconds[0];
    for (int i = 1; i < TUNE_RUNS; i++)
        *best = seconds[i] < *best ? seconds[i] : *best;
    return TMB_OK;
}

static tmb_status race_all(const Race *race, double limit, int *index, double *seconds)
{
    const KernelRow *row = race->row;
    double begin = os_seconds(), now;
    KernelTuning tuning;
    if (!kernel_fit(gpu_caps(race->gpu), row, NULL, race->one->push, &tuning))
        return fail(TMB_UNSUPPORTED, "no tuning of %s fits the device", row->name);
    *index = TUNE_DEFAULT;
    TRY(best_of(race, &tuning, seconds));
    for (uint32_t i = 0; i < row->tuning_count && os_seconds() - begin < limit; i++) {
        if (!kernel_fit(gpu_caps(race->gpu), row, &row->tunings[i], race->one->push, &tuning))
            continue;
        tmb_status status = best_of(race, &tuning, &now);
        if (status == TMB_DEVICE_LOST)
            return status;
        if (status == TMB_OK && now < *seconds) {
            *seconds = now;
            *index = (int)i;
        }
    }
    return TMB_OK;
}

tmb_status tune_row(Gpu *gpu, const KernelRow *row, const KernelCase *one, double limit,
                    int *index, double *seconds)
{
    Race race = {.gpu = gpu, .row = row, .one = one};
    tmb_status status = race_begin(&race);
    if (status == TMB_OK)
        status = race_all(&race, limit, index, seconds);
    race_end(&race);
    return status;
}
