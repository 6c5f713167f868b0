/* expand_<type>: y[i] = value first + i of a stored tensor, as f32. Quantised weights reach the
 * plain matrix products through these, forward and backward. */
#include "base/mem.h"
#include "expand.push.h"
#include "kernels/decode.h"
#include "kernels/families.h"

static uint64_t source_elements(const ExpandPush *p, Dtype dtype)
{
    uint64_t values = (uint64_t)p->first + p->count;
    return dtype_info(dtype)->block == 1 ? values : (dtype_bytes(dtype, values) + 3) / 4;
}

/* 1: small cases go beyond 65,535 groups */
static const KernelTuning tunings[] = {{{1}}, {{8}}, {{32}}, {{64}}, {{128}}, {{256}}};

static void expand_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const ExpandPush *p = push;
    uint64_t group = (uint64_t)tuning->spec[0] * 32;
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

static const KernelCase plain_cases[] = {
    {.name = "smallest", .push = &(const ExpandPush){.first = 0, .count = 1}},
    {.name = "ragged", .push = &(const ExpandPush){.first = 33, .count = 3001}},
    {.name = "folded", .push = &(const ExpandPush){.count = 32 * 65600 + 7}},
    {.name = "smollm2", .push = &(const ExpandPush){.first = 576, .count = 576 * 192}},
};

static const ExpandPush block_pushes[] = {
    {.first = 0, .count = 256},
    {.first = 768, .count = 256 * 13},
    {.first = 256 * 3, .count = 256 * 432},
};

/* Rows differ in the type alone. */
#define EXPAND_COMMON(TYPE, LOWER)                                                    \
    static void LOWER##_extent(const void *push, uint64_t elements[GPU_MAX_BIND])     \
    {                                                                                 \
        elements[0] = source_elements(push, DTYPE_##TYPE);                            \
        elements[1] = ((const ExpandPush *)push)->count;                              \
    }                                                                                 \
    static void LOWER##_reference(const void *push, double *const bind[])             \
    {                                                                                 \
        expand(DTYPE_##TYPE, push, bind);                                             \
    }
#define EXPAND_PLAIN(TYPE, LOWER)                                                     \
    EXPAND_COMMON(TYPE, LOWER)
#define EXPAND_BLOCKS(TYPE, LOWER)                                                    \
    EXPAND_COMMON(TYPE, LOWER)                                                        \
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

EXPAND_PLAIN(F16, f16)
EXPAND_PLAIN(BF16, bf16)
#define KERNEL(...)
#define TYPE(name, NAME, BLOCK) EXPAND_BLOCKS(NAME, name)
#include "kernels.def"

/* tolerance 0: the rounding of every value is part of the contract */
#define EXPAND_ROW(TYPE, LOWER, CASES)                                                \
    {                                                                                 \
        .name = "expand_" #LOWER,                                                     \
        .family = "expand",                                                           \
        .push_bytes = sizeof(ExpandPush),                                             \
        .bind = {{"source", GPU_READ, DTYPE_##TYPE}, {"y", GPU_WRITE, DTYPE_F32}},    \
        .spec_count = 1,                                                              \
        .tuning = {{64}}, .tunings = tunings, .tuning_count = COUNT_OF(tunings),      \
        .extent = LOWER##_extent,                                                     \
        .grid = expand_grid,                                                          \
        .flops = expand_flops,                                                        \
        .reference = LOWER##_reference,                                               \
        .cases = CASES,                                                               \
        .case_count = COUNT_OF(CASES),                                                \
        .tolerance = 0,                                                               \
    }

const KernelRow rows_expand[] = {
    EXPAND_ROW(F16, f16, plain_cases),
    EXPAND_ROW(BF16, bf16, plain_cases),
#define KERNEL(...)
#define TYPE(name, NAME, BLOCK) EXPAND_ROW(NAME, name, name##_cases),
#include "kernels.def"
};
const size_t rows_expand_count = COUNT_OF(rows_expand);
