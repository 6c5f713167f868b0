/* A few vectors through a stored matrix: decoding, one to eight sequences at a time. Weights
 * are read once in the form in which they are stored. */
#include "base/mem.h"
#include "kernels/decode.h"
#include "kernels/families.h"
#include "kernels/subgroups.h"
#include "matvec.push.h"

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void extent(Dtype dtype, const MatvecPush *p, uint64_t elements[GPU_MAX_BIND])
{
    uint64_t values = (uint64_t)p->n * p->k;
    elements[0] = p->rows ? (uint64_t)(p->rows - 1) * p->x_stride + p->k : 0;
    elements[1] = dtype_info(dtype)->block == 1 ? values : (dtype_bytes(dtype, values) + 3) / 4;
    uint64_t n0 = (uint64_t)p->n - p->n1 - p->n2;
    elements[2] = p->rows ? (uint64_t)(p->rows - 1) * p->y_stride + p->first_row + n0 : 0;
    if (p->n1)
        elements[2] = larger(elements[2], p->y1 + (uint64_t)p->rows * p->n1);
    if (p->n2)
        elements[2] = larger(elements[2], p->y2 + (uint64_t)p->rows * p->n2);
}

static double matvec_flops(const void *push)
{
    const MatvecPush *p = push;
    return 2.0 * p->rows * p->n * p->k;
}

/* The shader keeps one sum for each vector: as many as there are, rounded up. */
static uint32_t sums_of(const void *push)
{
    uint32_t rows = ((const MatvecPush *)push)->rows;
    return rows <= 1 ? 1 : rows <= 2 ? 2 : rows <= 4 ? 4 : rows <= 8 ? 8 : 16;
}

static void cpu_specialise(const void *push, KernelTuning *tuning)
{
    tuning->spec[1] = sums_of(push);
}

static bool matvec_suits(const void *push)
{
    return ((const MatvecPush *)push)->rows <= 16;
}

/* Rows for CPU drivers read four words at a time: the last words of w must be a full four. */
static bool in_fours(Dtype dtype, const MatvecPush *p)
{
    return p->rows && p->rows <= 16 && p->k % 32 == 0 && p->x_stride % 4 == 0 &&
           dtype_bytes(dtype, (uint64_t)p->n * p->k) % 16 == 0;
}

static void cpu_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    uint32_t per_group = tuning->spec[0] * 8;
    kernel_fold(((uint64_t)((const MatvecPush *)push)->n + per_group - 1) / per_group, groups);
}

/* ---- lanes along k: THREADS, LANES to a strip, STRIP rows of w, ROWS, WHOLE (matvec.comp) ----
 * One invocation a row, as this began, reads addresses a row apart: every load of a subgroup met
 * as many lines as it has lanes, and a matrix of 576 rows was nine workgroups. */
enum { THREADS, LANES, STRIP, ROWS, WHOLE, SUBGROUP };

/* Values of x that an invocation takes at a time, at most (VECTORS of lib/pieces.glsl). */
enum { PIECE = 16 };

static void lanes_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const uint64_t rows = (uint64_t)(tuning->spec[THREADS] / tuning->spec[LANES]) * tuning->spec[STRIP];
    kernel_fold((((const MatvecPush *)push)->n + rows - 1) / rows, groups);
}

static void lanes_specialise(const void *push, KernelTuning *tuning)
{
    const MatvecPush *p = push;
    tuning->spec[ROWS] = sums_of(push);
    tuning->spec[WHOLE] = p->k % PIECE == 0 && (p->rows <= 1 || p->x_stride % 4 == 0);
}

/* Few rows of w are not taken several at a time, so that there is work for every multiprocessor;
 * many vectors are not, either: sums are registers. */
static void lanes_resize(const void *push, KernelTuning *tuning)
{
    const MatvecPush *p = push;
    while (tuning->spec[STRIP] > 1 &&
           (p->n / tuning->spec[STRIP] < 1024 || tuning->spec[STRIP] * sums_of(push) > 16))
        tuning->spec[STRIP] /= 2;
}

static bool lanes_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    return tuning->spec[THREADS] <= caps->max_invocations;
}

static bool subgroups_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    /* the lanes of a subgroup share registers where there are several sizes to choose from */
    return subgroup_fits(caps, tuning->spec[SUBGROUP]) && lanes_adapt(caps, tuning) &&
           tuning->spec[SUBGROUP] <= 2 * caps->subgroup_min;
}

/* Tried at a matrix of the feed-forward, one vector: decoding. */
static void matvec_shape(const KernelShape *shape, void *push)
{
    MatvecPush *p = push;
    const uint32_t k = (shape->hidden + 255) / 256 * 256;   /* whole blocks of any type */
    *p = (MatvecPush){.rows = 1, .n = shape->ffn, .k = k, .x_stride = k, .y_stride = shape->ffn};
}

/* One lane to a row is for CPU drivers, whose barriers cost more than their loads. */
static const KernelTuning tunings[] = {
    {{64, 1, 1, 16, 0}},  {{8, 1, 1, 16, 0}},     {{64, 64, 2, 16, 0}}, {{64, 16, 2, 16, 0}},
    {{128, 32, 4, 16, 0}}, {{128, 128, 1, 16, 0}},
};
/* A subgroup or four to a strip. More lanes keep more of a large card busy where n is small, more
 * rows a lane read x less often. */
static const KernelTuning subgroup_tunings_of_matvec[] = {
    {{64, 64, 2, 16, 0, 32}},   {{128, 32, 2, 16, 0, 32}}, {{128, 32, 4, 16, 0, 32}},
    {{128, 128, 1, 16, 0, 32}}, {{128, 128, 2, 16, 0, 32}},
    {{64, 64, 2, 16, 0, 64}},   {{128, 64, 4, 16, 0, 64}}, {{128, 128, 1, 16, 0, 64}},
    {{64, 16, 2, 16, 0, 16}},   {{64, 64, 2, 16, 0, 16}},
    {{32, 8, 2, 16, 0, 8}},     {{32, 32, 2, 16, 0, 8}},
    {{16, 4, 2, 16, 0, 4}},     {{16, 16, 1, 16, 0, 4}},
};
static const KernelTuning cpu_tunings[] = {{{2, 16}}, {{1, 16}}, {{4, 16}}};

/* Two blocks at a time: whole words of every type that has these rows. Beyond eight vectors
 * they would take seconds to compile. */
static bool in_pairs(Dtype dtype, const MatvecPush *p)
{
    return in_fours(dtype, p) && p->rows <= 8 && p->k % 64 == 0;
}

/* Where the result of row j of w and vector r goes: the last rows may have outputs of their own. */
static uint64_t output(const MatvecPush *p, uint64_t r, uint64_t j)
{
    uint64_t n0 = (uint64_t)p->n - p->n1 - p->n2;
    if (j < n0)
        return r * p->y_stride + p->first_row + j;
    if (j < n0 + p->n1)
        return p->y1 + r * p->n1 + (j - n0);
    return p->y2 + r * p->n2 + (j - n0 - p->n1);
}

static void matvec(Dtype dtype, const void *push, double *const bind[])
{
    const MatvecPush *p = push;
    for (uint64_t j = 0; j < p->n && !p->accumulate; j++)
        for (uint64_t r = 0; r < p->rows; r++)
            bind[2][output(p, r, j)] = 0;
    for (uint64_t j = 0; j < p->n; j++)
        for (uint64_t s = 0; s < p->k; s += 32) {
            uint64_t count = p->k - s < 32 ? p->k - s : 32;
            float values[32];
            if (count == 32)
                decode_reference_32(dtype, bind[1], j * p->k + s, values);
            for (uint64_t i = 0; count < 32 && i < count; i++)
                values[i] = decode_reference(dtype, bind[1], j * p->k + s + i);
            for (uint64_t r = 0; r < p->rows; r++) {
                double *y = bind[2] + output(p, r, j);
                for (uint64_t i = 0; i < count; i++)
                    *y += bind[0][r * p->x_stride + s + i] * (double)values[i];
            }
        }
}

#define DENSE(ROWS, N, K) \
    &(const MatvecPush){.rows = ROWS, .n = N, .k = K, .x_stride = K, .y_stride = N}
/* Up to three matrices of one x; their outputs lie in y with a little room between. */
#define PARTS(ROWS, N, N1, N2, K, ADD)                                                \
    &(const MatvecPush){.rows = ROWS, .n = (N) + (N1) + (N2), .k = K, .x_stride = K,  \
                        .y_stride = N, .accumulate = ADD, .n1 = N1, .n2 = N2,         \
                        .y1 = (ROWS) * (N) + 3, .y2 = (ROWS) * ((N) + (N1)) + 10}
#define LOOSE(ROWS, N, K)                                                             \
    &(const MatvecPush){.rows = ROWS, .n = N, .k = K, .x_stride = (K) + 8,            \
                        .y_stride = (N) + 20, .accumulate = 1, .first_row = 13}

#define ODD(ROWS, N, K) \
    &(const MatvecPush){.rows = ROWS, .n = N, .k = K, .x_stride = (K) + 5, .y_stride = N}

static const KernelCase plain_cases[] = {
    {.name = "smallest", .push = DENSE(1, 1, 1)},
    {.name = "ragged", .push = LOOSE(3, 67, 45)},
    {.name = "strided", .push = LOOSE(5, 72, 96)},
    {.name = "folded", .push = DENSE(1, 8 * 65600, 32)},
    {.name = "smollm2", .push = DENSE(1, 576, 576)},
    {.name = "batched", .push = DENSE(8, 192, 576)},
    {.name = "most", .push = LOOSE(16, 136, 64)},
    {.name = "three", .push = PARTS(1, 576, 192, 192, 576, 0)},
    {.name = "ragged two", .push = PARTS(5, 37, 43, 0, 96, 0)},
};

#define MATVEC_COMMON(TYPE, LOWER)                                                    \
    static void LOWER##_extent(const void *push, uint64_t elements[GPU_MAX_BIND])     \
    {                                                                                 \
        extent(DTYPE_##TYPE, push, elements);                                         \
    }                                                                                 \
    static void LOWER##_reference(const void *push, double *const bind[])             \
    {                                                                                 \
        matvec(DTYPE_##TYPE, push, bind);                                             \
    }                                                                                 \
    static bool LOWER##_in_fours(const void *push)                                    \
    {                                                                                 \
        return in_fours(DTYPE_##TYPE, push);                                          \
    }
#define MATVEC_PAIRS(TYPE, LOWER)                                                     \
    static bool LOWER##_in_pairs(const void *push)                                    \
    {                                                                                 \
        return in_pairs(DTYPE_##TYPE, push);                                          \
    }
#define MATVEC_BLOCKS(TYPE, LOWER, BLOCK)                                             \
    MATVEC_COMMON(TYPE, LOWER)                                                        \
    static const KernelCase LOWER##_cases[] = {                                       \
        {.name = "smallest", .push = DENSE(1, 1, BLOCK), .input = decode_##LOWER##_weight_input},     \
        {.name = "ragged", .push = LOOSE(3, 67, BLOCK * 3), .input = decode_##LOWER##_weight_input},  \
        {.name = "strided", .push = LOOSE(5, 88, BLOCK), .input = decode_##LOWER##_weight_input},     \
        {.name = "pairs", .push = LOOSE(3, 68, (BLOCK) * 6), .input = decode_##LOWER##_weight_input}, \
        {.name = "smollm2", .push = DENSE(1, 576, (BLOCK) > 64 ? 512 : 576),           \
         .input = decode_##LOWER##_weight_input},                                                     \
        {.name = "batched", .push = DENSE(8, 192, (BLOCK) > 64 ? 1024 : 1536),         \
         .input = decode_##LOWER##_weight_input},                                                     \
        {.name = "most", .push = LOOSE(16, 136, BLOCK * 2), .input = decode_##LOWER##_weight_input},  \
        {.name = "odd stride", .push = ODD(2, 5, BLOCK), .input = decode_##LOWER##_weight_input},     \
        {.name = "three", .push = PARTS(5, 41, 43, 8, (BLOCK) * 2, 1),                \
         .input = decode_##LOWER##_weight_input},                                                     \
    };

MATVEC_COMMON(F32, f32)
MATVEC_COMMON(F16, f16)
MATVEC_COMMON(BF16, bf16)
#define KERNEL(...)
#define TYPE(name, NAME, BLOCK) MATVEC_BLOCKS(NAME, name, BLOCK)
#include "kernels.def"

MATVEC_PAIRS(Q8_0, q8_0)
MATVEC_PAIRS(Q4_0, q4_0)
MATVEC_PAIRS(Q4_1, q4_1)

#define COMMON_FIELDS(TYPE, LOWER, CASES)                                             \
    .family = "matvec",                                                               \
    .push_bytes = sizeof(MatvecPush),                                                 \
    .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"w", GPU_READ, .dtype = DTYPE_##TYPE},               \
             {"y", GPU_ADD, .dtype = DTYPE_F32}},                                              \
    .extent = LOWER##_extent,                                                         \
    .flops = matvec_flops,                                                            \
    .large = DENSE(1, 8192, 4096),                                                    \
    .reference = LOWER##_reference,                                                   \
    .cases = CASES,                                                                   \
    .case_count = COUNT_OF(CASES),                                                    \
    .tolerance = 1e-5

/* x and w are texel buffers for the CPU's rows */
#define CPU_FIELDS                                                                    \
    .needs = GPU_CAP_CPU | GPU_CAP_SUBGROUP | GPU_CAP_TEXEL,                          \
    .subgroup_size = 8,                                                               \
    .texels = 3,                                                                      \
    .spec_count = 2,                                                                  \
    .specialise = cpu_specialise,                                                     \
    .tunings = cpu_tunings,                                                           \
    .tuning_count = COUNT_OF(cpu_tunings),                                            \
    .grid = cpu_grid

/* One row of each kind of block is raced, for all: fifteen would take the seconds of products. */
#define LIKE(TYPE, TAIL)                                                              \
    .tuned_as = DTYPE_##TYPE <= DTYPE_BF16 ? "matvec_f16" TAIL                        \
              : DTYPE_##TYPE >= DTYPE_Q2_K && DTYPE_##TYPE <= DTYPE_Q6_K              \
                  ? "matvec_q4_k" TAIL : "matvec_q4_0" TAIL,                          \
    .tune = DTYPE_##TYPE == DTYPE_F16 || DTYPE_##TYPE == DTYPE_Q4_0 || DTYPE_##TYPE == DTYPE_Q4_K, \
    .timed = "smollm2", .shape = matvec_shape

#define LANES_FIELDS                                                                  \
    .suits = matvec_suits,                                                            \
    .specialise = lanes_specialise,                                                   \
    .resize = lanes_resize,                                                           \
    .grid = lanes_grid

#define MATVEC_BLOCKS_ROW(TYPE, LOWER, CASES)                                         \
    {                                                                                 \
        .name = "matvec_" #LOWER "_blocks",                                           \
        CPU_FIELDS,                                                                   \
        .rank = 5,                                                                    \
        .tuning = {{4, 16}},                                                          \
        .suits = LOWER##_in_pairs,                                                    \
        COMMON_FIELDS(TYPE, LOWER, CASES),                                            \
    }

#define MATVEC_ROWS(TYPE, LOWER, CASES)                                               \
    {                                                                                 \
        .name = "matvec_" #LOWER "_cpu",                                              \
        CPU_FIELDS,                                                                   \
        .rank = 10,                                                                   \
        .tuning = {{2, 16}},                                                          \
        .suits = LOWER##_in_fours,                                                    \
        COMMON_FIELDS(TYPE, LOWER, CASES),                                            \
    },                                                                                \
    {                                                                                 \
        .name = "matvec_" #LOWER "_subgroup",                                         \
        .needs = GPU_CAP_SUBGROUP,                                                    \
        .rank = 20,                                                                   \
        .slow_on_cpu = true,                                                          \
        .spec_count = 6, .subgroup_spec = 1 + SUBGROUP,                               \
        .tuning = {{64, 64, 2, 16, 0, 32}},                                           \
        .tunings = subgroup_tunings_of_matvec,                                        \
        .tuning_count = COUNT_OF(subgroup_tunings_of_matvec),                         \
        .adapt = subgroups_adapt,                                                     \
        LIKE(TYPE, "_subgroup"),                                                      \
        LANES_FIELDS,                                                                 \
        COMMON_FIELDS(TYPE, LOWER, CASES),                                            \
    },                                                                                \
    {                                                                                 \
        .name = "matvec_" #LOWER,                                                     \
        .rank = 50,                                                                   \
        .spec_count = 5,                                                              \
        .tuning = {{64, 1, 1, 16, 0}}, .tunings = tunings, .tuning_count = COUNT_OF(tunings),  \
        .adapt = lanes_adapt,                                                         \
        LIKE(TYPE, ""),                                                               \
        LANES_FIELDS,                                                                 \
        COMMON_FIELDS(TYPE, LOWER, CASES),                                            \
    }

const KernelRow rows_matvec[] = {
    MATVEC_ROWS(F32, f32, plain_cases),
    MATVEC_ROWS(F16, f16, plain_cases),
    MATVEC_ROWS(BF16, bf16, plain_cases),
    MATVEC_BLOCKS_ROW(Q8_0, q8_0, q8_0_cases),
    MATVEC_BLOCKS_ROW(Q4_0, q4_0, q4_0_cases),
    MATVEC_BLOCKS_ROW(Q4_1, q4_1, q4_1_cases),
#define KERNEL(...)
#define TYPE(name, NAME, BLOCK) MATVEC_ROWS(NAME, name, name##_cases),
#include "kernels.def"
};
const size_t rows_matvec_count = COUNT_OF(rows_matvec);
