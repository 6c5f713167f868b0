#include "kernels/roof.h"

#include <string.h>

#include "base/mem.h"
#include "copy.push.h"
#include "kernels/families.h"
#include "roof_fma.push.h"

/* ---- the kernel row of the arithmetic roof -------------------------------- */

enum { CHAINS = 16, STEPS = 8 };

static void roof_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const RoofFmaPush *p = push;
    elements[0] = elements[1] = p->count;
}

static void roof_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const RoofFmaPush *p = push;
    kernel_fold(((uint64_t)p->count + tuning->spec[0] - 1) / tuning->spec[0], groups);
}

static double roof_flops(const void *push)
{
    const RoofFmaPush *p = push;
    return 2.0 * CHAINS * STEPS * p->rounds * p->count;
}

static void roof_reference(const void *push, double *const bind[])
{
    const RoofFmaPush *p = push;
    for (uint64_t i = 0; i < p->count; i++) {
        bind[1][i] = 0;
        for (int j = 0; j < CHAINS; j++) {
            double value = bind[0][i] + j;
            for (uint64_t step = 0; step < (uint64_t)STEPS * p->rounds; step++)
                value = value * 0.9375 + 0.25;
            bind[1][i] += value;
        }
    }
}

static const KernelCase roof_cases[] = {
    {.name = "smallest", .push = &(const RoofFmaPush){.count = 1, .rounds = 0}},
    {.name = "ragged", .push = &(const RoofFmaPush){.count = 131, .rounds = 7}},
    {.name = "folded", .push = &(const RoofFmaPush){.count = 65600, .rounds = 1}},
    {.name = "long", .push = &(const RoofFmaPush){.count = 4096, .rounds = 128}},
};

static const KernelTuning roof_tunings[] = {{{1}}, {{8}}, {{32}}, {{64}}, {{128}}, {{256}}};

const KernelRow rows_roof[] = {
    {
        .name = "roof_fma", .family = "roof_fma", .push_bytes = sizeof(RoofFmaPush),
        .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"y", GPU_WRITE, .dtype = DTYPE_F32}},
        .spec_count = 1, .tuning = {{64}}, .tunings = roof_tunings,
        .tuning_count = COUNT_OF(roof_tunings), .extent = roof_extent, .grid = roof_grid,
        .flops = roof_flops, .reference = roof_reference, .cases = roof_cases,
        .case_count = COUNT_OF(roof_cases), .tolerance = 1e-5,
    },
};
const size_t rows_roof_count = COUNT_OF(rows_roof);

/* ---- measuring ------------------------------------------------------------ */

#define ROOF_BYTES (512ull << 20)     /* beyond every cache: cards have up to 128 MiB of it */
#define ROOF_BYTES_CPU (64ull << 20)
#define ROOF_SECONDS 0.02             /* one run of the arithmetic at least */
enum { ROOF_ROUNDS = 64, ROOF_REPEATS = 3 };

static tmb_status best_time(Gpu *gpu, const GpuDispatch *dispatch, double *best)
{
    double seconds[ROOF_REPEATS];
    TRY(gpu_time(gpu, dispatch, 1, ROOF_REPEATS, seconds));
    *best = seconds[0];
    for (int i = 1; i < ROOF_REPEATS; i++)
        *best = seconds[i] < *best ? seconds[i] : *best;
    return TMB_OK;
}

static tmb_status prepare(Gpu *gpu, const char *name, const void *push, GpuBuffer *const buffers[2],
                          uint64_t bytes, GpuDispatch *out)
{
    const KernelRow *row = kernel_by_name(name);
    *out = (GpuDispatch){.bind = {{buffers[0], 0, bytes}, {buffers[1], 0, bytes}}};
    memcpy(out->push, push, row->push_bytes);
    row->grid(push, &row->tuning, out->groups);
    return kernel_pipeline(gpu, row, NULL, &out->pipeline);
}

/* By the copy kernel and by the driver's own copy: on CPU drivers the latter is faster. */
static tmb_status measure_bytes(Gpu *gpu, GpuBuffer *const buffers[2], uint64_t bytes, double *rate)
{
    const CopyPush push = {.count = (uint32_t)(bytes / 4)};
    const GpuSlice x = {buffers[0], 0, bytes}, y = {buffers[1], 0, bytes};
    GpuDispatch dispatch;
    double seconds, copied[ROOF_REPEATS];
    /* there and back: memory that was never written may not exist yet, and reads too fast */
    TRY(gpu_time_copy(gpu, y, x, 1, copied));
    TRY(gpu_time_copy(gpu, x, y, ROOF_REPEATS, copied));
    TRY(prepare(gpu, "copy", &push, buffers, bytes, &dispatch));
    TRY(best_time(gpu, &dispatch, &seconds));
    for (int i = 0; i < ROOF_REPEATS; i++)
        seconds = copied[i] < seconds ? copied[i] : seconds;
    *rate = 2.0 * (double)bytes / seconds;
    return TMB_OK;
}

/* Doubles the rounds until one run is long enough to tell, so that neither a slow nor a
 * fast device is kept busy for longer than it needs. */
static tmb_status measure_flops(Gpu *gpu, GpuBuffer *const buffers[2], uint64_t bytes, double *rate)
{
    uint64_t count = bytes / 4 < 1u << 18 ? bytes / 4 : 1u << 18;
    RoofFmaPush push = {.count = 4096, .rounds = ROOF_ROUNDS};
    double seconds = 0;
    *rate = 0;
    while (seconds < ROOF_SECONDS) {
        GpuDispatch dispatch;
        TRY(prepare(gpu, "roof_fma", &push, buffers, bytes, &dispatch));
        TRY(best_time(gpu, &dispatch, &seconds));
        double now = roof_flops(&push) / seconds;
        *rate = now > *rate ? now : *rate;
        if (push.count < count)
            push.count *= 2;
        else if (push.rounds < 1u << 20)
            push.rounds *= 2;
        else
            break;
    }
    return TMB_OK;
}

tmb_status kernel_roof(Gpu *gpu, KernelRoof *out)
{
    GpuBuffer *buffers[2] = {NULL, NULL};
    tmb_status status = TMB_OK;
    const GpuCaps *caps = gpu_caps(gpu);
    uint64_t bytes = caps->kind == GPU_CPU ? ROOF_BYTES_CPU : ROOF_BYTES, available = gpu_memory(gpu).available;
    *out = (KernelRoof){0};
    while (bytes > 1u << 20 && (2 * bytes > available || bytes > caps->storage_range ||
                                bytes > caps->block_bytes))
        bytes /= 2;
    for (int i = 0; i < 2; i++)
        TRY_OR(done, status, gpu_buffer_create(gpu, bytes, GPU_HEAP_DEVICE, "roof", &buffers[i]));
    /* first what takes long: a card at rest has low clocks */
    TRY_OR(done, status, measure_flops(gpu, buffers, bytes, &out->flops_per_second));
    TRY_OR(done, status, measure_bytes(gpu, buffers, bytes, &out->bytes_per_second));
done:
    for (int i = 0; i < 2; i++)
        gpu_buffer_destroy(gpu, &buffers[i]);
    return status;
}

double kernel_roof_share(const KernelRoof *roof, double flops, double bytes, double seconds)
{
    if (!(seconds > 0) || !(roof->flops_per_second > 0) || !(roof->bytes_per_second > 0))
        return 0;
    double arithmetic = flops / roof->flops_per_second, traffic = bytes / roof->bytes_per_second;
    return (arithmetic > traffic ? arithmetic : traffic) / seconds;
}
