/* expand_<type>: y[i] = value first + i of a stored tensor, as f32; expand_half_<type>: as f16, the
 * other operand type of matrix products. Weights reach them through these, forward and backward. */
#include <math.h>

#include "base/mem.h"
#include "expand.push.h"
#include "kernels/decode.h"
#include "kernels/families.h"

static uint64_t source_elements(const ExpandPush *p, Dtype dtype)
{
    uint64_t values = (uint64_t)p->first + p->count;
    return dtype_info(dtype)->block == 1 ? values : (dtype_bytes(dtype, values) + 3) / 4;
}

/* Threads, invocations to a group of 32. The first: small cases go beyond 65,535 groups. */
static const KernelTuning tunings[] = {{{1, 1}},  {{8, 4}},  {{32, 4}}, {{64, 4}},
                                       {{64, 1}}, {{128, 4}}, {{256, 4}}};

static void expand_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const ExpandPush *p = push;
    uint64_t group = (uint64_t)tuning->spec[0] * 32 / tuning->spec[1];
    kernel_fold((p->count + group - 1) / group, groups);
}

/* one conversion and one multiplication a value: the roof that counts is memory */
static double expand_flops(const void *push)
{
    return 2.0 * ((const ExpandPush *)push)->count;
}

static void expand(Dtype dtype, const void *push, double *const bind[])
{
    const ExpandPush *p = push;
    for (uint64_t i = 0; i < p->count; i++)
        bind[1][i] = decode_reference(dtype, bind[0], p->first + i);
}

/* Infinite from 65520 on, as a sum of such products would show. */
static void expand_half(Dtype dtype, const void *push, double *const bind[])
{
    const ExpandPush *p = push;
    for (uint64_t i = 0; i < (uint64_t)p->count + p->count % 2; i++)
        bind[1][i] = i < p->count ? half_to_float(float_to_half((float)decode_reference(
                                        dtype, bind[0], p->first + i)))
                                  : 0;
}

static const KernelCase plain_cases[] = {
    {.name = "smallest", .push = &(const ExpandPush){.first = 0, .count = 1}},
    {.name = "ragged", .push = &(const ExpandPush){.first = 33, .count = 3001}},
    {.name = "folded", .push = &(const ExpandPush){.count = 32 * 65600 + 7}},
    {.name = "smollm2", .push = &(const ExpandPush){.first = 576, .count = 576 * 192}},
};

/* What f16 cannot hold stays visible. */
static bool beyond_input(const void *push, unsigned index, double *values, uint64_t count,
                         uint64_t seed)
{
    const double few[] = {65504, 65519, 65520, -1e5, 3e38, -INFINITY, NAN, 0x1p-14, -0x1p-30, 0};
    (void)push;
    (void)seed;
    for (uint64_t i = 0; index == 0 && i < count; i++)
        values[i] = (float)few[i % COUNT_OF(few)];
    return index == 0;
}

static const KernelCase beyond_cases[] = {
    {.name = "smallest", .push = &(const ExpandPush){.first = 0, .count = 1}},
    {.name = "ragged", .push = &(const ExpandPush){.first = 33, .count = 3001}},
    {.name = "beyond", .push = &(const ExpandPush){.count = 165}, .input = beyond_input},
};

static const ExpandPush block_pushes[] = {
    {.first = 0, .count = 256},
    {.first = 768, .count = 256 * 13},
    {.first = 256 * 3, .count = 256 * 432},
};

/* Rows differ in the type alone. */
#define EXPAND_EXTENT(TYPE, LOWER)                                                    \
    static void LOWER##_extent(const void *push, uint64_t elements[GPU_MAX_BIND])     \
    {                                                                                 \
        elements[0] = source_elements(push, DTYPE_##TYPE);                            \
        elements[1] = ((const ExpandPush *)push)->count;                              \
    }
#define EXPAND_WIDE(TYPE, LOWER)                                                      \
    static void LOWER##_reference(const void *push, double *const bind[])             \
    {                                                                                 \
        expand(DTYPE_##TYPE, push, bind);                                             \
    }
#define EXPAND_HALF(TYPE, LOWER)                                                      \
    static void LOWER##_half_extent(const void *push, uint64_t elements[GPU_MAX_BIND])\
    {                                                                                 \
        LOWER##_extent(push, elements);                                               \
        elements[1] += elements[1] % 2;   /* bound as whole words */                  \
    }                                                                                 \
    static void LOWER##_half_reference(const void *push, double *const bind[])        \
    {                                                                                 \
        expand_half(DTYPE_##TYPE, push, bind);                                        \
    }
#define EXPAND_BLOCKS(TYPE, LOWER)                                                    \
    EXPAND_EXTENT(TYPE, LOWER)                                                        \
    EXPAND_WIDE(TYPE, LOWER)                                                          \
    EXPAND_HALF(TYPE, LOWER)                                                          \
    static bool LOWER##_input(const void *push, unsigned index, double *values,       \
                              uint64_t count, uint64_t seed)                          \
    {                                                                                 \
        (void)push;                                                                   \
        if (index == 0)                                                               \
            decode_random_blocks(DTYPE_##TYPE, values, count, seed);                  \
        return index == 0;                                                            \
    }                                                                                 \
    static const KernelCase LOWER##_cases[] = {                                       \
        {.name = "smallest", .push = &block_pushes[0], .input = LOWER##_input},       \
        {.name = "ragged", .push = &block_pushes[1], .input = LOWER##_input},         \
        {.name = "smollm2", .push = &block_pushes[2], .input = LOWER##_input},        \
    };

/* f16 needs no expansion to f16, nor f32 to f32 */
EXPAND_EXTENT(F32, f32)
EXPAND_EXTENT(F16, f16)
EXPAND_EXTENT(BF16, bf16)
EXPAND_WIDE(F16, f16)
EXPAND_WIDE(BF16, bf16)
EXPAND_HALF(F32, f32)
EXPAND_HALF(BF16, bf16)
#define KERNEL(...)
#define TYPE(name, NAME, BLOCK) EXPAND_BLOCKS(NAME, name)
#include "kernels.def"

#define EXPAND_FIELDS(TYPE, CASES, Y)                                                 \
    .push_bytes = sizeof(ExpandPush),                                                 \
    .bind = {{"source", GPU_READ, .dtype = DTYPE_##TYPE}, {"y", GPU_WRITE, .dtype = DTYPE_##Y}},        \
    .spec_count = 2,                                                                  \
    .tuning = {{64, 4}}, .tunings = tunings, .tuning_count = COUNT_OF(tunings),          \
    .grid = expand_grid,                                                              \
    .large = &(const ExpandPush){.count = 1 << 24},                                   \
    .flops = expand_flops,                                                            \
    .cases = CASES,                                                                   \
    .case_count = COUNT_OF(CASES)

/* tolerance 0: the rounding of every value is part of the contract */
#define EXPAND_ROW(TYPE, LOWER, CASES)                                                \
    {                                                                                 \
        .name = "expand_" #LOWER, .family = "expand",                                 \
        .extent = LOWER##_extent, .reference = LOWER##_reference,                     \
        .tolerance = 0, EXPAND_FIELDS(TYPE, CASES, F32),                              \
    }
/* drivers may flush or cut off what is below the normal numbers of f16 */
#define EXPAND_HALF_ROW(TYPE, LOWER, CASES)                                           \
    {                                                                                 \
        .name = "expand_half_" #LOWER, .family = "expand_half",                       \
        .extent = LOWER##_half_extent, .reference = LOWER##_half_reference,           \
        .tolerance = 1e-4, EXPAND_FIELDS(TYPE, CASES, F16),                           \
    }

const KernelRow rows_expand[] = {
    EXPAND_ROW(F16, f16, plain_cases),
    EXPAND_ROW(BF16, bf16, plain_cases),
#define KERNEL(...)
#define TYPE(name, NAME, BLOCK) EXPAND_ROW(NAME, name, name##_cases),
#include "kernels.def"
    EXPAND_HALF_ROW(F32, f32, beyond_cases),
    EXPAND_HALF_ROW(BF16, bf16, plain_cases),
#define KERNEL(...)
#define TYPE(name, NAME, BLOCK) EXPAND_HALF_ROW(NAME, name, name##_cases),
#include "kernels.def"
};
const size_t rows_expand_count = COUNT_OF(rows_expand);
