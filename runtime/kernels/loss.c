/* Cross-entropy over chunks of supervised rows; the logits of a chunk become their own
 * gradient, so that rows x vocabulary is never stored whole. */
#include <math.h>

#include "base/mem.h"
#include "cross_entropy.push.h"
#include "kernels/families.h"
#include "kernels/inputs.h"
#include "kernels/subgroups.h"

static void cross_entropy_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const CrossEntropyPush *p = push;
    elements[0] = (uint64_t)p->rows * p->vocab;
    elements[1] = elements[2] = elements[3] = (uint64_t)p->first + p->rows;
}

static void cross_entropy_fwd_grid(const void *push, const KernelTuning *tuning,
                                   uint32_t groups[3])
{
    const CrossEntropyPush *p = push;
    (void)tuning;
    kernel_fold(p->rows, groups);
}

static void cross_entropy_bwd_grid(const void *push, const KernelTuning *tuning,
                                   uint32_t groups[3])
{
    const CrossEntropyPush *p = push;
    grid_of_items((uint64_t)p->rows * ((p->vocab + 3) / 4), tuning, groups);
}

static bool in_vectors(const void *push)
{
    return ((const CrossEntropyPush *)push)->vocab % 4 == 0;
}

static double cross_entropy_flops(const void *push)
{
    const CrossEntropyPush *p = push;
    return 18.0 * p->rows * p->vocab;   /* an exponential is about 16 */
}

static void cross_entropy_fwd_reference(const void *push, double *const bind[])
{
    const CrossEntropyPush *p = push;
    const double *labels = bind[1];
    double *loss = bind[2], *lse = bind[3];
    for (uint64_t r = 0; r < p->rows; r++) {
        const double *logits = bind[0] + r * p->vocab;
        double highest = logits[0], sum = 0;
        for (uint64_t c = 0; c < p->vocab; c++)
            highest = logits[c] > highest ? logits[c] : highest;
        for (uint64_t c = 0; c < p->vocab; c++)
            sum += exp(logits[c] - highest);
        lse[p->first + r] = highest + log(sum);
        loss[p->first + r] = lse[p->first + r] - logits[(uint64_t)labels[p->first + r]];
    }
}

static void cross_entropy_bwd_reference(const void *push, double *const bind[])
{
    const CrossEntropyPush *p = push;
    const double *labels = bind[1], *weights = bind[2], *lse = bind[3];
    for (uint64_t r = 0; r < p->rows; r++) {
        double *logits = bind[0] + r * p->vocab;
        double factor = (double)p->scale * weights[p->first + r];
        for (uint64_t c = 0; c < p->vocab; c++)
            logits[c] = factor * (exp(logits[c] - lse[p->first + r])
                                  - (c == (uint64_t)labels[p->first + r] ? 1 : 0));
    }
}

static bool fwd_input(const void *push, unsigned index, double *values, uint64_t count,
                      uint64_t seed)
{
    const CrossEntropyPush *p = push;
    return index == 1 && input_below(values, count, p->vocab, seed);
}

static bool peaks_input(const void *push, unsigned index, double *values, uint64_t count,
                        uint64_t seed)
{
    const CrossEntropyPush *p = push;
    return index == 0 ? input_peaks(values, count, p->vocab)
                      : fwd_input(push, index, values, count, seed);
}

/* lse near that of standard normal logits, so that probabilities look like ones. */
static bool bwd_input(const void *push, unsigned index, double *values, uint64_t count,
                      uint64_t seed)
{
    const CrossEntropyPush *p = push;
    if (index == 1)
        return input_below(values, count, p->vocab, seed);
    double usual = log((double)p->vocab) + 0.5;
    return index == 3 && input_between(values, count, usual - 0.1, usual + 0.1, seed);
}

static void cross_entropy_shape(const KernelShape *shape, void *push)
{
    ((CrossEntropyPush *)push)->vocab = shape->vocab;
}

static const CrossEntropyPush smallest = {.rows = 1, .vocab = 1, .scale = 1};
static const CrossEntropyPush ragged = {.rows = 5, .vocab = 131, .first = 3, .scale = 0.5f};
static const CrossEntropyPush fours = {.rows = 6, .vocab = 132, .first = 3, .scale = 0.5f};
static const CrossEntropyPush square = {.rows = 1028, .vocab = 1028, .scale = 1};
static const CrossEntropyPush stories260k = {.rows = 512, .vocab = 512, .scale = 1.f / 512};
static const CrossEntropyPush smollm2 = {.rows = 32, .vocab = 49152, .first = 64,
                                         .scale = 1.f / 256};
static const CrossEntropyPush qwen = {.rows = 3, .vocab = 151936, .scale = 1};
static const CrossEntropyPush large = {.rows = 128, .vocab = 128256, .scale = 1.f / 256};
static const CrossEntropyPush folded_fours = {.rows = 70001, .vocab = 8, .scale = 1};
static const CrossEntropyPush folded = {.rows = 70001, .vocab = 5, .scale = 1};

static const KernelCase fwd_cases[] = {
    {"smallest", &smallest, fwd_input}, {"ragged", &ragged, fwd_input},
    {"fours", &fours, fwd_input}, {"peaks", &square, peaks_input},
    {"stories260k", &stories260k, fwd_input}, {"smollm2", &smollm2, fwd_input},
    {"vocab 151936", &qwen, fwd_input}, {"folded", &folded, fwd_input},
    {"folded fours", &folded_fours, fwd_input},
};
static const KernelCase bwd_cases[] = {
    {"smallest", &smallest, bwd_input}, {"ragged", &ragged, bwd_input},
    {"fours", &fours, bwd_input},
    {"stories260k", &stories260k, bwd_input}, {"smollm2", &smollm2, bwd_input},
    {"vocab 151936", &qwen, bwd_input}, {"folded", &folded, bwd_input},
    {"folded fours", &folded_fours, bwd_input},
};

/* 1: small cases go beyond 65,535 groups */
static const KernelTuning item_tunings[] = {{{1}}, {{8}}, {{32}}, {{64}}, {{128}}, {{256}}};
/* A vocabulary's row keeps many threads busy, and there are few rows at a time. */
static const KernelTuning wide_tunings[] = {
    {{256, 32}}, {{256, 64}}, {{256, 16}}, {{256, 8}},  {{64, 32}}, {{64, 64}}, {{64, 16}}, {{64, 8}},
    {{64, 4}},
};
#define CROSS_ENTROPY                                                                    \
    .push_bytes = sizeof(CrossEntropyPush), .large = &large,                             \
    .extent = cross_entropy_extent, .flops = cross_entropy_flops
/* loss and lse are ADD: rows outside the chunk keep what they hold */
#define FWD(name)                                                                        \
    .family = name,                                                                      \
    .bind = {{"logits", GPU_READ, .dtype = DTYPE_F32}, {"labels", GPU_READ, .dtype = DTYPE_U32},           \
             {"loss", GPU_ADD, .dtype = DTYPE_F32}, {"lse", GPU_ADD, .dtype = DTYPE_F32}},                 \
    CROSS_ENTROPY, .grid = cross_entropy_fwd_grid, .tolerance = 1e-6,                    \
    .reference = cross_entropy_fwd_reference, .cases = fwd_cases,                        \
    .case_count = COUNT_OF(fwd_cases)
#define BWD                                                                              \
    .family = "cross_entropy_bwd",                                                       \
    .bind = {{"logits", GPU_ADD, .dtype = DTYPE_F32}, {"labels", GPU_READ, .dtype = DTYPE_U32},            \
             {"weights", GPU_READ, .dtype = DTYPE_F32}, {"lse", GPU_READ, .dtype = DTYPE_F32}},            \
    CROSS_ENTROPY, .grid = cross_entropy_bwd_grid, .tolerance = 2e-6,                    \
    .reference = cross_entropy_bwd_reference, .cases = bwd_cases,                        \
    .case_count = COUNT_OF(bwd_cases)

#define ITEMS .spec_count = 1, .tuning = {{64}}, .tunings = item_tunings, .tuning_count = COUNT_OF(item_tunings)

const KernelRow rows_loss[] = {
    {.name = "cross_entropy_fwd", FWD("cross_entropy_fwd"), TREE_ROW},
    {.name = "cross_entropy_fwd_vectors", FWD("cross_entropy_fwd"), TREE_VECTORS_ROW(in_vectors)},
    {.name = "cross_entropy_fwd_subgroup", FWD("cross_entropy_fwd"), .needs = GPU_CAP_SUBGROUP, .rank = 5, .spec_count = 2,
     .subgroup_spec = 2, .tuning = {{256, 32}}, .tunings = wide_tunings, .tuning_count = COUNT_OF(wide_tunings),
     .adapt = subgroup_adapt, .slow_on_cpu = true, .suits = in_vectors, .tune = true, .timed = "smollm2", .shape = cross_entropy_shape},
    {.name = "cross_entropy_fwd_texel", FWD("cross_entropy_fwd"), REDUCE_TEXEL_ROW(in_vectors), .texels = 1 << 0},
    /* not for use: the reduction over subgroups of every size, on any device */
    {.name = "cross_entropy_fwd_emulated", FWD("cross_entropy_fwd_emulated"), .rank = 90,
     .suits = in_vectors, .spec_count = 2, .tuning = {{64, 32}}, .tunings = subgroup_tunings,
     .tuning_count = SUBGROUP_TUNINGS, .slow_on_cpu = true},
    {.name = "cross_entropy_bwd", BWD, .rank = 20, ITEMS},
    {.name = "cross_entropy_bwd_vectors", BWD, .rank = 10, .suits = in_vectors, ITEMS},
};
const size_t rows_loss_count = COUNT_OF(rows_loss);
