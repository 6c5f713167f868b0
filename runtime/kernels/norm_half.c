/* RMSNorm whose result is an f16 operand: norm.c's and cast_half.c's kernels in one, so that rows are
 * not written and read again. The bits are those of the two. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kernels/families.h"
#include "kernels/half_rows.h"
#include "kernels/norm.h"
#include "kernels/subgroups.h"
#include "rmsnorm.push.h"

/* Rows of f16 are whole words. */
static uint64_t half_cols(const RmsnormPush *p)
{
    return (uint64_t)p->cols + p->cols % 2;
}

/* y is bound in any case; when it is not kept, one element stands for it. */
static void outputs_extent(const RmsnormPush *p, uint64_t *y)
{
    y[0] = p->keep ? (uint64_t)p->rows * p->cols : 1;
    y[1] = p->rows;
    y[2] = p->rows * half_cols(p);
    y[3] = p->rows;
}

static void norm_half_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const RmsnormPush *p = push;
    elements[0] = (uint64_t)p->rows * p->cols;
    elements[1] = p->cols;
    outputs_extent(p, &elements[2]);
}

static void add_norm_half_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const RmsnormPush *p = push;
    elements[0] = elements[1] = elements[3] = (uint64_t)p->rows * p->cols;
    elements[2] = p->cols;
    outputs_extent(p, &elements[4]);
}

static void norm_half_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    (void)tuning;
    kernel_fold(((const RmsnormPush *)push)->rows, groups);
}

static double norm_half_flops(const void *push)
{
    const RmsnormPush *p = push;
    return 5.0 * p->rows * p->cols;
}

/* Outputs y, rstd, y as f16, scale. */
static void norm_rows(const RmsnormPush *p, const double *x, const double *w,
                      double *const *outputs)
{
    double *y = MEM_NEW_ARRAY(double, p->cols);
    for (uint64_t r = 0; r < p->rows; r++, x += p->cols) {
        double sum = 0;
        for (uint64_t c = 0; c < p->cols; c++)
            sum += x[c] * x[c];
        double rstd = 1 / sqrt(sum / p->cols + p->eps);
        for (uint64_t c = 0; c < p->cols; c++)
            y[c] = x[c] * rstd * w[c];
        for (uint64_t c = 0; c < p->cols && p->keep; c++)
            outputs[0][r * p->cols + c] = y[c];
        outputs[1][r] = rstd;
        half_row_reference(y, p->cols, outputs[2] + r * half_cols(p), &outputs[3][r]);
    }
    free(y);
}

static void norm_half_reference(const void *push, double *const bind[])
{
    norm_rows(push, bind[0], bind[1], &bind[2]);
}

/* x = a + b, written, then normed. */
static void add_norm_half_reference(const void *push, double *const bind[])
{
    const RmsnormPush *p = push;
    for (uint64_t i = 0; i < (uint64_t)p->rows * p->cols; i++)
        bind[3][i] = bind[0][i] + bind[1][i];
    norm_rows(p, bind[3], bind[2], &bind[4]);
}

#define SIZED(ROWS, COLS, KEEP) \
    &(const RmsnormPush){.rows = ROWS, .cols = COLS, .eps = 1e-5f, .keep = KEEP}
static const KernelCase cases[] = {
    {.name = "smallest", .push = SIZED(1, 1, 1)},
    {.name = "ragged", .push = SIZED(7, 131, 1)},
    {.name = "ragged alone", .push = SIZED(9, 133, 0)},
    {.name = "fours alone", .push = SIZED(5, 44, 0)},
    {.name = "smollm2", .push = SIZED(512, 576, 1)},
    {.name = "folded", .push = SIZED(70001, 3, 1)},
    {.name = "folded fours", .push = SIZED(70001, 4, 1)},
    {.name = "wide", .push = SIZED(3, 70001, 1)},
};

#define OUTPUTS                                                                            \
    {"y", GPU_WRITE, .dtype = DTYPE_F32}, {"rstd", GPU_WRITE, .dtype = DTYPE_F32},                           \
    {"half_y", GPU_WRITE, .dtype = DTYPE_F16, .tolerance = 0x1.1p-10}, {"half_scale", GPU_WRITE, .dtype = DTYPE_F32}
#define COMMON                                                                             \
    .push_bytes = sizeof(RmsnormPush), .flops = norm_half_flops, .large = SIZED(4096, 4096, 1), \
    .grid = norm_half_grid, .tolerance = 1e-6, .cases = cases, .case_count = COUNT_OF(cases)
#define FWD                                                                                \
    .family = "rmsnorm_half_fwd",                                                          \
    .bind = {{"x", GPU_READ, .dtype = DTYPE_F32, NORM_SQUARED}, {"w", GPU_READ, .dtype = DTYPE_F32}, OUTPUTS},    \
    COMMON, .extent = norm_half_extent, .reference = norm_half_reference
#define ADD_FWD                                                                            \
    .family = "add_rmsnorm_half_fwd",                                                      \
    .bind = {{"a", GPU_READ, .dtype = DTYPE_F32, NORM_SQUARED}, {"b", GPU_READ, .dtype = DTYPE_F32, NORM_SQUARED},     \
             {"w", GPU_READ, .dtype = DTYPE_F32}, {"x", GPU_WRITE, .dtype = DTYPE_F32}, OUTPUTS},            \
    COMMON, .extent = add_norm_half_extent, .reference = add_norm_half_reference

const KernelRow rows_norm_half[] = {
    {.name = "rmsnorm_half_fwd", FWD, TREE_ROW, .resize = norm_resize},
    {.name = "rmsnorm_half_fwd_vectors", FWD, TREE_VECTORS_ROW(norm_in_vectors), .resize = norm_resize},
    {.name = "rmsnorm_half_fwd_subgroup", FWD, SUBGROUP_ROW, .suits = norm_in_vectors, .resize = norm_resize},
    {.name = "rmsnorm_half_fwd_texel", FWD, REDUCE_TEXEL_ROW(norm_in_vectors), .texels = 1 << 0 | 1 << 1},
    {.name = "add_rmsnorm_half_fwd", ADD_FWD, TREE_ROW, .resize = norm_resize},
    {.name = "add_rmsnorm_half_fwd_vectors", ADD_FWD, TREE_VECTORS_ROW(norm_in_vectors), .resize = norm_resize},
    {.name = "add_rmsnorm_half_fwd_subgroup", ADD_FWD, SUBGROUP_ROW, .suits = norm_in_vectors, .resize = norm_resize},
    {.name = "add_rmsnorm_half_fwd_texel", ADD_FWD, REDUCE_TEXEL_ROW(norm_in_vectors), .texels = 1 << 0 | 1 << 1 | 1 << 2},
};
const size_t rows_norm_half_count = COUNT_OF(rows_norm_half);
