/* Gradient norm, clipping factor and AdamW (Loshchilov and Hutter, 2019). */
#include <math.h>

#include "adamw.push.h"
#include "base/mem.h"
#include "grad_clip.push.h"
#include "grad_norm.push.h"
#include "kernels/families.h"
#include "kernels/inputs.h"
#include "kernels/subgroups.h"

/* ---- sums of squares per tensor ----------------------------------------- */

static void grad_norm_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const GradNormPush *p = push;
    elements[0] = p->count;
    elements[1] = 2 * (uint64_t)p->tensors;
    elements[2] = p->tensors;
}

static void grad_norm_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const GradNormPush *p = push;
    (void)tuning;
    kernel_fold(p->tensors, groups);
}

static double grad_norm_flops(const void *push)
{
    const GradNormPush *p = push;
    return 2.0 * p->count;
}

static void grad_norm_reference(const void *push, double *const bind[])
{
    const GradNormPush *p = push;
    const double *grad = bind[0], *table = bind[1];
    for (uint64_t t = 0; t < p->tensors; t++) {
        uint64_t first = (uint64_t)table[2 * t], count = (uint64_t)table[2 * t + 1];
        double sum = 0;
        for (uint64_t i = first; i < first + count; i++)
            sum += grad[i] * grad[i];
        bind[2][t] = sum;
    }
}

/* Tensors of rising size that leave a gap of one element before each. */
static bool grad_norm_input(const void *push, unsigned index, double *values, uint64_t count,
                            uint64_t seed)
{
    const GradNormPush *p = push;
    (void)seed;
    if (index != 1)
        return false;
    double total = (double)p->tensors * (p->tensors + 1.0) / 2;
    for (uint64_t t = 0; t < count / 2; t++) {
        uint64_t first = (uint64_t)(p->count * (double)t * (t + 1.0) / 2 / total);
        uint64_t end = (uint64_t)(p->count * (t + 1.0) * (t + 2.0) / 2 / total);
        end = end < p->count ? end : p->count;
        first = first < end && p->tensors > 1 ? first + 1 : first;
        values[2 * t] = (double)first;
        values[2 * t + 1] = (double)(end - first);
    }
    return true;
}

static const KernelCase grad_norm_cases[] = {
    {"smallest", &(const GradNormPush){.tensors = 1, .count = 1}, grad_norm_input},
    {"ragged", &(const GradNormPush){.tensors = 7, .count = 1000}, grad_norm_input},
    {"many small", &(const GradNormPush){.tensors = 301, .count = 1507}, grad_norm_input},
    {"one large", &(const GradNormPush){.tensors = 1, .count = 20000001}, grad_norm_input},
    {"smollm2", &(const GradNormPush){.tensors = 420, .count = 4884480}, grad_norm_input},
    {"folded", &(const GradNormPush){.tensors = 70001, .count = 300000}, grad_norm_input},
};

/* ---- clipping factor ---------------------------------------------------- */

static void grad_clip_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const GradClipPush *p = push;
    elements[0] = p->tensors;
    elements[1] = 4;
}

static void grad_clip_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    (void)push;
    (void)tuning;
    kernel_fold(1, groups);
}

static double grad_clip_flops(const void *push)
{
    const GradClipPush *p = push;
    return p->tensors;
}

static void grad_clip_reference(const void *push, double *const bind[])
{
    const GradClipPush *p = push;
    double *control = bind[1];
    double sum = 0;
    for (uint64_t t = 0; t < p->tensors; t++)
        sum += bind[0][t];
    double norm = sqrt(sum);
    control[0] = norm;
    control[1] = p->max_norm > 0 ? fmin(1, p->max_norm / (norm + 1e-6)) : 1;
    control[2] = isfinite(sum) ? 1 : 0;
    control[3] = 0;
}

static bool grad_clip_input(const void *push, unsigned index, double *values, uint64_t count,
                            uint64_t seed)
{
    (void)push;
    return index == 0 && input_between(values, count, 0, 2, seed);
}

/* One tensor overflowed. The norm itself is not compared: max_norm 0 leaves factor 1. */
static bool grad_clip_infinite_input(const void *push, unsigned index, double *values,
                                     uint64_t count, uint64_t seed)
{
    if (!grad_clip_input(push, index, values, count, seed))
        return false;
    values[count / 2] = INFINITY;
    return true;
}

static bool grad_clip_nan_input(const void *push, unsigned index, double *values, uint64_t count,
                                uint64_t seed)
{
    if (!grad_clip_input(push, index, values, count, seed))
        return false;
    values[count / 3] = NAN;
    return true;
}

/* Norms about as small as the 1e-6 that the factor's denominator has more than they. */
static bool grad_clip_small_input(const void *push, unsigned index, double *values, uint64_t count,
                                  uint64_t seed)
{
    (void)push;
    return index == 0 && input_between(values, count, 0, 1e-12, seed);
}

static const KernelCase grad_clip_cases[] = {
    {"smallest", &(const GradClipPush){.tensors = 1, .max_norm = 0.5f}, grad_clip_input},
    {"no clipping", &(const GradClipPush){.tensors = 131}, grad_clip_input},
    {"below", &(const GradClipPush){.tensors = 7, .max_norm = 1000}, grad_clip_input},
    {"smollm2", &(const GradClipPush){.tensors = 420, .max_norm = 1}, grad_clip_input},
    {"infinite", &(const GradClipPush){.tensors = 70}, grad_clip_infinite_input},
    {"not a number", &(const GradClipPush){.tensors = 70}, grad_clip_nan_input},
    {"nearly nothing", &(const GradClipPush){.tensors = 3, .max_norm = 1e-6f}, grad_clip_small_input},
};

/* ---- AdamW -------------------------------------------------------------- */

static void adamw_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const AdamwPush *p = push;
    for (int i = 0; i < 4; i++)
        elements[i] = (uint64_t)p->first + p->count;
    elements[4] = 4;
}

static void adamw_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AdamwPush *p = push;
    grid_of_items(((uint64_t)p->count + 3) / 4, tuning, groups);
}

static double adamw_flops(const void *push)
{
    const AdamwPush *p = push;
    return 16.0 * p->count;
}

static void adamw_reference(const void *push, double *const bind[])
{
    const AdamwPush *p = push;
    double *param = bind[0], *m = bind[2], *v = bind[3];
    const double *grad = bind[1], *control = bind[4];
    if (control[2] == 0)
        return;
    double beta1 = p->beta1, beta2 = p->beta2;
    for (uint64_t i = p->first; i < (uint64_t)p->first + p->count; i++) {
        double g = grad[i] * control[1];
        param[i] *= 1 - (double)p->lr * p->weight_decay;
        m[i] = beta1 * m[i] + (1 - beta1) * g;
        v[i] = beta2 * v[i] + (1 - beta2) * g * g;
        param[i] -= p->lr / p->correction1 * m[i] / (sqrt(v[i] / p->correction2) + p->eps);
    }
}

static bool adamw_input(const void *push, unsigned index, double *values, uint64_t count,
                        uint64_t seed)
{
    (void)push;
    if (index == 3)     /* means of squares */
        return input_between(values, count, 0, 1, seed);
    if (index != 4)
        return false;
    values[0] = 2;
    values[1] = 0.5;
    values[2] = 1;
    values[3] = 0;
    return true;
}

/* What no gradient has reached yet, such as LoRA's A at the first step: only eps divides 0. */
static bool adamw_untouched_input(const void *push, unsigned index, double *values, uint64_t count,
                                  uint64_t seed)
{
    if (index == 0 || index == 4)
        return adamw_input(push, index, values, count, seed);
    for (uint64_t i = 0; i < count; i++)
        values[i] = 0;
    return true;
}

static bool adamw_bad_step_input(const void *push, unsigned index, double *values,
                                 uint64_t count, uint64_t seed)
{
    if (!adamw_input(push, index, values, count, seed))
        return false;
    if (index == 4)
        values[2] = 0;
    return true;
}

#define ADAMW(elements, start)                                                             \
    &(const AdamwPush)                                                                     \
    {                                                                                      \
        .count = elements, .first = start, .lr = 1e-2f, .beta1 = 0.9f, .beta2 = 0.999f,    \
        .eps = 1e-8f, .weight_decay = 0.1f, .correction1 = 0.271f,                         \
        .correction2 = 2.997001e-3f                                                        \
    }
static const KernelCase adamw_cases[] = {
    {"smallest", ADAMW(1, 0), adamw_input},
    {"ragged", ADAMW(917, 3), adamw_input},
    {"aligned", ADAMW(919, 8), adamw_input},
    {"bad step", ADAMW(917, 0), adamw_bad_step_input},
    {"untouched", ADAMW(919, 4), adamw_untouched_input},
    {"folded", ADAMW(4 * 65600, 0), adamw_input},
    {"smollm2", ADAMW(4884480, 0), adamw_input},
};

/* 1: small cases go beyond 65,535 groups */
static const KernelTuning tunings[] = {{{1}}, {{8}}, {{32}}, {{64}}, {{128}}, {{256}}};
#define OPTIMIZER                                                                          \
    .spec_count = 1, .tuning = {{64}}, .tunings = tunings, .tuning_count = COUNT_OF(tunings)
#define CASES(name) .cases = name, .case_count = COUNT_OF(name)

/* A tensor of 2^25 values, all that a range of 128 MiB holds, is one group's work: fewer
 * invocations would pass llvmpipe's limit of 65,535 iterations. */
static const KernelTuning norm_tunings[] = {{{256, 32}}, {{256, 64}}, {{256, 16}}, {{256, 8}}, {{256, 4}}};
#define GRAD_NORM                                                                        \
    .family = "grad_norm", .push_bytes = sizeof(GradNormPush),                           \
    .bind = {{"grad", GPU_READ, .dtype = DTYPE_F32}, {"table", GPU_READ, .dtype = DTYPE_U32},              \
             {"out", GPU_WRITE, .dtype = DTYPE_F32}},                                             \
    .extent = grad_norm_extent, .grid = grad_norm_grid, .flops = grad_norm_flops,        \
    .reference = grad_norm_reference, CASES(grad_norm_cases), .tolerance = 2e-6,           \
    .large = &(const GradNormPush){.tensors = 420, .count = 1 << 24}

const KernelRow rows_optimizer[] = {
    {
        .name = "grad_norm", GRAD_NORM, .rank = 20, .spec_count = 1, .tuning = {{256}},
    },
    {
        .name = "grad_norm_subgroup", GRAD_NORM, .needs = GPU_CAP_SUBGROUP, .rank = 5, .spec_count = 2,
        .subgroup_spec = 2, .tuning = {{256, 32}}, .tunings = norm_tunings,
        .tuning_count = COUNT_OF(norm_tunings), .adapt = subgroup_adapt, .slow_on_cpu = true,
    },
    {
        .name = "grad_clip", .family = "grad_clip", .push_bytes = sizeof(GradClipPush),
        .bind = {{"partial", GPU_READ, .dtype = DTYPE_F32}, {"control", GPU_WRITE, .dtype = DTYPE_F32}},
        OPTIMIZER, .extent = grad_clip_extent, .grid = grad_clip_grid,
        .flops = grad_clip_flops, .reference = grad_clip_reference, CASES(grad_clip_cases),
        .tolerance = 2e-6,
    },
    {
        .name = "adamw", .family = "adamw", .push_bytes = sizeof(AdamwPush),
        .bind = {{"param", GPU_ADD, .dtype = DTYPE_F32}, {"grad", GPU_READ, .dtype = DTYPE_F32},
                 {"m", GPU_ADD, .dtype = DTYPE_F32}, {"v", GPU_ADD, .dtype = DTYPE_F32},
                 {"control", GPU_READ, .dtype = DTYPE_F32}},
        OPTIMIZER, .extent = adamw_extent, .grid = adamw_grid, .flops = adamw_flops,
        .reference = adamw_reference, CASES(adamw_cases), .tolerance = 2e-6,
        .large = ADAMW(1 << 24, 0),
    },
};
const size_t rows_optimizer_count = COUNT_OF(rows_optimizer);
