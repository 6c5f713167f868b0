/* Matrix products on matrix units (shaders/matmul_matrix.comp): f16 operands, f32 sums. Rows of
 * the families matmul_nt, matmul_nn and matmul_tn that round f32 operands on the way, and the
 * families matmul_nt_half and matmul_nn_half whose operands are f16 in memory. Each exists twice:
 * for cooperative matrices, and emulated by plain code, which checks tiles, edges, factors and
 * addresses on any device. Emulated rows of f32 operands are families of their own, there for
 * that alone; those of f16 operands are what devices without matrix units fall back to. */
#include <string.h>

#include "base/mem.h"
#include "kernels/families.h"
#include "kernels/matmul.h"
#include "kernels/matrix.h"
#include "matmul.push.h"

/* ---- operands in f16 ------------------------------------------------------- */

static void nt_half_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    matmul_nt_extent(push, elements);
    elements[3] = ((const MatmulPush *)push)->m;
}

static void nn_half_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    matmul_nn_extent(push, elements);
    elements[3] = ((const MatmulPush *)push)->m;
}

/* C[i,j] = alpha * scale[i] * sum (+ C); b_step is the distance between neighbours of a sum. */
static void half_product(const MatmulPush *p, uint64_t b_column, uint64_t b_step,
                         double *const bind[])
{
    for (uint64_t i = 0; i < p->m; i++)
        for (uint64_t j = 0; j < p->n; j++) {
            const double *a = bind[0] + p->a_offset + i * p->a_stride;
            const double *b = bind[1] + p->b_offset + j * b_column;
            double *c = bind[2] + p->c_offset + i * p->c_stride + j;
            double sum = 0;
            for (uint64_t s = 0; s < p->k; s++)
                sum += a[s] * b[s * b_step];
            *c = p->alpha * bind[3][i] * sum + (p->accumulate ? *c : 0);
        }
}

static void nt_half_reference(const void *push, double *const bind[])
{
    half_product(push, ((const MatmulPush *)push)->b_stride, 1, bind);
}

static void nn_half_reference(const void *push, double *const bind[])
{
    half_product(push, 1, ((const MatmulPush *)push)->b_stride, bind);
}

#define DENSE(M, N, K, B_STRIDE)                                                     \
    &(const MatmulPush){.m = M, .n = N, .k = K, .a_stride = K, .b_stride = B_STRIDE, \
                        .c_stride = N, .alpha = 1}
#define STRIDED(M, N, K, A_STRIDE, B_STRIDE, C_STRIDE, STEP)                         \
    &(const MatmulPush){.m = M, .n = N, .k = K, .a_stride = A_STRIDE,                \
                        .b_stride = B_STRIDE, .c_stride = C_STRIDE, .a_offset = STEP,\
                        .b_offset = 2 * (STEP), .c_offset = 3 * (STEP),              \
                        .alpha = -0.75f, .accumulate = 1}

static const KernelCase nt_half_cases[] = {
    {.name = "smallest", .push = DENSE(1, 1, 1, 1)},
    {.name = "ragged", .push = DENSE(67, 43, 29, 29)},
    {.name = "ragged-eights", .push = DENSE(131, 72, 40, 40)},
    {.name = "strided", .push = STRIDED(70, 66, 37, 41, 43, 73, 3)},
    {.name = "aligned-strided", .push = STRIDED(70, 136, 104, 128, 120, 160, 8)},
    {.name = "long", .push = DENSE(48, 160, 768, 768)},
    {.name = "folded", .push = DENSE(1, 64 * 65600, 1, 1)},
};
static const KernelCase nn_half_cases[] = {
    {.name = "smallest", .push = DENSE(1, 1, 1, 1)},
    {.name = "ragged", .push = DENSE(67, 43, 29, 43)},
    {.name = "ragged-eights", .push = DENSE(131, 72, 40, 72)},
    {.name = "strided", .push = STRIDED(70, 66, 37, 41, 69, 73, 3)},
    {.name = "aligned-strided", .push = STRIDED(70, 136, 104, 128, 144, 160, 8)},
    {.name = "long", .push = DENSE(48, 160, 768, 160)},
    {.name = "folded", .push = DENSE(1, 64 * 65600, 1, 64 * 65600)},
};

/* ---- tunings --------------------------------------------------------------- */

/* The last ones fit devices with small subgroups (ANV 25.0.7: nothing spilled on dg2 and lnl) or
 * little shared memory. */
static const KernelTuning coopmat_tunings[] = {
    MATRIX_TUNING(128, 128, 32, 64, 32, 2), MATRIX_TUNING(128, 128, 32, 64, 32, 1), MATRIX_TUNING(128, 128, 32, 64, 64, 2),
    MATRIX_TUNING(128, 128, 64, 64, 32, 1), MATRIX_TUNING(256, 128, 32, 64, 64, 1), MATRIX_TUNING(128, 256, 32, 64, 64, 1),
    MATRIX_TUNING(64, 64, 32, 32, 32, 2),   MATRIX_TUNING(128, 32, 32, 32, 32, 2),  MATRIX_TUNING(32, 128, 32, 32, 32, 2),
    {{256, 16, 8, 16, 16, 64, 64, 16, 16, 16, 2, 0}}, {{256, 8, 8, 8, 16, 64, 64, 16, 16, 8, 2, 0}},
    MATRIX_TUNING(32, 32, 16, 16, 16, 1),
};

/* Of other shapes of units, and with one buffer. */
static const KernelTuning emulated_tunings[] = {
    {{128, 32, 16, 16, 16, 64, 64, 32, 32, 32, 2, 0}},
    {{32, 8, 8, 8, 16, 32, 32, 32, 16, 16, 1, 0}},
    {{64, 16, 8, 16, 16, 32, 64, 16, 16, 32, 2, 0}},
    {{64, 32, 16, 8, 8, 64, 32, 16, 32, 32, 1, 0}},
};

/* Everything that is read or written in eights lies in eights; `a_inner` is the length of A's
 * runs, B's are counted by k (NT) or n. */
static void set_aligned(const MatmulPush *p, uint32_t a_inner, uint32_t b_inner, KernelTuning *tuning)
{
    uint32_t all = p->a_stride | p->b_stride | p->c_stride | p->a_offset | p->b_offset |
                   p->c_offset | p->n | a_inner | b_inner;
    tuning->spec[MATRIX_ALIGNED] = all % 8 == 0;
}

static void nt_specialise(const void *push, KernelTuning *tuning)
{
    set_aligned(push, ((const MatmulPush *)push)->k, ((const MatmulPush *)push)->k, tuning);
}

static void nn_specialise(const void *push, KernelTuning *tuning)
{
    set_aligned(push, ((const MatmulPush *)push)->k, ((const MatmulPush *)push)->n, tuning);
}

static void tn_specialise(const void *push, KernelTuning *tuning)
{
    set_aligned(push, ((const MatmulPush *)push)->m, ((const MatmulPush *)push)->n, tuning);
}

/* Skinny products would leave most of a large tile empty; few large tiles would leave most of
 * a large device idle. */
enum { ENOUGH_TILES = 96 };

void matrix_resize(const void *push, KernelTuning *tuning)
{
    static const KernelTuning narrow = MATRIX_TUNING(128, 32, 32, 32, 32, 2), flat = MATRIX_TUNING(32, 128, 32, 32, 32, 2),
                              small = MATRIX_TUNING(64, 64, 32, 32, 32, 2);
    const MatmulPush *p = push;
    const uint32_t *spec = tuning->spec;
    uint64_t down = (p->m + spec[MATRIX_TILE_M] - 1) / spec[MATRIX_TILE_M];
    uint64_t across = (p->n + spec[MATRIX_TILE_N] - 1) / spec[MATRIX_TILE_N];
    if (p->n <= 32)
        *tuning = narrow;
    else if (p->m <= 32)
        *tuning = flat;
    else if (down * across < ENOUGH_TILES && spec[MATRIX_TILE_M] * spec[MATRIX_TILE_N] > 64 * 64)
        *tuning = small;
}

/* ---- fitting the device ---------------------------------------------------- */

static uint64_t shared_bytes(const uint32_t *spec)
{
    /* the larger of both layouts: runs along k, one uvec4 of padding each */
    uint64_t tile = (uint64_t)(spec[MATRIX_TILE_M] + spec[MATRIX_TILE_N]) *
                    (spec[MATRIX_TILE_K] / 8 + 1) * 16;
    uint64_t stage = spec[MATRIX_THREADS] / spec[MATRIX_LANES] * spec[MATRIX_UNIT_M] *
                     spec[MATRIX_UNIT_N] * 4ull;
    return spec[MATRIX_BUFFERS] * tile + stage;
}

/* The largest of the device's units that the tile is made of, if a lane's sums and the shared
 * memory (with bytes beside the tiles) are not too much for it. */
static bool adapt(const GpuCaps *caps, KernelTuning *tuning, uint32_t most_sums, uint64_t more_bytes)
{
    uint32_t *spec = tuning->spec;
    MatrixUnit unit;
    if (!matrix_unit(caps, spec[MATRIX_SUB_M], spec[MATRIX_SUB_N], spec[MATRIX_TILE_K], &unit))
        return false;
    const uint32_t lanes = unit.lanes;
    spec[MATRIX_UNIT_M] = unit.m;
    spec[MATRIX_UNIT_N] = unit.n;
    spec[MATRIX_UNIT_K] = unit.k;
    spec[MATRIX_LANES] = lanes;
    spec[MATRIX_THREADS] = lanes * (spec[MATRIX_TILE_M] / spec[MATRIX_SUB_M]) *
                           (spec[MATRIX_TILE_N] / spec[MATRIX_SUB_N]);
    uint32_t most = lanes >= 32 ? most_sums : most_sums / 4;
    if (caps->kind == GPU_CPU && caps->lane_sums)
        most = caps->lane_sums;
    return spec[MATRIX_SUB_M] * spec[MATRIX_SUB_N] <= most * lanes &&
           spec[MATRIX_THREADS] <= caps->max_invocations &&
           shared_bytes(spec) + more_bytes <= caps->shared_bytes;
}

bool matrix_half_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    return adapt(caps, tuning, 128, 0);
}

/* f32 operands on their way take registers too: RADV spills 14 to 65 of them at 128 sums. */
static bool single_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    const uint32_t *spec = tuning->spec;
    return adapt(caps, tuning, 64, 4ull * (spec[MATRIX_TILE_M] + spec[MATRIX_TILE_N]));
}

void matrix_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const MatmulPush *p = push;
    uint64_t tile_m = tuning->spec[MATRIX_TILE_M], tile_n = tuning->spec[MATRIX_TILE_N];
    kernel_fold((p->m + tile_m - 1) / tile_m * ((p->n + tile_n - 1) / tile_n), groups);
}

/* A unit of sixteen rows has little to do below that. */
static bool tn_worth_a_unit(const void *push)
{
    const MatmulPush *p = push;
    return p->m >= 16 && p->n >= 16 && p->k >= 16;
}

static bool nt_worth_a_unit(const void *push)
{
    return tn_worth_a_unit(push) && !matmul_few_columns(push);
}

static bool nn_worth_a_unit(const void *push)
{
    return nt_worth_a_unit(push);
}

/* ---- rows ------------------------------------------------------------------ */

#define SINGLE_FIELDS(LAYOUT)                                                         \
    .bind = {{"a", GPU_READ, .dtype = DTYPE_F32}, {"b", GPU_READ, .dtype = DTYPE_F32},                  \
             {"c", GPU_ADD, .dtype = DTYPE_F32}},                                              \
    .extent = matmul_##LAYOUT##_extent,                                               \
    .reference = matmul_##LAYOUT##_reference,                                         \
    .cases = matmul_##LAYOUT##_cases,                                                 \
    .tolerance = 4e-3   /* operands are rounded to 11 bits */

#define HALF_FIELDS(LAYOUT)                                                           \
    .family = "matmul_" #LAYOUT "_half",                                              \
    .bind = {{"a", GPU_READ, .dtype = DTYPE_F16}, {"b", GPU_READ, .dtype = DTYPE_F16},                  \
             {"c", GPU_ADD, .dtype = DTYPE_F32}, {"scale", GPU_READ, .dtype = DTYPE_F32}},              \
    .extent = LAYOUT##_half_extent,                                                   \
    .reference = LAYOUT##_half_reference,                                             \
    .cases = LAYOUT##_half_cases,                                                     \
    .case_count = COUNT_OF(LAYOUT##_half_cases)

#define COMMON_FIELDS(LAYOUT)                                                         \
    .push_bytes = sizeof(MatmulPush), .rows_word = MATMUL_ROWS_##LAYOUT,              \
    .spec_count = MATRIX_SPECS,                                                       \
    .specialise = LAYOUT##_specialise,                                                \
    .slow_on_cpu = true,                                                              \
    .grid = matrix_grid,                                                              \
    .shape = matmul_##LAYOUT##_shape,                                                 \
    .flops = matmul_flops

#define COOPMAT_FIELDS                                                                \
    .needs = GPU_CAP_COOPMAT | GPU_CAP_F16 | GPU_CAP_SUBGROUP,                        \
    .rank = 5,                                                                        \
    .probe = true,                                                                    \
    .subgroup_spec = 1 + MATRIX_LANES,                                                \
    .tunings = coopmat_tunings,                                                       \
    .tuning_count = COUNT_OF(coopmat_tunings),                                        \
    .resize = matrix_resize

#define EMULATED_FIELDS                                                               \
    .rank = 90,                                                                       \
    .tuning = {{128, 32, 16, 16, 16, 64, 64, 32, 32, 32, 2, 0}},                      \
    .tunings = emulated_tunings,                                                      \
    .tuning_count = COUNT_OF(emulated_tunings)

/* the first cases of a family: small ones of all kinds */
enum { EMULATED_CASES = 7 };

#define SINGLE_ROWS(LAYOUT, CASE_COUNT)                                               \
    {.name = "matmul_" #LAYOUT "_coopmat", .family = "matmul_" #LAYOUT,               \
     .suits = LAYOUT##_worth_a_unit, .adapt = single_adapt, .case_count = CASE_COUNT,          \
     .tuning = MATRIX_TUNING(128, 128, 32, 64, 32, 1),                                       \
     SINGLE_FIELDS(LAYOUT), COMMON_FIELDS(LAYOUT), COOPMAT_FIELDS},                   \
    {.name = "matmul_" #LAYOUT "_emulated", .family = "matmul_" #LAYOUT "_emulated",  \
     .case_count = EMULATED_CASES,                                                    \
     SINGLE_FIELDS(LAYOUT), COMMON_FIELDS(LAYOUT), EMULATED_FIELDS}

#define HALF_ROWS(LAYOUT)                                                             \
    {.name = "matmul_" #LAYOUT "_half_coopmat", .adapt = matrix_half_adapt,                  \
     .tuning = MATRIX_TUNING(128, 128, 32, 64, 32, 2), .tolerance = MATRIX_UNIT_TOLERANCE,   \
     HALF_FIELDS(LAYOUT), COMMON_FIELDS(LAYOUT), COOPMAT_FIELDS},                     \
    {.name = "matmul_" #LAYOUT "_half_emulated", .tolerance = 1e-5,                   \
     HALF_FIELDS(LAYOUT), COMMON_FIELDS(LAYOUT), EMULATED_FIELDS}

const KernelRow rows_matmul_matrix[] = {
    SINGLE_ROWS(nt, MATMUL_NT_CASES),
    SINGLE_ROWS(nn, MATMUL_NN_CASES),
    SINGLE_ROWS(tn, MATMUL_TN_CASES),
    HALF_ROWS(nt),
    HALF_ROWS(nn),
};
const size_t rows_matmul_matrix_count = COUNT_OF(rows_matmul_matrix);
