#include "check/bench.h"

#include <stdlib.h>

enum { BENCH_SETS = 32, BENCH_RUNS = 50, BENCH_MEDIANS = 5 };
/* Sets of buffers used in turn until they exceed what caches hold, or this many. */
#define BENCH_ROTATE_BYTES (256.0 * 1024 * 1024)
#define BENCH_SECONDS 0.1                /* of one median */
/* Clocks, caches and addresses differ from process to process by about this much. */
#define BENCH_FLOOR 0.03

static tmb_status fill_set(Gpu *gpu, const KernelRow *row, const Truth *truth, GpuDispatch *dispatch)
{
    for (uint32_t i = 0; i < truth->count; i++) {
        GpuBuffer *buffer = NULL;
        TRY(gpu_buffer_create(gpu, truth->bind[i].bytes, GPU_HEAP_DEVICE, row->bind[i].name,
                              &buffer));
        dispatch->bind[i] = (GpuSlice){buffer, 0, truth->bind[i].bytes};
        TRY(gpu_upload(gpu, buffer, 0, truth->bind[i].before, truth->bind[i].bytes));
    }
    return TMB_OK;
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* The first run of gpu_time comes right after its warm-up over the same buffers: left out. */
static tmb_status median(Gpu *gpu, const GpuDispatch *sets, size_t count, size_t runs, double *out)
{
    double seconds[BENCH_RUNS + 1];
    TRY(gpu_time(gpu, sets, count, runs + 1, seconds));
    qsort(seconds + 1, runs, sizeof *seconds, ascending);
    *out = seconds[1 + runs / 2];
    return TMB_OK;
}

static tmb_status measure(Gpu *gpu, const GpuDispatch *sets, size_t count, BenchResult *out)
{
    double medians[BENCH_MEDIANS], once = 0;
    TRY(gpu_time(gpu, sets, count, 1, &once));
    size_t runs = once * BENCH_RUNS < BENCH_SECONDS ? BENCH_RUNS : (size_t)(BENCH_SECONDS / once);
    for (int i = 0; i < BENCH_MEDIANS; i++)
        TRY(median(gpu, sets, count, runs < 3 ? 3 : runs, &medians[i]));
    qsort(medians, BENCH_MEDIANS, sizeof *medians, ascending);
    out->low = medians[0];
    out->seconds = medians[BENCH_MEDIANS / 2];
    out->high = medians[BENCH_MEDIANS - 1];
    return TMB_OK;
}

double bench_noise(const BenchResult *result)
{
    return result->seconds > 0 ? (result->high - result->low) / 2 / result->seconds : 0;
}

bool bench_is_slower(const BenchResult *before, const BenchResult *now)
{
    double change = before->seconds > 0 ? now->seconds / before->seconds - 1 : 0;
    return now->low > before->high && change > BENCH_FLOOR &&
           change > bench_noise(before) + bench_noise(now);
}

tmb_status bench_run(Gpu *gpu, const KernelRow *row, const KernelCase *one,
                     const KernelTuning *tuning, GpuPipeline *pipeline, uint64_t seed,
                     BenchResult *out)
{
    GpuDispatch sets[BENCH_SETS];
    Truth truth;
    size_t count = 0;
    tmb_status status = truth_inputs(row, one, seed, &truth);
    *out = (BenchResult){0};
    for (uint32_t i = 0; i < truth.count; i++)
        out->bytes += (double)truth.bind[i].bytes * (truth.bind[i].access == GPU_ADD ? 2 : 1);
    for (; count < BENCH_SETS && status == TMB_OK; count++) {
        if (count && (double)count * out->bytes > BENCH_ROTATE_BYTES)
            break;
        check_dispatch(row, one, tuning, pipeline, &sets[count]);
        status = fill_set(gpu, row, &truth, &sets[count]);
    }
    if (status == TMB_OK)
        status = measure(gpu, sets, count, out);
    for (size_t s = 0; s < count; s++)
        for (uint32_t i = 0; i < truth.count; i++)
            gpu_buffer_destroy(gpu, &sets[s].bind[i].buffer);
    truth_finish(&truth);
    return status;
}
