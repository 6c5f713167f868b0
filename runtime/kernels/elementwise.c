/* add, scale, copy, cast to f16, SwiGLU (Shazeer, 2020): one value of each input, one of
 * each output. */
#include <math.h>

#include "add.push.h"
#include "base/mem.h"
#include "copy.push.h"
#include "kernels/families.h"
#include "kernels/inputs.h"
#include "scale.push.h"
#include "swiglu.push.h"

/* Every push struct of this file starts with its count. */
static uint32_t count_of(const void *push)
{
    return *(const uint32_t *)push;
}

static void elementwise_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    for (int i = 0; i < 5; i++)
        elements[i] = count_of(push);
}

static void elementwise_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    grid_of_items(((uint64_t)count_of(push) + 3) / 4, tuning, groups);
}

/* The bindings hold whole fours. Programs choose by their largest count and may run with any
 * smaller one, which the shader's tail takes. */
static bool in_vectors(const void *push)
{
    return count_of(push) % 4 == 0;
}

/* f16 outputs are bound as whole words. */
static void cast_f16_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    elements[0] = count_of(push);
    elements[1] = ((uint64_t)count_of(push) + 1) / 2 * 2;
}

static double one_flop(const void *push)
{
    return count_of(push);
}

static double no_flops(const void *push)
{
    (void)push;
    return 0;
}

static double swiglu_fwd_flops(const void *push)
{
    return 20.0 * count_of(push);   /* the exponential is about 16 of them */
}

static double swiglu_bwd_flops(const void *push)
{
    return 26.0 * count_of(push);
}

static void add_reference(const void *push, double *const bind[])
{
    const AddPush *p = push;
    const double *a = bind[0], *b = bind[1];
    double *y = bind[2];
    for (uint64_t i = 0; i < p->count; i++)
        y[i] = a[i] + b[i] + (p->accumulate ? y[i] : 0);
}

static void scale_reference(const void *push, double *const bind[])
{
    const ScalePush *p = push;
    const double *x = bind[0];
    double *y = bind[1];
    for (uint64_t i = 0; i < p->count; i++)
        y[i] = (double)p->factor * x[i] + (p->accumulate ? y[i] : 0);
}

static void copy_reference(const void *push, double *const bind[])
{
    const CopyPush *p = push;
    for (uint64_t i = 0; i < p->count; i++)
        bind[1][i] = bind[0][i];
}

static void cast_f16_reference(const void *push, double *const bind[])
{
    const CopyPush *p = push;
    copy_reference(push, bind);
    if (p->count % 2)
        bind[1][p->count] = 0;
}

static void swiglu_fwd_reference(const void *push, double *const bind[])
{
    const SwigluPush *p = push;
    const double *gate = bind[0], *up = bind[1];
    double *y = bind[2];
    for (uint64_t i = 0; i < p->count; i++)
        y[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
}

static void swiglu_bwd_reference(const void *push, double *const bind[])
{
    const SwigluPush *p = push;
    const double *gate = bind[0], *up = bind[1], *dy = bind[2];
    double *dgate = bind[3], *dup = bind[4];
    for (uint64_t i = 0; i < p->count; i++) {
        double s = 1 / (1 + exp(-gate[i]));
        dgate[i] = dy[i] * up[i] * s * (1 + gate[i] * (1 - s)) + (p->accumulate ? dgate[i] : 0);
        dup[i] = dy[i] * gate[i] * s + (p->accumulate ? dup[i] : 0);
    }
}

/* With one invocation of four values a group: more than 65,535 groups. */
enum { FOLDED = 4 * 65600, LARGE = 1 << 24 };

static const KernelCase add_cases[] = {
    {.name = "smallest", .push = &(const AddPush){.count = 1}},
    {.name = "ragged", .push = &(const AddPush){.count = 917}},
    {.name = "accumulate", .push = &(const AddPush){.count = 919, .accumulate = 1}},
    {.name = "accumulate fours", .push = &(const AddPush){.count = 920, .accumulate = 1}},
    {.name = "folded", .push = &(const AddPush){.count = FOLDED}},
    {.name = "smollm2", .push = &(const AddPush){.count = 512 * 576}},
};

static const KernelCase scale_cases[] = {
    {.name = "smallest", .push = &(const ScalePush){.count = 1, .factor = 2}},
    {.name = "ragged", .push = &(const ScalePush){.count = 917, .factor = -0.3f}},
    {.name = "accumulate",
     .push = &(const ScalePush){.count = 919, .factor = 1.7f, .accumulate = 1}},
    {.name = "folded", .push = &(const ScalePush){.count = FOLDED, .factor = 3}},
    {.name = "smollm2", .push = &(const ScalePush){.count = 512 * 576, .factor = 0.125f}},
};

static const KernelCase copy_cases[] = {
    {.name = "smallest", .push = &(const CopyPush){.count = 1}},
    {.name = "ragged", .push = &(const CopyPush){.count = 917}},
    {.name = "folded", .push = &(const CopyPush){.count = FOLDED}},
    {.name = "smollm2", .push = &(const CopyPush){.count = 512 * 576}},
};

static const KernelCase swiglu_fwd_cases[] = {
    {.name = "smallest", .push = &(const SwigluPush){.count = 1}},
    {.name = "ragged", .push = &(const SwigluPush){.count = 917}},
    {.name = "fours", .push = &(const SwigluPush){.count = 920}},
    {.name = "folded", .push = &(const SwigluPush){.count = FOLDED}},
    {.name = "smollm2", .push = &(const SwigluPush){.count = 512 * 1536}},
};

static const KernelCase swiglu_bwd_cases[] = {
    {.name = "smallest", .push = &(const SwigluPush){.count = 1}},
    {.name = "ragged", .push = &(const SwigluPush){.count = 917}},
    {.name = "accumulate", .push = &(const SwigluPush){.count = 919, .accumulate = 1}},
    {.name = "accumulate fours", .push = &(const SwigluPush){.count = 920, .accumulate = 1}},
    {.name = "folded", .push = &(const SwigluPush){.count = FOLDED}},
    {.name = "smollm2", .push = &(const SwigluPush){.count = 512 * 1536}},
};

/* 1: small cases go beyond 65,535 groups */
static const KernelTuning tunings[] = {{{1}}, {{8}}, {{32}}, {{64}}, {{128}}, {{256}}};
#define ELEMENTWISE                                                        \
    .spec_count = 1, .tuning = {{64}}, .tunings = tunings, .rows_word = 1, \
    .tuning_count = COUNT_OF(tunings), .extent = elementwise_extent,       \
    .grid = elementwise_grid
#define CASES(name) .cases = name, .case_count = COUNT_OF(name)

#define ADD                                                                             \
    .family = "add", .push_bytes = sizeof(AddPush),                                     \
    .bind = {{"a", GPU_READ, .dtype = DTYPE_F32}, {"b", GPU_READ, .dtype = DTYPE_F32},                    \
             {"y", GPU_ADD, .dtype = DTYPE_F32}},                                                \
    ELEMENTWISE, .flops = one_flop, .reference = add_reference, CASES(add_cases),       \
    .large = &(const AddPush){.count = LARGE}, .tolerance = 5e-7
#define SWIGLU_FWD                                                                      \
    .family = "swiglu_fwd", .push_bytes = sizeof(SwigluPush),                           \
    .bind = {{"gate", GPU_READ, .dtype = DTYPE_F32}, {"up", GPU_READ, .dtype = DTYPE_F32},                \
             {"y", GPU_WRITE, .dtype = DTYPE_F32}},                                              \
    ELEMENTWISE, .flops = swiglu_fwd_flops, .reference = swiglu_fwd_reference,          \
    CASES(swiglu_fwd_cases), .large = &(const SwigluPush){.count = LARGE}, .tolerance = 1e-6
#define SWIGLU_BWD                                                                      \
    .family = "swiglu_bwd", .push_bytes = sizeof(SwigluPush),                           \
    .bind = {{"gate", GPU_READ, .dtype = DTYPE_F32}, {"up", GPU_READ, .dtype = DTYPE_F32},                \
             {"dy", GPU_READ, .dtype = DTYPE_F32}, {"dgate", GPU_ADD, .dtype = DTYPE_F32},                \
             {"dup", GPU_ADD, .dtype = DTYPE_F32}},                                              \
    ELEMENTWISE, .flops = swiglu_bwd_flops, .reference = swiglu_bwd_reference,          \
    CASES(swiglu_bwd_cases), .large = &(const SwigluPush){.count = LARGE}, .tolerance = 1e-6
#define TEXEL .needs = GPU_CAP_CPU | GPU_CAP_TEXEL, .suits = in_vectors

const KernelRow rows_elementwise[] = {
    {.name = "add", ADD, .rank = 10},
    {.name = "add_texel", ADD, TEXEL, .texels = 1 << 0 | 1 << 1},
    {
        .name = "scale", .family = "scale", .push_bytes = sizeof(ScalePush),
        .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"y", GPU_ADD, .dtype = DTYPE_F32}},
        ELEMENTWISE, .flops = one_flop, .reference = scale_reference,
        CASES(scale_cases), .large = &(const ScalePush){.count = LARGE, .factor = 0.125f}, .tolerance = 5e-7,
    },
    {
        .name = "copy", .family = "copy", .push_bytes = sizeof(CopyPush),
        .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"y", GPU_WRITE, .dtype = DTYPE_F32}},
        ELEMENTWISE, .flops = no_flops, .reference = copy_reference,
        CASES(copy_cases), .large = &(const CopyPush){.count = LARGE}, .tolerance = 0,
    },
    {
        .name = "cast_f16", .family = "cast_f16", .push_bytes = sizeof(CopyPush),
        .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"y", GPU_WRITE, .dtype = DTYPE_F16}},
        .spec_count = 1, .tuning = {{64}}, .tunings = tunings,
        .tuning_count = COUNT_OF(tunings), .extent = cast_f16_extent,
        .grid = elementwise_grid, .flops = no_flops, .reference = cast_f16_reference,
        /* drivers may round toward zero: one unit in the 11th bit */
        CASES(copy_cases), .large = &(const CopyPush){.count = LARGE}, .tolerance = 1e-3,
    },
    {.name = "swiglu_fwd", SWIGLU_FWD, .rank = 10},
    {.name = "swiglu_fwd_texel", SWIGLU_FWD, TEXEL, .texels = 1 << 0 | 1 << 1},
    {.name = "swiglu_bwd", SWIGLU_BWD, .rank = 10},
    {.name = "swiglu_bwd_texel", SWIGLU_BWD, TEXEL, .texels = 1 << 0 | 1 << 1 | 1 << 2},
};
const size_t rows_elementwise_count = COUNT_OF(rows_elementwise);
