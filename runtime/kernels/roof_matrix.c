/* roof_matrix: what the device's matrix unit can do at most, for f16 operands and f32 sums. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernels/families.h"
#include "kernels/matrix.h"
#include "kernels/roof.h"
#include "roof_matrix.push.h"

enum { A_COUNT = 4, B_COUNT = 2 };

static void roof_matrix_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const RoofMatrixPush *p = push;
    elements[0] = (uint64_t)p->unit_k * (A_COUNT * p->unit_m + B_COUNT * p->unit_n);
    elements[1] = (uint64_t)p->subgroups * p->unit_m * p->unit_n;
}

static void roof_matrix_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    uint32_t each = tuning->spec[MATRIX_THREADS] / tuning->spec[MATRIX_LANES];
    kernel_fold((((const RoofMatrixPush *)push)->subgroups + each - 1) / each, groups);
}

static double roof_matrix_flops(const void *push)
{
    const RoofMatrixPush *p = push;
    return 2.0 * A_COUNT * B_COUNT * p->rounds * p->subgroups * p->unit_m * p->unit_n * p->unit_k;
}

/* out[r,c] += rounds * sum of a[r,s] b[s,c] */
static void multiply(const RoofMatrixPush *p, const double *a, const double *b, double *out)
{
    for (uint32_t r = 0; r < p->unit_m; r++)
        for (uint32_t c = 0; c < p->unit_n; c++) {
            double sum = 0;
            for (uint32_t s = 0; s < p->unit_k; s++)
                sum += a[r * p->unit_k + s] * b[s * p->unit_n + c];
            out[r * p->unit_n + c] += p->rounds * sum;
        }
}

static void roof_matrix_reference(const void *push, double *const bind[])
{
    const RoofMatrixPush *p = push;
    const double *b = bind[0] + (uint64_t)A_COUNT * p->unit_m * p->unit_k;
    uint64_t unit = (uint64_t)p->unit_m * p->unit_n;
    memset(bind[1], 0, p->subgroups * unit * sizeof(double));
    for (uint32_t i = 0; i < A_COUNT; i++)
        for (uint32_t j = 0; j < B_COUNT && p->subgroups; j++)
            multiply(p, bind[0] + i * p->unit_m * p->unit_k, b + j * p->unit_k * p->unit_n,
                     bind[1]);
    for (uint64_t group = 1; group < p->subgroups; group++)
        memcpy(bind[1] + group * unit, bind[1], unit * sizeof(double));
}

/* The unit is what the sizes say, if the device has it. */
static void roof_matrix_specialise(const void *push, KernelTuning *tuning)
{
    const RoofMatrixPush *p = push;
    tuning->spec[MATRIX_UNIT_M] = p->unit_m;
    tuning->spec[MATRIX_UNIT_N] = p->unit_n;
    tuning->spec[MATRIX_UNIT_K] = p->unit_k;
}

static bool roof_matrix_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    uint32_t *spec = tuning->spec, subgroups = spec[MATRIX_THREADS] / spec[MATRIX_LANES];
    bool found = false;
    for (uint32_t i = 0; i < caps->coopmat_count; i++)
        found |= caps->coopmat[i].m == spec[MATRIX_UNIT_M] &&
                 caps->coopmat[i].n == spec[MATRIX_UNIT_N] &&
                 caps->coopmat[i].k == spec[MATRIX_UNIT_K];
    spec[MATRIX_LANES] = matrix_lanes(caps, spec[MATRIX_UNIT_M], spec[MATRIX_UNIT_N]);
    spec[MATRIX_THREADS] = subgroups * spec[MATRIX_LANES];
    return found && spec[MATRIX_LANES] && spec[MATRIX_THREADS] <= caps->max_invocations;
}

static const KernelCase roof_matrix_cases[] = {
    {.name = "smallest", .push = &(const RoofMatrixPush){1, 1, 16, 16, 16}},
    {.name = "ragged", .push = &(const RoofMatrixPush){7, 5, 16, 16, 16}},
    {.name = "eight", .push = &(const RoofMatrixPush){7, 5, 8, 8, 16}},
    {.name = "folded", .push = &(const RoofMatrixPush){65600, 1, 16, 16, 16}},
    {.name = "eight-sixteen", .push = &(const RoofMatrixPush){7, 5, 8, 16, 16}},
};

static const KernelTuning roof_matrix_tunings[] = {{{128, 32, 16, 16, 16}}, {{32, 32, 16, 16, 16}},
                                                   {{256, 32, 16, 16, 16}}};

const KernelRow rows_roof_matrix[] = {
    {
        .name = "roof_matrix", .family = "roof_matrix",
        .needs = GPU_CAP_COOPMAT | GPU_CAP_F16 | GPU_CAP_SUBGROUP,
        .subgroup_spec = 1 + MATRIX_LANES, .push_bytes = sizeof(RoofMatrixPush),
        .bind = {{"x", GPU_READ, .dtype = DTYPE_F16}, {"y", GPU_WRITE, .dtype = DTYPE_F32}},
        .spec_count = MATRIX_UNIT_K + 1, .tuning = {{128, 32, 16, 16, 16}},
        .tunings = roof_matrix_tunings, .tuning_count = COUNT_OF(roof_matrix_tunings),
        .specialise = roof_matrix_specialise, .adapt = roof_matrix_adapt,
        .extent = roof_matrix_extent, .grid = roof_matrix_grid, .flops = roof_matrix_flops,
        .reference = roof_matrix_reference, .cases = roof_matrix_cases,
        .case_count = COUNT_OF(roof_matrix_cases), .tolerance = 1e-5,
    },
};
const size_t rows_roof_matrix_count = COUNT_OF(rows_roof_matrix);

/* ---- measuring ------------------------------------------------------------- */

#define ROOF_SECONDS 0.02
enum { ROOF_REPEATS = 3, ROOF_SUBGROUPS = 1 << 14, ROOF_ROUNDS_MOST = 1 << 16 };

/* Random numbers, because a card that multiplies zeros clocks higher. */
static tmb_status fill(Gpu *gpu, GpuBuffer *buffer)
{
    uint64_t count = gpu_buffer_bytes(buffer) / 2;
    uint16_t *values = MEM_NEW_ARRAY(uint16_t, count);
    Rng rng;
    rng_init(&rng, 1);
    for (uint64_t i = 0; i < count; i++)
        values[i] = float_to_half((float)rng_normal(&rng));
    tmb_status status = gpu_upload(gpu, buffer, 0, values, count * 2);
    free(values);
    return status;
}

static tmb_status measure(Gpu *gpu, GpuBuffer *const buffers[2], RoofMatrixPush push, double *rate)
{
    const KernelRow *row = kernel_by_name("roof_matrix");
    double seconds[ROOF_REPEATS], least = 0;
    KernelTuning tuning;
    if (!kernel_fit(gpu_caps(gpu), row, NULL, &push, &tuning))
        return TMB_OK;
    for (; push.rounds <= ROOF_ROUNDS_MOST && least < ROOF_SECONDS; push.rounds *= 2) {
        GpuDispatch dispatch = {.bind = {{buffers[0], 0, gpu_buffer_bytes(buffers[0])},
                                         {buffers[1], 0, gpu_buffer_bytes(buffers[1])}}};
        memcpy(dispatch.push, &push, sizeof push);
        row->grid(&push, &tuning, dispatch.groups);
        TRY(kernel_pipeline(gpu, row, &tuning, &dispatch.pipeline));
        TRY(gpu_time(gpu, &dispatch, 1, ROOF_REPEATS, seconds));
        least = seconds[0];
        for (int i = 1; i < ROOF_REPEATS; i++)
            least = seconds[i] < least ? seconds[i] : least;
        double now = least > 0 ? roof_matrix_flops(&push) / least : 0;
        *rate = now > *rate ? now : *rate;
    }
    return TMB_OK;
}

tmb_status kernel_roof_matrix(Gpu *gpu, double *flops_per_second)
{
    const GpuCaps *caps = gpu_caps(gpu);
    const char *why;
    size_t bytes;
    tmb_status status = TMB_OK;
    *flops_per_second = 0;
    if (kernel_by_name("roof_matrix")->needs & ~caps->bits || !kernel_spirv("roof_matrix", &bytes, &why))
        return TMB_OK;
    for (uint32_t i = 0; i < caps->coopmat_count && status == TMB_OK; i++) {
        RoofMatrixPush push = {.subgroups = ROOF_SUBGROUPS, .rounds = 256,
                               .unit_m = caps->coopmat[i].m, .unit_n = caps->coopmat[i].n,
                               .unit_k = caps->coopmat[i].k};
        uint64_t elements[GPU_MAX_BIND];
        GpuBuffer *buffers[2] = {NULL, NULL};
        roof_matrix_extent(&push, elements);
        TRY_OR(done, status, gpu_buffer_create(gpu, elements[0] * 2, GPU_HEAP_DEVICE, "roof",
                                               &buffers[0]));
        TRY_OR(done, status, gpu_buffer_create(gpu, elements[1] * 4, GPU_HEAP_DEVICE, "roof",
                                               &buffers[1]));
        TRY_OR(done, status, fill(gpu, buffers[0]));
        TRY_OR(done, status, measure(gpu, buffers, push, flops_per_second));
    done:
        gpu_buffer_destroy(gpu, &buffers[0]);
        gpu_buffer_destroy(gpu, &buffers[1]);
    }
    return status;
}
