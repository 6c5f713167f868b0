#include "check/bench.h"

#include <stdlib.h>

#include "base/os.h"

enum { BENCH_SETS = 4, BENCH_RUNS = 50 };
/* Each set is used in turn until they exceed what caches hold, or this many. */
#define BENCH_ROTATE_BYTES (256.0 * 1024 * 1024)
#define BENCH_SECONDS 0.5

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

static tmb_status measure(Gpu *gpu, const GpuDispatch *sets, size_t count, double *median)
{
    double seconds[BENCH_RUNS], begin = os_seconds();
    size_t done = 0;
    TRY(gpu_time(gpu, sets, count, 1, seconds));
    while (done < BENCH_RUNS && (done < 3 || os_seconds() - begin < BENCH_SECONDS)) {
        TRY(gpu_time(gpu, &sets[done % count], 1, 1, &seconds[done]));
        done++;
    }
    qsort(seconds, done, sizeof *seconds, ascending);
    *median = seconds[done / 2];
    return TMB_OK;
}

tmb_status bench_run(Gpu *gpu, const KernelRow *row, const KernelCase *one,
                     const KernelTuning *tuning, GpuPipeline *pipeline, uint64_t seed,
                     double *seconds, double *bytes)
{
    GpuDispatch sets[BENCH_SETS];
    Truth truth;
    size_t count = 0;
    tmb_status status = truth_inputs(row, one, seed, &truth);
    *bytes = 0;
    for (uint32_t i = 0; i < truth.count; i++)
        *bytes += (double)truth.bind[i].bytes * (truth.bind[i].access == GPU_ADD ? 2 : 1);
    for (; count < BENCH_SETS && status == TMB_OK; count++) {
        if (count && (double)count * *bytes > BENCH_ROTATE_BYTES)
            break;
        check_dispatch(row, one, tuning, pipeline, &sets[count]);
        status = fill_set(gpu, row, &truth, &sets[count]);
    }
    if (status == TMB_OK)
        status = measure(gpu, sets, count, seconds);
    for (size_t s = 0; s < count; s++)
        for (uint32_t i = 0; i < truth.count; i++)
            gpu_buffer_destroy(gpu, &sets[s].bind[i].buffer);
    truth_finish(&truth);
    return status;
}
