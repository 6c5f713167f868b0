/* RMSNorm (Zhang and Sennrich, 2019), forward, forward of a sum, and backward. */
#include <math.h>

#include "base/mem.h"
#include "kernels/families.h"
#include "kernels/inputs.h"
#include "kernels/norm.h"
#include "kernels/subgroups.h"
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

/* x = a + b, written, then normed. */
static void add_rmsnorm_fwd_reference(const void *push, double *const bind[])
{
    const RmsnormPush *p = push;
    for (uint64_t i = 0; i < (uint64_t)p->rows * p->cols; i++)
        bind[3][i] = bind[0][i] + bind[1][i];
    rmsnorm_fwd_reference(push, (double *const[]){bind[3], bind[2], bind[4], bind[5]});
}

static void add_rmsnorm_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const RmsnormPush *p = push;
    elements[0] = elements[1] = elements[3] = elements[4] = (uint64_t)p->rows * p->cols;
    elements[2] = p->cols;
    elements[5] = p->rows;
}

/* With s = sum_c x w dy:  dx = rstd (w dy - x rstd^2 s / cols). */
static void rmsnorm_bwd_x_reference(const void *push, double *const bind[])
{
    const RmsnormPush *p = push;
    for (uint64_t r = 0; r < p->rows; r++) {
        const double *x = bind[0] + r * p->cols, *w = bind[1], *dy = bind[3] + r * p->cols;
        double rstd = bind[2][r], *dx = bind[4] + r * p->cols;
        double sum = 0;
        for (uint64_t c = 0; c < p->cols; c++)
            sum += x[c] * w[c] * dy[c];
        for (uint64_t c = 0; c < p->cols; c++)
            dx[c] = rstd * (w[c] * dy[c] - x[c] * rstd * rstd * sum / p->cols)
                  + (p->accumulate ? dx[c] : 0);
    }
}

static void rmsnorm_bwd_x_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const RmsnormPush *p = push;
    elements[0] = (uint64_t)p->rows * p->cols;
    elements[1] = p->cols;
    elements[2] = p->rows;
    elements[3] = elements[4] = elements[0];
}

static void rmsnorm_bwd_w_reference(const void *push, double *const bind[])
{
    const RmsnormPush *p = push;
    const double *x = bind[0], *rstd = bind[1], *dy = bind[2];
    double *dw = bind[3];
    for (uint64_t r = 0; r < p->rows; r++)
        for (uint64_t c = 0; c < p->cols; c++)
            dw[c] += dy[r * p->cols + c] * x[r * p->cols + c] * rstd[r];
}

static void rmsnorm_bwd_w_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const RmsnormPush *p = push;
    elements[0] = elements[2] = (uint64_t)p->rows * p->cols;
    elements[1] = p->rows;
    elements[3] = p->cols;
}

static void rmsnorm_bwd_w_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const uint32_t columns = tuning->spec[0] / tuning->spec[1];
    kernel_fold(((uint64_t)((const RmsnormPush *)push)->cols + columns - 1) / columns, groups);
}

/* Reciprocals of root mean squares are positive. */
static bool rstd_input(double *values, uint64_t count, uint64_t seed)
{
    return input_between(values, count, 0.5, 2, seed);
}

static bool rmsnorm_bwd_x_input(const void *push, unsigned index, double *values,
                                uint64_t count, uint64_t seed)
{
    (void)push;
    return index == 2 && rstd_input(values, count, seed);
}

static bool rmsnorm_bwd_w_input(const void *push, unsigned index, double *values,
                                uint64_t count, uint64_t seed)
{
    (void)push;
    return index == 1 && rstd_input(values, count, seed);
}

static const RmsnormPush smallest = {.rows = 1, .cols = 1, .eps = 1e-5f};
static const RmsnormPush ragged = {.rows = 7, .cols = 131, .eps = 1e-5f};
static const RmsnormPush added = {.rows = 9, .cols = 132, .eps = 1e-5f, .accumulate = 1};
static const RmsnormPush stories260k = {.rows = 512, .cols = 64, .eps = 1e-5f};
static const RmsnormPush smollm2 = {.rows = 512, .cols = 576, .eps = 1e-5f};
static const RmsnormPush folded = {.rows = 70001, .cols = 3, .eps = 1e-5f};
static const RmsnormPush folded_fours = {.rows = 70001, .cols = 4, .eps = 1e-5f};
static const RmsnormPush folded_wide = {.rows = 2, .cols = 65600, .eps = 1e-5f};
static const RmsnormPush wide = {.rows = 3, .cols = 70001, .eps = 1e-5f};
static const RmsnormPush large = {.rows = 4096, .cols = 4096, .eps = 1e-5f};

static const KernelCase fwd_cases[] = {
    {"smallest", &smallest, NULL}, {"ragged", &ragged, NULL}, {"stories260k", &stories260k, NULL},
    {"smollm2", &smollm2, NULL},   {"folded", &folded, NULL}, {"wide", &wide, NULL},
    {"folded fours", &folded_fours, NULL},
};
static const KernelCase bwd_x_cases[] = {
    {"smallest", &smallest, rmsnorm_bwd_x_input}, {"ragged", &ragged, rmsnorm_bwd_x_input},
    {"accumulate", &added, rmsnorm_bwd_x_input},
    {"stories260k", &stories260k, rmsnorm_bwd_x_input},
    {"smollm2", &smollm2, rmsnorm_bwd_x_input},   {"folded", &folded, rmsnorm_bwd_x_input},
    {"folded fours", &folded_fours, rmsnorm_bwd_x_input}, {"wide", &wide, rmsnorm_bwd_x_input},
};
static const KernelCase bwd_w_cases[] = {
    {"smallest", &smallest, rmsnorm_bwd_w_input}, {"ragged", &ragged, rmsnorm_bwd_w_input},
    {"stories260k", &stories260k, rmsnorm_bwd_w_input}, {"smollm2", &smollm2, rmsnorm_bwd_w_input},
    {"folded", &folded_wide, rmsnorm_bwd_w_input}, {"wide", &wide, rmsnorm_bwd_w_input},
};

bool norm_in_vectors(const void *push)
{
    return ((const RmsnormPush *)push)->cols % 4 == 0;
}

void norm_resize(const void *push, KernelTuning *tuning)
{
    enum { WIDE = 2048, WIDE_THREADS = 256 };
    if (((const RmsnormPush *)push)->cols >= WIDE && tuning->spec[0] < WIDE_THREADS)
        tuning->spec[0] = WIDE_THREADS;
}

/* Threads, and how many share a column. 1: small cases go beyond 65,535 groups */
static const KernelTuning column_tunings[] = {{{1, 1}}, {{64, 1}}, {{256, 1}}, {{256, 16}}, {{128, 4}}};
#define CASES(name) .cases = name, .case_count = COUNT_OF(name)
#define NORM .push_bytes = sizeof(RmsnormPush), .flops = rmsnorm_flops, .large = &large
#define FWD                                                                                \
    .family = "rmsnorm_fwd",                                                               \
    .bind = {{"x", GPU_READ, .dtype = DTYPE_F32, NORM_SQUARED}, {"w", GPU_READ, .dtype = DTYPE_F32},              \
             {"y", GPU_WRITE, .dtype = DTYPE_F32}, {"rstd", GPU_WRITE, .dtype = DTYPE_F32}},                 \
    NORM, .extent = rmsnorm_extent, .grid = rmsnorm_grid, .tolerance = 1e-6,               \
    .reference = rmsnorm_fwd_reference, CASES(fwd_cases)
#define ADD_FWD                                                                            \
    .family = "add_rmsnorm_fwd",                                                           \
    .bind = {{"a", GPU_READ, .dtype = DTYPE_F32, NORM_SQUARED}, {"b", GPU_READ, .dtype = DTYPE_F32, NORM_SQUARED},     \
             {"w", GPU_READ, .dtype = DTYPE_F32}, {"x", GPU_WRITE, .dtype = DTYPE_F32},                      \
             {"y", GPU_WRITE, .dtype = DTYPE_F32}, {"rstd", GPU_WRITE, .dtype = DTYPE_F32}},                 \
    NORM, .extent = add_rmsnorm_extent, .grid = rmsnorm_grid, .tolerance = 1e-6,           \
    .reference = add_rmsnorm_fwd_reference, CASES(fwd_cases)
#define BWD_X                                                                              \
    .family = "rmsnorm_bwd_x",                                                             \
    .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"w", GPU_READ, .dtype = DTYPE_F32},                       \
             {"rstd", GPU_READ, .dtype = DTYPE_F32}, {"dy", GPU_READ, .dtype = DTYPE_F32},                   \
             {"dx", GPU_ADD, .dtype = DTYPE_F32}},                                                  \
    NORM, .extent = rmsnorm_bwd_x_extent, .grid = rmsnorm_grid, .tolerance = 2e-6,         \
    .reference = rmsnorm_bwd_x_reference, CASES(bwd_x_cases)

const KernelRow rows_norm[] = {
    {.name = "rmsnorm_fwd", FWD, TREE_ROW, .resize = norm_resize},
    {.name = "rmsnorm_fwd_vectors", FWD, TREE_VECTORS_ROW(norm_in_vectors), .resize = norm_resize},
    {.name = "rmsnorm_fwd_subgroup", FWD, SUBGROUP_ROW, .suits = norm_in_vectors, .resize = norm_resize},
    {.name = "rmsnorm_fwd_texel", FWD, REDUCE_TEXEL_ROW(norm_in_vectors), .texels = 1 << 0 | 1 << 1},
    {.name = "add_rmsnorm_fwd", ADD_FWD, TREE_ROW, .resize = norm_resize},
    {.name = "add_rmsnorm_fwd_vectors", ADD_FWD, TREE_VECTORS_ROW(norm_in_vectors), .resize = norm_resize},
    {.name = "add_rmsnorm_fwd_subgroup", ADD_FWD, SUBGROUP_ROW, .suits = norm_in_vectors, .resize = norm_resize},
    {.name = "add_rmsnorm_fwd_texel", ADD_FWD, REDUCE_TEXEL_ROW(norm_in_vectors), .texels = 1 << 0 | 1 << 1 | 1 << 2},
    {.name = "rmsnorm_bwd_x", BWD_X, TREE_ROW, .resize = norm_resize},
    {.name = "rmsnorm_bwd_x_vectors", BWD_X, TREE_VECTORS_ROW(norm_in_vectors), .resize = norm_resize},
    {.name = "rmsnorm_bwd_x_subgroup", BWD_X, SUBGROUP_ROW, .suits = norm_in_vectors, .resize = norm_resize},
    {.name = "rmsnorm_bwd_x_texel", BWD_X, REDUCE_TEXEL_ROW(norm_in_vectors), .texels = 1 << 0 | 1 << 1 | 1 << 3},
    {
        .name = "rmsnorm_bwd_w", .family = "rmsnorm_bwd_w",
        .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"rstd", GPU_READ, .dtype = DTYPE_F32},
                 {"dy", GPU_READ, .dtype = DTYPE_F32}, {"dw", GPU_ADD, .dtype = DTYPE_F32}},
        NORM, .spec_count = 2, .tuning = {{256, 16}}, .tunings = column_tunings, .tuning_count = COUNT_OF(column_tunings),
        .extent = rmsnorm_bwd_w_extent, .grid = rmsnorm_bwd_w_grid,
        .reference = rmsnorm_bwd_w_reference, CASES(bwd_w_cases), .tolerance = 2e-6,
    },
};
const size_t rows_norm_count = COUNT_OF(rows_norm);
