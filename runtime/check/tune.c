#include "check/tune.h"

#include <math.h>
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

/* One that takes part, ready to run. */
typedef struct Runner {
    KernelTuning tuning;
    GpuDispatch dispatch;
} Runner;

/* gpu_time runs everything once to warm up, because the first run is slower everywhere. */
static tmb_status run_once(const Race *race, const Runner *runner, TuneTime *time)
{
    double seconds;
    TRY(gpu_time(race->gpu, &runner->dispatch, 1, 1, &seconds));
    time->seconds = seconds < time->seconds ? seconds : time->seconds;
    return TMB_OK;
}

static tmb_status enter(const Race *race, Runner *runner, int index, TuneResult *out)
{
    GpuPipeline *pipeline;
    TuneTime time = {index, INFINITY};
    TRY(kernel_pipeline(race->gpu, race->row, &runner->tuning, &pipeline));
    check_dispatch(race->row, race->one, &runner->tuning, pipeline, &runner->dispatch);
    memcpy(runner->dispatch.bind, race->bind, sizeof race->bind);
    TRY(run_once(race, runner, &time));
    out->time[out->count++] = time;
    return TMB_OK;
}

static tmb_status enter_default(const Race *race, Runner *runner, TuneResult *out)
{
    if (!kernel_fit(gpu_caps(race->gpu), race->row, NULL, race->one->push, &runner->tuning))
        return fail(TMB_UNSUPPORTED, "no tuning of %s fits the device", race->row->name);
    return enter(race, runner, TUNE_DEFAULT, out);
}

/* False when resize puts something else in this tuning's place for these sizes: then it would not be
 * itself that is timed. */
static bool is_itself(const Race *race, const KernelTuning *tuning, const KernelTuning *fitted)
{
    KernelTuning plain;
    return kernel_fit(gpu_caps(race->gpu), race->row, tuning, race->one->push, &plain) &&
           !memcmp(&plain, fitted, sizeof plain);
}

static bool is_done(const Runner *runners, uint32_t count, const KernelTuning *tuning)
{
    for (uint32_t i = 0; i < count; i++)
        if (!memcmp(&runners[i].tuning, tuning, sizeof *tuning))
            return true;
    return false;
}

/* In turns, so that whatever else the machine does meets all of them alike. */
static tmb_status run_in_turns(const Race *race, const Runner *runners, double end, TuneResult *out)
{
    for (int turn = 1; turn < TUNE_RUNS && os_seconds() < end; turn++)
        for (uint32_t i = 0; i < out->count; i++)
            TRY(run_once(race, &runners[i], &out->time[i]));
    out->best = out->time[0];
    for (uint32_t i = 1; i < out->count; i++)
        if (out->time[i].seconds < out->best.seconds)
            out->best = out->time[i];
    return TMB_OK;
}

/* When the last turn may begin, so that it ends before `end`: each runs everything twice. */
static double last_turn(const TuneResult *out, double end)
{
    for (uint32_t i = 0; i < out->count; i++)
        end -= 2 * out->time[i].seconds;
    return end;
}

static tmb_status race_all(const Race *race, double limit, double end, TuneResult *out)
{
    const KernelRow *row = race->row;
    Runner runners[TUNE_MOST + 1];
    double now = os_seconds();
    TRY(enter_default(race, &runners[0], out));
    const double begin = os_seconds();   /* that one must run; a cold cache may have made it slow */
    double took = begin - now;
    now = begin;
    for (uint32_t i = 0; i < row->tuning_count && i < TUNE_MOST && !out->unfinished; i++) {
        Runner *runner = &runners[out->count];
        if (!kernel_fit_known(gpu_caps(race->gpu), row, &row->tunings[i], race->one->push, &runner->tuning) ||
            !is_itself(race, &row->tunings[i], &runner->tuning) || is_done(runners, out->count, &runner->tuning))
            continue;
        if (now - begin > limit || now + took > end) {
            out->unfinished = true;
            continue;
        }
        if (enter(race, runner, (int)i, out) == TMB_DEVICE_LOST)
            return TMB_DEVICE_LOST;
        took = os_seconds() - now;
        now += took;
    }
    /* with no limit one that stands alone is timed too */
    const double soft = begin + (limit > 0 ? limit : 0.1), hard = last_turn(out, end);
    return run_in_turns(race, runners, soft < hard ? soft : hard, out);
}

tmb_status tune_row(Gpu *gpu, const KernelRow *row, const KernelCase *one, double limit, double end,
                    TuneResult *out)
{
    Race race = {.gpu = gpu, .row = row, .one = one};
    *out = (TuneResult){.count = 0};
    tmb_status status = race_begin(&race);
    if (status == TMB_OK)
        status = race_all(&race, limit, end, out);
    race_end(&race);
    return status;
}

tmb_status tune_time(Gpu *gpu, const KernelRow *row, const KernelCase *one, double *seconds)
{
    Race race = {.gpu = gpu, .row = row, .one = one};
    TuneResult result = {.count = 0};
    Runner runner;
    tmb_status status = race_begin(&race);
    if (status == TMB_OK)
        status = enter_default(&race, &runner, &result);
    *seconds = result.time[0].seconds;
    race_end(&race);
    return status;
}
