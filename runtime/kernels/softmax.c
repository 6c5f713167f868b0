/* Softmax over rows, forward and backward. */
#include "softmax.push.h"

#include <math.h>

#include "base/mem.h"
#include "kernels/families.h"
#include "kernels/inputs.h"
#include "kernels/subgroups.h"

static void softmax_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const SoftmaxPush *p = push;
    elements[0] = elements[1] = elements[2] = (uint64_t)p->rows * p->cols;
}

static void softmax_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const SoftmaxPush *p = push;
    (void)tuning;
    kernel_fold(p->rows, groups);
}

static double softmax_fwd_flops(const void *push)
{
    const SoftmaxPush *p = push;
    return 36.0 * p->rows * p->cols;   /* two exponentials of about 16 */
}

static double softmax_bwd_flops(const void *push)
{
    const SoftmaxPush *p = push;
    return 4.0 * p->rows * p->cols;
}

static void softmax_fwd_reference(const void *push, double *const bind[])
{
    const SoftmaxPush *p = push;
    for (uint64_t r = 0; r < p->rows; r++) {
        const double *x = bind[0] + r * p->cols;
        double *y = bind[1] + r * p->cols;
        double highest = x[0], sum = 0;
        for (uint64_t c = 0; c < p->cols; c++)
            highest = x[c] > highest ? x[c] : highest;
        for (uint64_t c = 0; c < p->cols; c++)
            sum += exp(x[c] - highest);
        for (uint64_t c = 0; c < p->cols; c++)
            y[c] = exp(x[c] - highest) / sum;
    }
}

static void softmax_bwd_reference(const void *push, double *const bind[])
{
    const SoftmaxPush *p = push;
    for (uint64_t r = 0; r < p->rows; r++) {
        const double *y = bind[0] + r * p->cols, *dy = bind[1] + r * p->cols;
        double *dx = bind[2] + r * p->cols;
        double sum = 0;
        for (uint64_t c = 0; c < p->cols; c++)
            sum += y[c] * dy[c];
        for (uint64_t c = 0; c < p->cols; c++)
            dx[c] = y[c] * (dy[c] - sum) + (p->accumulate ? dx[c] : 0);
    }
}

static bool peaks_input(const void *push, unsigned index, double *values, uint64_t count,
                        uint64_t seed)
{
    (void)seed;
    return index == 0 && input_peaks(values, count, ((const SoftmaxPush *)push)->cols);
}

/* The backward rows take y as it comes; shares of 1 keep the sums as short as they are in use. */
static bool softmax_bwd_input(const void *push, unsigned index, double *values, uint64_t count,
                              uint64_t seed)
{
    const SoftmaxPush *p = push;
    (void)seed;
    if (index != 0)
        return false;
    for (uint64_t i = 0; i < count; i++)
        values[i] = 2.0 * (double)(i % p->cols + 1) / ((double)p->cols * (p->cols + 1.0));
    return true;
}

static const SoftmaxPush smallest = {.rows = 1, .cols = 1};
static const SoftmaxPush ragged = {.rows = 7, .cols = 131};
static const SoftmaxPush square = {.rows = 259, .cols = 259};
static const SoftmaxPush added = {.rows = 5, .cols = 67, .accumulate = 1};
static const SoftmaxPush smollm2 = {.rows = 4, .cols = 49152};
static const SoftmaxPush large = {.rows = 128, .cols = 128256};
static const SoftmaxPush folded = {.rows = 70001, .cols = 3};

static const KernelCase fwd_cases[] = {
    {"smallest", &smallest, NULL}, {"ragged", &ragged, NULL},
    {"peaks", &square, peaks_input}, {"smollm2", &smollm2, NULL}, {"folded", &folded, NULL},
};
static const KernelCase bwd_cases[] = {
    {"smallest", &smallest, softmax_bwd_input}, {"ragged", &ragged, softmax_bwd_input},
    {"accumulate", &added, softmax_bwd_input},  {"smollm2", &smollm2, softmax_bwd_input},
    {"folded", &folded, softmax_bwd_input},
};

#define SOFTMAX                                                                          \
    .push_bytes = sizeof(SoftmaxPush), .large = &large, .extent = softmax_extent, .grid = softmax_grid
#define FWD                                                                              \
    .family = "softmax_fwd", SOFTMAX, .flops = softmax_fwd_flops,                        \
    .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"y", GPU_WRITE, .dtype = DTYPE_F32}},                   \
    .reference = softmax_fwd_reference, .cases = fwd_cases,                              \
    .case_count = COUNT_OF(fwd_cases), .tolerance = 2e-6
#define BWD                                                                              \
    .family = "softmax_bwd", SOFTMAX, .flops = softmax_bwd_flops,                        \
    .bind = {{"y", GPU_READ, .dtype = DTYPE_F32}, {"dy", GPU_READ, .dtype = DTYPE_F32},                    \
             {"dx", GPU_ADD, .dtype = DTYPE_F32}},                                                \
    .reference = softmax_bwd_reference, .cases = bwd_cases,                              \
    .case_count = COUNT_OF(bwd_cases), .tolerance = 2e-6

const KernelRow rows_softmax[] = {
    {.name = "softmax_fwd", FWD, TREE_ROW},
    {.name = "softmax_fwd_subgroup", FWD, SUBGROUP_ROW},
    {.name = "softmax_bwd", BWD, TREE_ROW},
    {.name = "softmax_bwd_subgroup", BWD, SUBGROUP_ROW},
};
const size_t rows_softmax_count = COUNT_OF(rows_softmax);
