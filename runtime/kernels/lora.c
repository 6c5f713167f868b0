/* What adapters add to a few vectors: decoding. Several adapters of one input are one dispatch;
 * their matrices lie in one piece of the parameters. */
#include "base/mem.h"
#include "kernels/families.h"
#include "lora_vectors.push.h"

enum { MOST_RANK = 64, MOST_ROWS = 8 };

typedef struct Part {
    uint64_t n, a, b;
} Part;

static Part part_at(const LoraVectorsPush *p, unsigned index)
{
    const Part parts[] = {{p->n0, p->a0, p->b0}, {p->n1, p->a1, p->b1}, {p->n2, p->a2, p->b2}};
    return parts[index];
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* An output without an adapter is bound all the same; one element stands for it. */
static void lora_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const LoraVectorsPush *p = push;
    elements[0] = (uint64_t)p->rows * p->k;
    elements[1] = 0;
    for (unsigned i = 0; i < 3; i++) {
        Part part = part_at(p, i);
        elements[2 + i] = larger(p->rows * part.n, 1);
        if (part.n)
            elements[1] = larger(elements[1], larger(part.a + (uint64_t)p->rank * p->k,
                                                     part.b + part.n * p->rank));
    }
}

static void grid_of(const LoraVectorsPush *p, uint32_t group_rows, uint32_t groups[3])
{
    uint64_t count = 0;
    for (unsigned i = 0; i < 3; i++)
        count += (part_at(p, i).n + group_rows - 1) / group_rows;
    kernel_fold(count, groups);
}

static void lora_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    grid_of(push, tuning->spec[1], groups);
}

static void cpu_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    grid_of(push, tuning->spec[0], groups);
}

static void cpu_specialise(const void *push, KernelTuning *tuning)
{
    tuning->spec[1] = ((const LoraVectorsPush *)push)->rank;
}

/* The last condition keeps each invocation's loops below llvmpipe's limit of 65,535 iterations. */
static bool lora_suits(const void *push)
{
    const LoraVectorsPush *p = push;
    return p->rank <= MOST_RANK && p->rows <= MOST_ROWS &&
           (uint64_t)p->rows * p->rank * (p->k + 256ull) <= 4u << 20;
}

/* Four words at a time; larger ranks would take seconds to compile. */
static bool cpu_suits(const void *push)
{
    const LoraVectorsPush *p = push;
    return p->rank % 4 == 0 && p->rank <= 32 && p->rows <= MOST_ROWS && p->k % 4 == 0 &&
           lora_suits(push) && (p->a0 | p->a1 | p->a2 | p->b0 | p->b1 | p->b2) % 4 == 0;
}

static double lora_flops(const void *push)
{
    const LoraVectorsPush *p = push;
    double flops = 0;
    for (unsigned i = 0; i < 3; i++)
        if (part_at(p, i).n)
            flops += 2.0 * p->rows * p->rank * ((double)p->k + (double)part_at(p, i).n);
    return flops;
}

static void lora_reference(const void *push, double *const bind[])
{
    const LoraVectorsPush *p = push;
    for (unsigned i = 0; i < 3; i++) {
        Part part = part_at(p, i);
        for (uint64_t r = 0; r < p->rows && part.n; r++) {
            double h[MOST_RANK] = {0};
            for (uint64_t q = 0; q < p->rank; q++)
                for (uint64_t c = 0; c < p->k; c++)
                    h[q] += bind[1][part.a + q * p->k + c] * bind[0][r * p->k + c];
            for (uint64_t j = 0; j < part.n; j++)
                for (uint64_t q = 0; q < p->rank; q++)
                    bind[2 + i][r * part.n + j] +=
                        p->scale * bind[1][part.b + j * p->rank + q] * h[q];
        }
    }
}

static const KernelCase lora_cases[] = {
    {.name = "smallest",
     .push = &(const LoraVectorsPush){.rows = 1, .k = 1, .rank = 1, .scale = 1, .n0 = 1, .b0 = 1}},
    {.name = "ragged",
     .push = &(const LoraVectorsPush){.rows = 3, .k = 45, .rank = 5, .scale = 0.5f, .n0 = 67,
                                      .n1 = 270, .n2 = 3, .a0 = 20, .b0 = 251, .a1 = 600,
                                      .b1 = 830, .a2 = 2200, .b2 = 2430}},
    {.name = "ragged fours",
     .push = &(const LoraVectorsPush){.rows = 5, .k = 44, .rank = 12, .scale = 2, .n0 = 389,
                                      .n1 = 10, .a0 = 8, .b0 = 540, .a1 = 5300, .b1 = 5900}},
    {.name = "large third",
     .push = &(const LoraVectorsPush){.rows = 2, .k = 40, .rank = 8, .scale = 1, .n0 = 3, .n1 = 390,
                                      .n2 = 1101, .b0 = 320, .a1 = 352, .b1 = 700, .a2 = 3820,
                                      .b2 = 4140}},
    {.name = "all ranks",
     .push = &(const LoraVectorsPush){.rows = 8, .k = 64, .rank = 64, .scale = 1, .n0 = 300,
                                      .b0 = 4096}},
    {.name = "smollm2 qkv",
     .push = &(const LoraVectorsPush){.rows = 1, .k = 576, .rank = 16, .scale = 2, .n0 = 576,
                                      .n1 = 192, .n2 = 192, .b0 = 9216, .a1 = 18432, .b1 = 27648,
                                      .a2 = 30720, .b2 = 39936}},
    {.name = "smollm2 down",
     .push = &(const LoraVectorsPush){.rows = 8, .k = 1536, .rank = 16, .scale = 2, .n0 = 576,
                                      .b0 = 24576}},
    /* a group to each row of B: beyond 65,535 groups; too much to be repeated with extremes */
    {.name = "folded",
     .push = &(const LoraVectorsPush){.rows = 1, .k = 4, .rank = 8, .scale = 1, .n0 = 65600,
                                      .b0 = 32}},
};

static const KernelTuning tunings[] = {{{128, 256}}, {{64, 64}}, {{256, 1024}}, {{16, 1}}};
static const KernelTuning cpu_tunings[] = {{{384, 16}}, {{1, 16}}, {{1024, 16}}};

#define LORA                                                                          \
    .family = "lora_vectors",                                                         \
    .push_bytes = sizeof(LoraVectorsPush),                                            \
    .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"adapters", GPU_READ, .dtype = DTYPE_F32},           \
             {"y0", GPU_ADD, .dtype = DTYPE_F32}, {"y1", GPU_ADD, .dtype = DTYPE_F32},                  \
             {"y2", GPU_ADD, .dtype = DTYPE_F32}},                                             \
    .spec_count = 2, .extent = lora_extent, .flops = lora_flops,                      \
    .reference = lora_reference, .cases = lora_cases,                                 \
    .case_count = COUNT_OF(lora_cases), .tolerance = 1e-5

const KernelRow rows_lora[] = {
    {
        .name = "lora_vectors_cpu",
        .needs = GPU_CAP_CPU | GPU_CAP_SUBGROUP | GPU_CAP_TEXEL,
        .subgroup_size = 8,
        .texels = 3,
        .rank = 10,
        .tuning = {{384, 16}},
        .tunings = cpu_tunings,
        .tuning_count = COUNT_OF(cpu_tunings),
        .suits = cpu_suits,
        .specialise = cpu_specialise,
        .grid = cpu_grid,
        LORA,
    },
    {
        .name = "lora_vectors",
        .rank = 50,
        .tuning = {{128, 256}},
        .tunings = tunings,
        .tuning_count = COUNT_OF(tunings),
        .suits = lora_suits,
        .grid = lora_grid,
        LORA,
    },
};
const size_t rows_lora_count = COUNT_OF(rows_lora);
