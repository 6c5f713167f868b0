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

/* The best of a few runs, of as many as `limit` seconds allow, but of one. */
static tmb_status best_of(const Race *race, const KernelTuning *tuning, double limit, double *best)
{
    GpuPipeline *pipeline;
    GpuDispatch dispatch;
    double seconds;
    TRY(kernel_pipeline(race->gpu, race->row, tuning, &pipeline));
    check_dispatch(race->row, race->one, tuning, pipeline, &dispatch);
    memcpy(dispatch.bind, race->bind, sizeof race->bind);
    TRY(gpu_time(race->gpu, &dispatch, 1, 1, &seconds));   /* the first run is slower everywhere */
    const double begin = os_seconds();
    for (int i = 0; i < TUNE_RUNS && (!i || os_seconds() - begin < limit); i++) {
        TRY(gpu_time(race->gpu, &dispatch, 1, 1, &seconds));
        *best = !i || seconds < *best ? seconds : *best;
    }
    return TMB_OK;
}

static bool is_done(const KernelTuning *done, uint32_t count, const KernelTuning *tuning)
{
    for (uint32_t i = 0; i < count; i++)
        if (!memcmp(&done[i], tuning, sizeof *tuning))
            return true;
    return false;
}

static void note(TuneResult *out, int index, double seconds)
{
    out->time[out->count++] = (TuneTime){index, seconds};
    if (out->count == 1 || seconds < out->best.seconds)
        out->best = out->time[out->count - 1];
}

static tmb_status race_all(const Race *race, double limit, TuneResult *out)
{
    const KernelRow *row = race->row;
    const GpuCaps *caps = gpu_caps(race->gpu);
    const double begin = os_seconds(), each = limit / (row->tuning_count + 1);
    double now;
    KernelTuning done[TUNE_MOST + 1];
    uint32_t count = 0;
    if (!kernel_fit(caps, row, NULL, race->one->push, &done[count++]))
        return fail(TMB_UNSUPPORTED, "no tuning of %s fits the device", row->name);
    TRY(best_of(race, &done[0], each, &now));
    note(out, TUNE_DEFAULT, now);
    for (uint32_t i = 0; i < row->tuning_count && i < TUNE_MOST && os_seconds() - begin < limit; i++) {
        if (!kernel_fit_known(caps, row, &row->tunings[i], race->one->push, &done[count]) ||
            is_done(done, count, &done[count]))
            continue;
        tmb_status status = best_of(race, &done[count++], each, &now);
        if (status == TMB_DEVICE_LOST)
            return status;
        if (status == TMB_OK)
            note(out, (int)i, now);
    }
    return TMB_OK;
}

tmb_status tune_row(Gpu *gpu, const KernelRow *row, const KernelCase *one, double limit,
                    TuneResult *out)
{
    Race race = {.gpu = gpu, .row = row, .one = one};
    *out = (TuneResult){.count = 0};
    tmb_status status = race_begin(&race);
    if (status == TMB_OK)
        status = race_all(&race, limit, out);
    race_end(&race);
    return status;
}
