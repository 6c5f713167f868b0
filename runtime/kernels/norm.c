/* RMSNorm (Zhang and Sennrich, 2019), forward and backward. */
#include <math.h>

#include "base/mem.h"
#include "kernels/families.h"
#include "rmsnorm.push.h"

static void rmsnorm_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const RmsnormPush *p = push;
    uint64_t matrix = (uint64_t)p->rows * p->cols;
    elements[0] = matrix;
    elements[1] = p->cols;
    elements[2] = matrix;
    elements[3] = p->rows;
}

static void rmsnorm_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const RmsnormPush *p = push;
    (void)tuning;
    kernel_fold(p->rows, groups);
}

static double rmsnorm_flops(const void *push)
{
    const RmsnormPush *p = push;
    return 4.0 * p->rows * p->cols;
}

static void rmsnorm_fwd_reference(const void *push, double *const bind[])
{
    const RmsnormPush *p = push;
    const double *x = bind[0], *w = bind[1];
    double *y = bind[2], *rstd = bind[3];
    for (uint64_t r = 0; r < p->rows; r++) {
        double sum = 0;
        for (uint64_t c = 0; c < p->cols; c++)
            sum += x[r * p->cols + c] * x[r * p->cols + c];
        rstd[r] = 1 / sqrt(sum / p->cols + p->eps);
        for (uint64_t c = 0; c < p->cols; c++)
            y[r * p->cols + c] = x[r * p->cols + c] * rstd[r] * w[c];
    }
}

static const KernelCase rmsnorm_cases[] = {
    {.name = "smallest", .push = &(const RmsnormPush){.rows = 1, .cols = 1, .eps = 1e-5f}},
    {.name = "ragged", .push = &(const RmsnormPush){.rows = 7, .cols = 131, .eps = 1e-5f}},
    {.name = "smollm2", .push = &(const RmsnormPush){.rows = 512, .cols = 576, .eps = 1e-5f}},
    {.name = "folded", .push = &(const RmsnormPush){.rows = 70001, .cols = 3, .eps = 1e-5f}},
};

const KernelRow rows_norm[] = {
    {
        .name = "rmsnorm_fwd",
        .family = "rmsnorm_fwd",
        .push_bytes = sizeof(RmsnormPush),
        .bind = {{"x", GPU_READ, DTYPE_F32}, {"w", GPU_READ, DTYPE_F32},
                 {"y", GPU_WRITE, DTYPE_F32}, {"rstd", GPU_WRITE, DTYPE_F32}},
        .spec_count = 1,
        .tuning = {{64}},
        .extent = rmsnorm_extent,
        .grid = rmsnorm_grid,
        .flops = rmsnorm_flops,
        .reference = rmsnorm_fwd_reference,
        .cases = rmsnorm_cases,
        .case_count = COUNT_OF(rmsnorm_cases),
        .tolerance = 1e-6,
    },
};
const size_t rows_norm_count = COUNT_OF(rows_norm);
