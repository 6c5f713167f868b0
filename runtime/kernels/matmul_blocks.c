/* Matrix products whose operand B is a quantised weight, decoded on its way to the shared-memory tile:
 * a linear forward (NT: blocks of B run along the sum) and its input gradient (NN: they run along
 * the columns of C). Each is right for whole blocks a row only: k (NT) or n (NN), b_stride and
 * b_offset are multiples of the type's block. Two sets of families:
 *   matmul_nt_blocks, matmul_nn_blocks             f32 tiles (shaders/matmul_tile.comp)
 *   matmul_nt_half_blocks, matmul_nn_half_blocks   matrix units, A f16 in memory with a scale for each row,
 *                                                  B rounded as expand_half_… does (matmul_matrix.comp)
 * They stand in for an expansion and the product with its result, give the same bits as these where
 * the tiles are alike, and are used where that was measured faster. Emulated rows check all of the
 * latter but the unit. */
#include "base/mem.h"
#include "expand.push.h"
#include "kernels/decode.h"
#include "kernels/families.h"
#include "kernels/matmul.h"
#include "kernels/matrix.h"
#include "matmul.push.h"

/* ---- what they stand in for ------------------------------------------------ */

static uint64_t b_values(const MatmulPush *p, uint32_t rows, uint32_t cols)
{
    return rows && cols ? p->b_offset + (uint64_t)(rows - 1) * p->b_stride + cols : p->b_offset;
}

static void expansion(const MatmulPush *p, uint32_t rows, uint32_t cols, void *first, void *second)
{
    *(ExpandPush *)first = (ExpandPush){.count = (uint32_t)b_values(p, rows, cols)};
    *(MatmulPush *)second = *p;
}

static void nt_instead(const void *push, void *first, void *second)
{
    const MatmulPush *p = push;
    expansion(p, p->n, p->k, first, second);
}

static void nn_instead(const void *push, void *first, void *second)
{
    const MatmulPush *p = push;
    expansion(p, p->k, p->n, first, second);
}

/* Whole blocks of every type. */
enum { LARGEST_BLOCK = 256 };

static uint32_t whole_blocks(uint32_t values)
{
    return values < LARGEST_BLOCK ? LARGEST_BLOCK : values / LARGEST_BLOCK * LARGEST_BLOCK;
}

static void nt_shape(const KernelShape *shape, void *push)
{
    MatmulPush *p = push;
    matmul_nt_shape(shape, push);
    p->k = p->a_stride = p->b_stride = whole_blocks(p->k);
}

static void nn_shape(const KernelShape *shape, void *push)
{
    MatmulPush *p = push;
    matmul_nn_shape(shape, push);
    p->n = p->b_stride = p->c_stride = whole_blocks(p->n);
}

/* ---- references ------------------------------------------------------------ */

/* C += alpha * scale * A B, group by group of 32 values of B: `line` is its row, which is column j of
 * the product (NT) or its term s (NN); bind[3] is NULL without f16 operands. */
static void add_group(const MatmulPush *p, bool nt, uint64_t line, uint64_t from, const double values[32],
                      double *const bind[])
{
    for (uint64_t i = 0; i < p->m; i++) {
        const double *a = bind[0] + p->a_offset + i * p->a_stride;
        double *c = bind[2] + p->c_offset + i * p->c_stride;
        const double factor = p->alpha * (bind[3] ? bind[3][i] : 1);
        for (uint64_t e = 0; e < 32; e++)
            c[nt ? line : from + e] += factor * a[nt ? from + e : line] * values[e];
    }
}

static void product(Dtype dtype, bool nt, bool half, const void *push, double *const bind[])
{
    const MatmulPush *p = push;
    double *const with[4] = {bind[0], bind[1], bind[2], half ? bind[3] : NULL};
    const uint64_t lines = nt ? p->n : p->k, length = nt ? p->k : p->n;
    for (uint64_t i = 0; i < p->m && !p->accumulate; i++)
        for (uint64_t j = 0; j < p->n; j++)
            bind[2][p->c_offset + i * p->c_stride + j] = 0;
    for (uint64_t line = 0; line < lines; line++)
        for (uint64_t from = 0; from < length; from += 32) {
            float decoded[32];
            double values[32];
            decode_reference_32(dtype, bind[1], p->b_offset + line * p->b_stride + from, decoded);
            for (unsigned e = 0; e < 32; e++)
                values[e] = half ? half_to_float(float_to_half(decoded[e])) : decoded[e];
            add_group(p, nt, line, from, values, with);
        }
}

static void extent(Dtype dtype, const MatmulPush *p, uint32_t rows, uint32_t cols, uint64_t elements[GPU_MAX_BIND])
{
    elements[1] = (dtype_bytes(dtype, b_values(p, rows, cols)) + 3) / 4;
}

/* ---- cases ----------------------------------------------------------------- */

#define DENSE(M, N, K, B_STRIDE)                                                      \
    &(const MatmulPush){.m = M, .n = N, .k = K, .a_stride = K, .b_stride = B_STRIDE,  \
                        .c_stride = N, .alpha = 1}
/* STEP apart from where a dense matrix would lie; B a block further, its rows two blocks longer. */
#define STRIDED(M, N, K, BLOCK, B_STRIDE, STEP)                                       \
    &(const MatmulPush){.m = M, .n = N, .k = K, .a_stride = (K) + (STEP),             \
                        .b_stride = (B_STRIDE) + 2 * (BLOCK), .c_stride = (N) + 2 * (STEP), \
                        .a_offset = 3 * (STEP), .b_offset = BLOCK, .c_offset = STEP,  \
                        .alpha = -0.75f, .accumulate = 1}

/* The first ones for every type; the rest, the same whatever the type, for the plain ones. */
enum { FEW_CASES = 3, ALL_CASES = 5 };
#define CASE_COUNT(TYPE)                                                              \
    (DTYPE_##TYPE == DTYPE_Q4_0 || DTYPE_##TYPE == DTYPE_Q8_0 || DTYPE_##TYPE == DTYPE_Q4_K \
         ? ALL_CASES : FEW_CASES)

#define NT_CASES(BLOCK, INPUT)                                                        \
    {{.name = "smallest", .push = DENSE(1, 1, BLOCK, BLOCK), .input = INPUT},         \
     {.name = "ragged", .push = STRIDED(67, 43, (BLOCK) * 3, BLOCK, (BLOCK) * 3, 3), .input = INPUT}, \
     {.name = "aligned", .push = STRIDED(70, 136, (BLOCK) * 2, BLOCK, (BLOCK) * 2, 8), .input = INPUT}, \
     {.name = "long", .push = DENSE(6, 24, 8192, 8192), .input = INPUT},            \
     {.name = "down", .push = DENSE(64, 576, 1536, 1536), .input = INPUT}}
#define NN_CASES(BLOCK, INPUT)                                                        \
    {{.name = "smallest", .push = DENSE(1, BLOCK, 1, BLOCK), .input = INPUT},         \
     {.name = "ragged", .push = STRIDED(67, (BLOCK) * 3, 43, BLOCK, (BLOCK) * 3, 3), .input = INPUT}, \
     {.name = "aligned", .push = STRIDED(70, (BLOCK) * 2, 136, BLOCK, (BLOCK) * 2, 8), .input = INPUT}, \
     {.name = "long", .push = DENSE(6, BLOCK, 8192, BLOCK), .input = INPUT},         \
     {.name = "down", .push = DENSE(64, 1536, 576, 1536), .input = INPUT}}

#define FUNCTIONS(TYPE, LOWER, BLOCK)                                                 \
    static void LOWER##_nt_extent(const void *push, uint64_t elements[GPU_MAX_BIND])  \
    {                                                                                 \
        const MatmulPush *p = push;                                                   \
        matmul_nt_extent(push, elements);                                             \
        extent(DTYPE_##TYPE, p, p->n, p->k, elements);                                \
    }                                                                                 \
    static void LOWER##_nn_extent(const void *push, uint64_t elements[GPU_MAX_BIND])  \
    {                                                                                 \
        const MatmulPush *p = push;                                                   \
        matmul_nn_extent(push, elements);                                             \
        extent(DTYPE_##TYPE, p, p->k, p->n, elements);                                \
    }                                                                                 \
    static void LOWER##_nt_half_extent(const void *push, uint64_t elements[GPU_MAX_BIND]) \
    {                                                                                 \
        LOWER##_nt_extent(push, elements);                                            \
        elements[3] = ((const MatmulPush *)push)->m;                                  \
    }                                                                                 \
    static void LOWER##_nn_half_extent(const void *push, uint64_t elements[GPU_MAX_BIND]) \
    {                                                                                 \
        LOWER##_nn_extent(push, elements);                                            \
        elements[3] = ((const MatmulPush *)push)->m;                                  \
    }                                                                                 \
    static void LOWER##_nt_reference(const void *push, double *const bind[])          \
    {                                                                                 \
        product(DTYPE_##TYPE, true, false, push, bind);                               \
    }                                                                                 \
    static void LOWER##_nn_reference(const void *push, double *const bind[])          \
    {                                                                                 \
        product(DTYPE_##TYPE, false, false, push, bind);                              \
    }                                                                                 \
    static void LOWER##_nt_half_reference(const void *push, double *const bind[])     \
    {                                                                                 \
        product(DTYPE_##TYPE, true, true, push, bind);                                \
    }                                                                                 \
    static void LOWER##_nn_half_reference(const void *push, double *const bind[])     \
    {                                                                                 \
        product(DTYPE_##TYPE, false, true, push, bind);                               \
    }                                                                                 \
    static const KernelCase LOWER##_nt_cases[] = NT_CASES(BLOCK, decode_##LOWER##_weight_input);      \
    static const KernelCase LOWER##_nn_cases[] = NN_CASES(BLOCK, decode_##LOWER##_weight_input);

#define KERNEL(...)
#define TYPE(name, NAME, BLOCK) FUNCTIONS(NAME, name, BLOCK)
#include "kernels.def"

/* ---- f32 tiles ------------------------------------------------------------- */

/* A group of 32 values lies in one tile, whichever way it runs. None for few rows: a flat tile gives
 * each invocation so much of B to decode that Intel's register files do not hold it. */
static const KernelTuning tile_tunings[] = {
    {{256, 64, 64, 32, 4, 4, 1, 0}}, {{128, 64, 64, 32, 8, 4, 1, 0}}, {{64, 64, 64, 32, 8, 8, 1, 0}},
    {{256, 128, 64, 32, 8, 4, 1, 0}}, {{256, 128, 128, 32, 8, 8, 1, 0}}, {{64, 32, 32, 32, 4, 4, 1, 0}},
    {{64, 32, 32, 32, 4, 4, 2, 0}},
};

static bool tile_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    return tuning->spec[TILE_K] % 32 == 0 && matmul_tile_adapt(caps, tuning);
}

static void tile_specialise(const void *push, KernelTuning *tuning)
{
    const MatmulPush *p = push;
    uint32_t all = p->a_stride | p->c_stride | p->a_offset | p->c_offset | p->n | p->k;
    tuning->spec[TILE_ALIGNED] = all % 4 == 0;
}

/* ---- matrix units ---------------------------------------------------------- */

static const KernelTuning coopmat_tunings[] = {
    MATRIX_TUNING(128, 128, 32, 64, 32, 2), MATRIX_TUNING(128, 128, 32, 64, 32, 1),
    MATRIX_TUNING(128, 128, 32, 64, 64, 2), MATRIX_TUNING(128, 128, 64, 64, 32, 1),
    MATRIX_TUNING(256, 128, 32, 64, 64, 1), MATRIX_TUNING(64, 64, 32, 32, 32, 2),
    MATRIX_TUNING(128, 32, 32, 32, 32, 2),  MATRIX_TUNING(32, 128, 32, 32, 32, 2),
    {{256, 16, 8, 16, 16, 64, 64, 32, 16, 16, 2, 0}}, {{256, 8, 8, 8, 16, 64, 64, 32, 16, 8, 2, 0}},
    {{256, 16, 8, 16, 16, 64, 64, 32, 16, 16, 1, 0}}, MATRIX_TUNING(32, 32, 32, 16, 16, 1),
};

static const KernelTuning emulated_tunings[] = {
    {{128, 32, 16, 16, 16, 64, 64, 32, 32, 32, 2, 0}},
    {{32, 8, 8, 8, 16, 32, 32, 32, 16, 16, 1, 0}},
    {{64, 32, 16, 8, 8, 64, 32, 64, 32, 32, 1, 0}},
};

/* Sixteen values on their way take registers, which small subgroups have fewer of: beyond 16 sums a
 * lane ANV spills 22 to 124 of them (dg2). */
static bool coopmat_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    const uint32_t *spec = tuning->spec;
    return spec[MATRIX_TILE_K] % 32 == 0 && matrix_half_adapt(caps, tuning) &&
           (spec[MATRIX_LANES] >= 32 || spec[MATRIX_SUB_M] * spec[MATRIX_SUB_N] <= 16 * spec[MATRIX_LANES]);
}

static void matrix_specialise(const void *push, KernelTuning *tuning)
{
    const MatmulPush *p = push;
    uint32_t all = p->a_stride | p->c_stride | p->a_offset | p->c_offset | p->n | p->k;
    tuning->spec[MATRIX_ALIGNED] = all % 8 == 0;
}

/* ---- rows ------------------------------------------------------------------ */

#define COMMON_FIELDS(LAYOUT, TYPE, LOWER)                                            \
    .push_bytes = sizeof(MatmulPush),                                                 \
    .instead_push = LAYOUT##_instead,                                                 \
    .shape = LAYOUT##_shape,                                                          \
    .flops = matmul_flops,                                                            \
    .cases = LOWER##_##LAYOUT##_cases,                                                \
    .slow_on_cpu = true

/* Sums are those of f32 products, whatever B is stored as. */
#define TILE_ROW(LAYOUT, TYPE, LOWER)                                                 \
    {                                                                                 \
        .name = "matmul_" #LAYOUT "_tile_" #LOWER,                                    \
        .family = "matmul_" #LAYOUT "_blocks",                                        \
        .rank = 50,                                                                   \
        .tolerance = 1e-5,                                                            \
        .probe = true,                                                                \
        .instead = {"expand_" #LOWER, "matmul_" #LAYOUT},                             \
        .bind = {{"a", GPU_READ, .dtype = DTYPE_F32}, {"b", GPU_READ, .dtype = DTYPE_##TYPE}, \
                 {"c", GPU_ADD, .dtype = DTYPE_F32}},                                 \
        .spec_count = TILE_SPECS,                                                     \
        .tuning = {{256, 64, 64, 32, 4, 4, 1, 0}},                                    \
        .tunings = tile_tunings, .tuning_count = COUNT_OF(tile_tunings),              \
        .specialise = tile_specialise, .adapt = tile_adapt,    \
        .extent = LOWER##_##LAYOUT##_extent,                                          \
        .grid = matmul_tile_grid,                                                     \
        .reference = LOWER##_##LAYOUT##_reference,                                    \
        .case_count = CASE_COUNT(TYPE),                                               \
        COMMON_FIELDS(LAYOUT, TYPE, LOWER),                                           \
    }

#define MATRIX_FIELDS(LAYOUT, TYPE, LOWER)                                            \
    .family = "matmul_" #LAYOUT "_half_blocks",                                       \
    .instead = {"expand_half_" #LOWER, "matmul_" #LAYOUT "_half"},                    \
    .bind = {{"a", GPU_READ, .dtype = DTYPE_F16}, {"b", GPU_READ, .dtype = DTYPE_##TYPE}, \
             {"c", GPU_ADD, .dtype = DTYPE_F32}, {"scale", GPU_READ, .dtype = DTYPE_F32}}, \
    .spec_count = MATRIX_SPECS,                                                       \
    .specialise = matrix_specialise,                                                  \
    .extent = LOWER##_##LAYOUT##_half_extent,                                         \
    .grid = matrix_grid,                                                              \
    .reference = LOWER##_##LAYOUT##_half_reference,                                   \
    COMMON_FIELDS(LAYOUT, TYPE, LOWER)

#define COOPMAT_ROW(LAYOUT, TYPE, LOWER)                                              \
    {                                                                                 \
        .name = "matmul_" #LAYOUT "_half_coopmat_" #LOWER,                            \
        .needs = GPU_CAP_COOPMAT | GPU_CAP_F16 | GPU_CAP_SUBGROUP,                    \
        .rank = 5,                                                                    \
        .tolerance = MATRIX_UNIT_TOLERANCE,                                           \
        .probe = true,                                                                \
        .subgroup_spec = 1 + MATRIX_LANES,                                            \
        .tuning = MATRIX_TUNING(128, 128, 32, 64, 32, 2),                             \
        .tunings = coopmat_tunings, .tuning_count = COUNT_OF(coopmat_tunings),        \
        .resize = matrix_resize, .adapt = coopmat_adapt,                              \
        .case_count = CASE_COUNT(TYPE),                                               \
        MATRIX_FIELDS(LAYOUT, TYPE, LOWER),                                           \
    }

#define EMULATED_ROW(LAYOUT, TYPE, LOWER)                                             \
    {                                                                                 \
        .name = "matmul_" #LAYOUT "_half_emulated_" #LOWER,                           \
        .rank = 90,                                                                   \
        .tolerance = 1e-5,                                                            \
        .tuning = {{128, 32, 16, 16, 16, 64, 64, 32, 32, 32, 2, 0}},                  \
        .tunings = emulated_tunings, .tuning_count = COUNT_OF(emulated_tunings),      \
        .case_count = FEW_CASES,                                                      \
        MATRIX_FIELDS(LAYOUT, TYPE, LOWER),                                           \
    }

const KernelRow rows_matmul_blocks[] = {
#define KERNEL(...)
#define TYPE(name, NAME, BLOCK) \
    TILE_ROW(nt, NAME, name), TILE_ROW(nn, NAME, name), COOPMAT_ROW(nt, NAME, name), COOPMAT_ROW(nn, NAME, name),
#include "kernels.def"
    EMULATED_ROW(nt, Q4_0, q4_0), EMULATED_ROW(nn, Q4_0, q4_0),
    EMULATED_ROW(nt, Q4_K, q4_k), EMULATED_ROW(nn, Q4_K, q4_k),
};
const size_t rows_matmul_blocks_count = COUNT_OF(rows_matmul_blocks);
