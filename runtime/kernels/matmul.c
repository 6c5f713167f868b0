/* Matrix products C[m,n] = alpha * op(A,B) (+ C) in the three layouts that training needs:
 * NT (A[m,k] B[n,k]: a linear forward), NN (A[m,k] B[k,n]: its input gradient) and
 * TN (A[k,m] B[k,n]: its weight gradient). */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernels/families.h"
#include "kernels/matmul.h"
#include "matmul.push.h"

/* Elements of a [rows, cols] matrix that starts at `offset`. */
static uint64_t span(uint32_t offset, uint32_t rows, uint32_t cols, uint32_t stride)
{
    return rows && cols ? offset + (uint64_t)(rows - 1) * stride + cols : offset;
}

void matmul_nt_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const MatmulPush *p = push;
    elements[0] = span(p->a_offset, p->m, p->k, p->a_stride);
    elements[1] = span(p->b_offset, p->n, p->k, p->b_stride);
    elements[2] = span(p->c_offset, p->m, p->n, p->c_stride);
}

void matmul_nn_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const MatmulPush *p = push;
    elements[0] = span(p->a_offset, p->m, p->k, p->a_stride);
    elements[1] = span(p->b_offset, p->k, p->n, p->b_stride);
    elements[2] = span(p->c_offset, p->m, p->n, p->c_stride);
}

void matmul_tn_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const MatmulPush *p = push;
    elements[0] = span(p->a_offset, p->k, p->m, p->a_stride);
    elements[1] = span(p->b_offset, p->k, p->n, p->b_stride);
    elements[2] = span(p->c_offset, p->m, p->n, p->c_stride);
}

double matmul_flops(const void *push)
{
    const MatmulPush *p = push;
    return 2.0 * p->m * p->n * p->k;
}

/* Products of a training step, for racing: those of the feed-forward layer, with sums no longer
 * than it takes to tell tiles apart. */
static void product_shape(uint32_t m, uint32_t n, uint32_t k, bool k_first, bool n_last, MatmulPush *out)
{
    enum { LONGEST = 1024, WIDEST = 8192 };
    *out = (MatmulPush){.m = m < WIDEST ? m : WIDEST, .n = n < WIDEST ? n : WIDEST,
                        .k = k < LONGEST ? k : LONGEST, .alpha = 1};
    out->a_stride = k_first ? out->m : out->k;
    out->b_stride = n_last ? out->n : out->k;
    out->c_stride = out->n;
}

void matmul_nt_shape(const KernelShape *shape, void *push)
{
    product_shape(shape->rows, shape->ffn, shape->hidden, false, false, push);
}

void matmul_nn_shape(const KernelShape *shape, void *push)
{
    product_shape(shape->rows, shape->hidden, shape->ffn, false, true, push);
}

void matmul_tn_shape(const KernelShape *shape, void *push)
{
    product_shape(shape->ffn, shape->hidden, shape->rows, true, true, push);
}

/* ---- references --------------------------------------------------------- */

/* A step is the distance in memory between neighbours of a sum. */
static void product(const MatmulPush *p, uint64_t a_row, uint64_t a_step, uint64_t b_column,
                    uint64_t b_step, double *const bind[])
{
    for (uint64_t i = 0; i < p->m; i++)
        for (uint64_t j = 0; j < p->n; j++) {
            const double *a = bind[0] + p->a_offset + i * a_row;
            const double *b = bind[1] + p->b_offset + j * b_column;
            double *c = bind[2] + p->c_offset + i * p->c_stride + j;
            double sum = 0;
            for (uint64_t s = 0; s < p->k; s++)
                sum += a[s * a_step] * b[s * b_step];
            *c = p->alpha * sum + (p->accumulate ? *c : 0);
        }
}

void matmul_nt_reference(const void *push, double *const bind[])
{
    const MatmulPush *p = push;
    product(p, p->a_stride, 1, p->b_stride, 1, bind);
}

void matmul_nn_reference(const void *push, double *const bind[])
{
    const MatmulPush *p = push;
    product(p, p->a_stride, 1, 1, p->b_stride, bind);
}

void matmul_tn_reference(const void *push, double *const bind[])
{
    const MatmulPush *p = push;
    product(p, 1, p->a_stride, 1, p->b_stride, bind);
}

/* ---- cases -------------------------------------------------------------- */

#define DENSE(M, N, K, A_STRIDE, B_STRIDE)                                           \
    &(const MatmulPush){.m = M, .n = N, .k = K, .a_stride = A_STRIDE,                \
                        .b_stride = B_STRIDE, .c_stride = N, .alpha = 1}
#define LOOSE(M, N, K, A_STRIDE, B_STRIDE)                                           \
    &(const MatmulPush){.m = M, .n = N, .k = K, .a_stride = (A_STRIDE) + 3,          \
                        .b_stride = (B_STRIDE) + 5, .c_stride = (N) + 7,             \
                        .a_offset = 11, .b_offset = 6, .c_offset = 9,                \
                        .alpha = -0.75f, .accumulate = 1}
#define ADDED(M, N, K, A_STRIDE, B_STRIDE)                                           \
    &(const MatmulPush){.m = M, .n = N, .k = K, .a_stride = A_STRIDE,                \
                        .b_stride = B_STRIDE, .c_stride = N, .alpha = 2,             \
                        .accumulate = 1}

/* Far beyond what f16 holds, above and below, with products that f32 holds: rows that round to
 * f16 must scale. Every other element is 2^-12 of its neighbour, and still counts; here and there one
 * is 2^6 times as large, so that the largest of a row or column lies in any tile of the sum. */
static bool far_from_one(const void *push, unsigned index, double *values, uint64_t count,
                         uint64_t seed)
{
    Rng rng;
    (void)push;
    if (index > 1)
        return false;
    rng_init(&rng, seed);
    for (uint64_t i = 0; i < count; i++)
        values[i] = ldexp(rng_normal(&rng), (index ? -90 : 80) - (i % 37 ? (int)(i % 2) * 12 : -6));
    return true;
}

/* Sizes of SmolLM2-135M (hidden 576, keys and values 192, feed-forward 1536) with few
 * enough rows that a double-precision product stays under half a second. */
const KernelCase matmul_nt_cases[MATMUL_NT_CASES] = {
    {.name = "smallest", .push = DENSE(1, 1, 1, 1, 1)},
    {.name = "ragged", .push = DENSE(67, 43, 29, 29, 29)},
    {.name = "ragged-wide", .push = DENSE(131, 265, 70, 70, 70)},
    {.name = "strided", .push = LOOSE(70, 66, 37, 37, 37)},
    {.name = "added", .push = ADDED(128, 192, 64, 64, 64)},
    {.name = "aligned-strided", .push =
        &(const MatmulPush){.m = 64, .n = 128, .k = 96, .a_stride = 128, .b_stride = 100,
                            .c_stride = 160, .a_offset = 32, .b_offset = 4, .c_offset = 8,
                            .alpha = 0.5f, .accumulate = 1}},
    {.name = "scaled", .push = DENSE(40, 24, 48, 48, 48), .input = far_from_one},
    {.name = "down", .push = DENSE(64, 576, 1536, 1536, 1536)},
    {.name = "up", .push = DENSE(64, 1536, 576, 576, 576)},
    {.name = "kv", .push = DENSE(512, 192, 576, 576, 576)},
    {.name = "lora-a", .push = DENSE(512, 16, 576, 576, 576)},
    {.name = "lora-b", .push = ADDED(512, 576, 16, 16, 16)},
    {.name = "narrow", .push = LOOSE(37, 27, 1031, 1031, 1031)},
    {.name = "narrow fours", .push = ADDED(46, 24, 520, 528, 524)},
    {.name = "head", .push = DENSE(3, 4099, 576, 576, 576)},
    {.name = "folded", .push = DENSE(1, 64 * 65600, 1, 1, 1)},
    {.name = "folded across", .push = DENSE(4, 32 * 65600, 4, 4, 4)},
    {.name = "folded down", .push = DENSE(32 * 65600, 4, 4, 4, 4)},
};
const KernelCase matmul_nn_cases[MATMUL_NN_CASES] = {
    {.name = "smallest", .push = DENSE(1, 1, 1, 1, 1)},
    {.name = "ragged", .push = DENSE(67, 43, 29, 29, 43)},
    {.name = "ragged-wide", .push = DENSE(131, 265, 70, 70, 265)},
    {.name = "strided", .push = LOOSE(70, 66, 37, 37, 66)},
    {.name = "added", .push = ADDED(128, 192, 64, 64, 192)},
    {.name = "aligned-strided", .push =
        &(const MatmulPush){.m = 64, .n = 128, .k = 96, .a_stride = 128, .b_stride = 132,
                            .c_stride = 160, .a_offset = 32, .b_offset = 4, .c_offset = 8,
                            .alpha = 0.5f, .accumulate = 1}},
    {.name = "scaled", .push = DENSE(40, 24, 48, 48, 24), .input = far_from_one},
    {.name = "down", .push = DENSE(64, 1536, 576, 576, 1536)},
    {.name = "up", .push = DENSE(64, 576, 1536, 1536, 576)},
    {.name = "kv", .push = DENSE(512, 576, 192, 192, 576)},
    {.name = "lora-a", .push = ADDED(512, 576, 16, 16, 576)},
    {.name = "lora-b", .push = DENSE(512, 16, 576, 576, 16)},
    {.name = "narrow", .push = LOOSE(37, 27, 1031, 1031, 27)},
    {.name = "narrow fours", .push = ADDED(46, 24, 520, 528, 28)},
    {.name = "head", .push = ADDED(32, 576, 4099, 4099, 576)},
    /* sums over a vocabulary: beyond llvmpipe's 65,535 iterations where loops are not unrolled */
    {.name = "vocabulary", .push = DENSE(6, 24, 24000, 24000, 24)},
    {.name = "folded", .push = DENSE(1, 64 * 65600, 1, 1, 64 * 65600)},
    {.name = "folded across", .push = DENSE(4, 32 * 65600, 4, 4, 32 * 65600)},
    {.name = "folded down", .push = DENSE(32 * 65600, 4, 4, 4, 4)},
};
const KernelCase matmul_tn_cases[MATMUL_TN_CASES] = {
    {.name = "smallest", .push = DENSE(1, 1, 1, 1, 1)},
    {.name = "ragged", .push = DENSE(67, 43, 29, 67, 43)},
    {.name = "ragged-wide", .push = DENSE(131, 265, 70, 131, 265)},
    {.name = "strided", .push = LOOSE(70, 66, 37, 70, 66)},
    {.name = "added", .push = ADDED(128, 192, 64, 128, 192)},
    {.name = "aligned-strided", .push =
        &(const MatmulPush){.m = 64, .n = 128, .k = 96, .a_stride = 72, .b_stride = 132,
                            .c_stride = 160, .a_offset = 32, .b_offset = 4, .c_offset = 8,
                            .alpha = 0.5f, .accumulate = 1}},
    {.name = "scaled", .push = DENSE(40, 24, 48, 40, 24), .input = far_from_one},
    {.name = "ragged sums", .push = DENSE(40, 24, 37, 40, 24)},
    {.name = "weight", .push = ADDED(192, 576, 512, 192, 576)},
    {.name = "lora-a", .push = ADDED(16, 576, 512, 16, 576)},
    {.name = "lora-b", .push = ADDED(1536, 16, 512, 1536, 16)},
    {.name = "folded", .push = DENSE(1, 64 * 65600, 1, 1, 64 * 65600)},
    {.name = "folded across", .push = DENSE(4, 32 * 65600, 4, 4, 32 * 65600)},
    {.name = "folded down", .push = DENSE(32 * 65600, 4, 4, 32 * 65600, 4)},
};

/* ---- shared-memory tiles ------------------------------------------------ */

void matmul_tile_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const MatmulPush *p = push;
    const uint32_t *spec = tuning->spec;
    uint64_t down = ((uint64_t)p->m + spec[TILE_M] - 1) / spec[TILE_M];
    uint64_t across = ((uint64_t)p->n + spec[TILE_N] - 1) / spec[TILE_N];
    kernel_fold(down * across, groups);
}

/* Threads, tile m, n, k, outputs of one invocation down and across, buffers. 8 x 8 outputs read
 * shared memory half as often as 4 x 4 and need 108 to 120 vector registers on RADV (navi31, none
 * spilled); a second buffer saves a barrier and halves how many groups fit a compute unit. */
static const KernelTuning tile_tunings[] = {
    {{64, 64, 64, 16, 8, 8, 1, 0}},
    {{64, 64, 64, 16, 8, 8, 2, 0}},
    {{256, 64, 64, 16, 4, 4, 1, 0}},
    {{256, 64, 64, 32, 4, 4, 1, 0}},
    {{64, 32, 32, 16, 4, 4, 2, 0}},
    {{128, 64, 32, 16, 4, 4, 2, 0}},
    {{256, 128, 64, 16, 8, 4, 1, 0}},
    {{256, 128, 128, 16, 8, 8, 1, 0}},
};

/* The array `tiles` of shaders/matmul_tile.comp. */
static uint64_t tile_bytes(const uint32_t *spec)
{
    return 4ull * spec[TILE_BUFFERS] * spec[TILE_K] * (spec[TILE_M] + spec[TILE_N] + 8);
}

bool matmul_tile_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    const uint32_t *spec = tuning->spec;
    return (!caps->lane_sums || spec[TILE_WORK_M] * spec[TILE_WORK_N] <= caps->lane_sums) &&
           spec[TILE_THREADS] <= caps->max_invocations && tile_bytes(spec) <= caps->shared_bytes;
}

/* LoRA's skinny products would leave three quarters of a square tile empty. `inner` is the length
 * of A's runs in memory, b_inner of B's. */
static void tile_constants(const MatmulPush *p, uint32_t inner, uint32_t b_inner,
                           KernelTuning *tuning)
{
    static const uint32_t narrow[] = {64, 64, 16, 16, 4, 4, 1}, flat[] = {64, 16, 64, 16, 4, 4, 1};
    uint32_t all = p->a_stride | p->b_stride | p->c_stride | p->a_offset | p->b_offset |
                   p->c_offset | p->n | inner | b_inner;
    if (p->n <= 16)
        memcpy(tuning->spec, narrow, sizeof narrow);
    else if (p->m <= 16)
        memcpy(tuning->spec, flat, sizeof flat);
    tuning->spec[TILE_ALIGNED] = all % 4 == 0;
}

static void nt_tile_specialise(const void *push, KernelTuning *tuning)
{
    tile_constants(push, ((const MatmulPush *)push)->k, ((const MatmulPush *)push)->k, tuning);
}

static void nn_tile_specialise(const void *push, KernelTuning *tuning)
{
    tile_constants(push, ((const MatmulPush *)push)->k, ((const MatmulPush *)push)->n, tuning);
}

static void tn_tile_specialise(const void *push, KernelTuning *tuning)
{
    tile_constants(push, ((const MatmulPush *)push)->m, ((const MatmulPush *)push)->n, tuning);
}

/* ---- few columns ---------------------------------------------------------- */

/* Constants of shaders/matmul_rank.comp; its comments say what they are. */
enum { RANK_THREADS, RANK_ROWS, RANK_COLS, RANK_ALIGNED, RANK_SPECS };

/* More rows read B less often, fewer keep more groups busy and need fewer registers: the last is what
 * Intel's hold. */
static const KernelTuning rank_tunings[] = {
    {{256, 4, 16, 0}}, {{128, 4, 16, 0}}, {{64, 4, 16, 0}}, {{256, 2, 16, 0}},
    {{128, 2, 16, 0}}, {{256, 8, 16, 0}}, {{64, 2, 16, 0}},
    {{128, 1, 16, 0}},
};

bool matmul_few_columns(const void *push)
{
    return ((const MatmulPush *)push)->n <= 32;
}

static void rank_constants(const MatmulPush *p, uint32_t b_inner, KernelTuning *tuning)
{
    const uint32_t all = p->a_stride | p->b_stride | p->a_offset | p->b_offset | p->k | b_inner;
    tuning->spec[RANK_COLS] = p->n <= 8 ? 8 : 16;
    tuning->spec[RANK_ALIGNED] = all % 4 == 0;
}

static void nt_rank_specialise(const void *push, KernelTuning *tuning)
{
    rank_constants(push, 0, tuning);
}

static void nn_rank_specialise(const void *push, KernelTuning *tuning)
{
    rank_constants(push, ((const MatmulPush *)push)->n, tuning);
}

static bool rank_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    enum { CHUNK = 16 };   /* of shaders/lib/chunk_sums.glsl */
    const uint32_t *spec = tuning->spec;
    return (!caps->lane_sums || spec[RANK_ROWS] * spec[RANK_COLS] <= caps->lane_sums) &&
           spec[RANK_THREADS] <= caps->max_invocations && 4 * CHUNK * spec[RANK_THREADS] <= caps->shared_bytes;
}

static void rank_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const MatmulPush *p = push;
    const uint64_t rows = tuning->spec[RANK_ROWS], cols = tuning->spec[RANK_COLS];
    kernel_fold((p->m + rows - 1) / rows * ((p->n + cols - 1) / cols), groups);
}

/* An adapter's way down. */
enum { USUAL_RANK = 16 };

static void nt_rank_shape(const KernelShape *shape, void *push)
{
    product_shape(shape->rows, USUAL_RANK, shape->hidden, false, false, push);
}

static void nn_rank_shape(const KernelShape *shape, void *push)
{
    product_shape(shape->rows, USUAL_RANK, shape->hidden, false, true, push);
}

/* ---- register tiles for CPU drivers ------------------------------------- */

/* Outputs of a workgroup: WIDE along the eight lanes, `span` on the side that all lanes share. */
enum { WIDE = 32 };

static uint32_t cpu_span(uint32_t count)
{
    return count <= 8 ? 8 : count <= 16 ? 16 : 32;
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Outputs computed when lanes lie along the rows of C or along its columns, edges included. */
static uint64_t rows_work(const MatmulPush *p)
{
    return round_up(p->m, WIDE) * round_up(p->n, cpu_span(p->n));
}

static uint64_t columns_work(const MatmulPush *p)
{
    return round_up(p->n, WIDE) * round_up(p->m, cpu_span(p->m));
}

/* Everything that is read in fours lies in fours; `inner` is the length of A's rows. */
static bool in_fours(const MatmulPush *p, uint32_t inner)
{
    uint32_t all = p->a_stride | p->b_stride | p->c_stride | p->a_offset | p->b_offset |
                   p->c_offset | p->n | inner;
    return all % 4 == 0 && p->m && p->n && p->k;
}

static bool k_in_fours(const void *push)
{
    return in_fours(push, ((const MatmulPush *)push)->k);
}

static bool m_in_fours(const void *push)
{
    return in_fours(push, ((const MatmulPush *)push)->m);
}

static bool k_in_fours_rows(const void *push)
{
    return k_in_fours(push) && rows_work(push) <= columns_work(push);
}

static bool m_in_fours_rows(const void *push)
{
    return m_in_fours(push) && rows_work(push) <= columns_work(push);
}

static void rows_specialise(const void *push, KernelTuning *tuning)
{
    tuning->spec[0] = cpu_span(((const MatmulPush *)push)->n);
}

static void columns_specialise(const void *push, KernelTuning *tuning)
{
    tuning->spec[0] = cpu_span(((const MatmulPush *)push)->m);
}

static void rows_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const MatmulPush *p = push;
    uint32_t span = tuning->spec[0];
    kernel_fold(round_up(p->m, WIDE) / WIDE * (round_up(p->n, span) / span), groups);
}

static void columns_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const MatmulPush *p = push;
    uint32_t span = tuning->spec[0];
    kernel_fold(round_up(p->n, WIDE) / WIDE * (round_up(p->m, span) / span), groups);
}

#define COMMON_FIELDS(LAYOUT)                                                         \
    .family = "matmul_" #LAYOUT,                                                      \
    .push_bytes = sizeof(MatmulPush), .rows_word = MATMUL_ROWS_##LAYOUT,              \
    .bind = {{"a", GPU_READ, .dtype = DTYPE_F32}, {"b", GPU_READ, .dtype = DTYPE_F32},                  \
             {"c", GPU_ADD, .dtype = DTYPE_F32}},                                              \
    .extent = matmul_##LAYOUT##_extent,                                               \
    .flops = matmul_flops,                                                            \
    .reference = matmul_##LAYOUT##_reference,                                         \
    .cases = matmul_##LAYOUT##_cases,                                                 \
    .case_count = COUNT_OF(matmul_##LAYOUT##_cases),                                  \
    .tolerance = 1e-5

/* a and b are texel buffers */
#define CPU_ROW(LAYOUT, SIDE, RANK, SUITS)                                            \
    {                                                                                 \
        .name = "matmul_" #LAYOUT "_cpu_" #SIDE,                                      \
        .needs = GPU_CAP_CPU | GPU_CAP_SUBGROUP | GPU_CAP_TEXEL,                      \
        .subgroup_size = 8,                                                           \
        .texels = 3,                                                                  \
        .rank = RANK,                                                                 \
        .spec_count = 1,                                                              \
        .tuning = {{32}},                                                             \
        .suits = SUITS,                                                               \
        .specialise = SIDE##_specialise,                                              \
        .grid = SIDE##_grid,                                                          \
        .shape = matmul_##LAYOUT##_shape,                                             \
        COMMON_FIELDS(LAYOUT),                                                        \
    }

/* CPU drivers have rows of their own, and matrix units leave these products to it. */
#define RANK_ROW(LAYOUT)                                                              \
    {                                                                                 \
        .name = "matmul_" #LAYOUT "_rank",                                            \
        .rank = 12,                                                                   \
        .tune = true,                                                                 \
        .slow_on_cpu = true,                                                          \
        .spec_count = RANK_SPECS,                                                     \
        .tuning = {{256, 4, 16, 0}},                                                  \
        .suits = matmul_few_columns,                                                         \
        .specialise = LAYOUT##_rank_specialise,                                       \
        .adapt = rank_adapt,                                                          \
        .tunings = rank_tunings,                                                      \
        .tuning_count = COUNT_OF(rank_tunings),                                       \
        .grid = rank_grid,                                                            \
        .shape = LAYOUT##_rank_shape,                                                 \
        COMMON_FIELDS(LAYOUT),                                                        \
    }

#define TILE_ROW(LAYOUT)                                                              \
    {                                                                                 \
        .name = "matmul_" #LAYOUT "_tile",                                            \
        .rank = 50,                                                                   \
        .tune = true,                                                                 \
        .slow_on_cpu = true,                                                          \
        .spec_count = TILE_SPECS,                                                     \
        .tuning = {{64, 64, 64, 16, 8, 8, 1, 0}},                                     \
        .specialise = LAYOUT##_tile_specialise,                                       \
        .adapt = matmul_tile_adapt,                                                         \
        .tunings = tile_tunings,                                                      \
        .tuning_count = COUNT_OF(tile_tunings),                                       \
        .grid = matmul_tile_grid,                                                     \
        .shape = matmul_##LAYOUT##_shape,                                             \
        COMMON_FIELDS(LAYOUT),                                                        \
    }

const KernelRow rows_matmul[] = {
    CPU_ROW(nt, rows, 10, k_in_fours_rows),
    CPU_ROW(nt, columns, 11, k_in_fours),
    TILE_ROW(nt),
    RANK_ROW(nt),
    CPU_ROW(nn, rows, 10, k_in_fours_rows),
    CPU_ROW(nn, columns, 11, k_in_fours),
    TILE_ROW(nn),
    RANK_ROW(nn),
    CPU_ROW(tn, rows, 10, m_in_fours_rows),
    CPU_ROW(tn, columns, 11, m_in_fours),
    TILE_ROW(tn),
};
const size_t rows_matmul_count = COUNT_OF(rows_matmul);
