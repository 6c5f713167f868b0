/* Matrix products C[m,n] = alpha * op(A,B) (+ C) in the three layouts that training needs:
 * NT (A[m,k] B[n,k]: a linear forward), NN (A[m,k] B[k,n]: its input gradient) and
 * TN (A[k,m] B[k,n]: its weight gradient). */
#include "base/mem.h"
#include "kernels/families.h"
#include "matmul.push.h"

/* Elements of a [rows, cols] matrix that starts at `offset`. */
static uint64_t span(uint32_t offset, uint32_t rows, uint32_t cols, uint32_t stride)
{
    return rows && cols ? offset + (uint64_t)(rows - 1) * stride + cols : offset;
}

static void nt_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const MatmulPush *p = push;
    elements[0] = span(p->a_offset, p->m, p->k, p->a_stride);
    elements[1] = span(p->b_offset, p->n, p->k, p->b_stride);
    elements[2] = span(p->c_offset, p->m, p->n, p->c_stride);
}

static void nn_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const MatmulPush *p = push;
    elements[0] = span(p->a_offset, p->m, p->k, p->a_stride);
    elements[1] = span(p->b_offset, p->k, p->n, p->b_stride);
    elements[2] = span(p->c_offset, p->m, p->n, p->c_stride);
}

static void tn_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const MatmulPush *p = push;
    elements[0] = span(p->a_offset, p->k, p->m, p->a_stride);
    elements[1] = span(p->b_offset, p->k, p->n, p->b_stride);
    elements[2] = span(p->c_offset, p->m, p->n, p->c_stride);
}

static double matmul_flops(const void *push)
{
    const MatmulPush *p = push;
    return 2.0 * p->m * p->n * p->k;
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

static void nt_reference(const void *push, double *const bind[])
{
    const MatmulPush *p = push;
    product(p, p->a_stride, 1, p->b_stride, 1, bind);
}

static void nn_reference(const void *push, double *const bind[])
{
    const MatmulPush *p = push;
    product(p, p->a_stride, 1, 1, p->b_stride, bind);
}

static void tn_reference(const void *push, double *const bind[])
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

/* Sizes of SmolLM2-135M (hidden 576, keys and values 192, feed-forward 1536) with few
 * enough rows that a double-precision product stays under half a second. */
static const KernelCase nt_cases[] = {
    {.name = "smallest", .push = DENSE(1, 1, 1, 1, 1)},
    {.name = "ragged", .push = DENSE(67, 43, 29, 29, 29)},
    {.name = "ragged-wide", .push = DENSE(131, 265, 70, 70, 70)},
    {.name = "strided", .push = LOOSE(70, 66, 37, 37, 37)},
    {.name = "added", .push = ADDED(128, 192, 64, 64, 64)},
    {.name = "aligned-strided", .push =
        &(const MatmulPush){.m = 64, .n = 128, .k = 96, .a_stride = 128, .b_stride = 100,
                            .c_stride = 160, .a_offset = 32, .b_offset = 4, .c_offset = 8,
                            .alpha = 0.5f, .accumulate = 1}},
    {.name = "down", .push = DENSE(64, 576, 1536, 1536, 1536)},
    {.name = "up", .push = DENSE(64, 1536, 576, 576, 576)},
    {.name = "kv", .push = DENSE(512, 192, 576, 576, 576)},
    {.name = "lora-a", .push = DENSE(512, 16, 576, 576, 576)},
    {.name = "lora-b", .push = ADDED(512, 576, 16, 16, 16)},
    {.name = "head", .push = DENSE(3, 4099, 576, 576, 576)},
};
static const KernelCase nn_cases[] = {
    {.name = "smallest", .push = DENSE(1, 1, 1, 1, 1)},
    {.name = "ragged", .push = DENSE(67, 43, 29, 29, 43)},
    {.name = "ragged-wide", .push = DENSE(131, 265, 70, 70, 265)},
    {.name = "strided", .push = LOOSE(70, 66, 37, 37, 66)},
    {.name = "added", .push = ADDED(128, 192, 64, 64, 192)},
    {.name = "aligned-strided", .push =
        &(const MatmulPush){.m = 64, .n = 128, .k = 96, .a_stride = 128, .b_stride = 132,
                            .c_stride = 160, .a_offset = 32, .b_offset = 4, .c_offset = 8,
                            .alpha = 0.5f, .accumulate = 1}},
    {.name = "down", .push = DENSE(64, 1536, 576, 576, 1536)},
    {.name = "up", .push = DENSE(64, 576, 1536, 1536, 576)},
    {.name = "kv", .push = DENSE(512, 576, 192, 192, 576)},
    {.name = "lora-a", .push = ADDED(512, 576, 16, 16, 576)},
    {.name = "lora-b", .push = DENSE(512, 16, 576, 576, 16)},
    {.name = "head", .push = ADDED(32, 576, 4099, 4099, 576)},
};
static const KernelCase tn_cases[] = {
    {.name = "smallest", .push = DENSE(1, 1, 1, 1, 1)},
    {.name = "ragged", .push = DENSE(67, 43, 29, 67, 43)},
    {.name = "ragged-wide", .push = DENSE(131, 265, 70, 131, 265)},
    {.name = "strided", .push = LOOSE(70, 66, 37, 70, 66)},
    {.name = "added", .push = ADDED(128, 192, 64, 128, 192)},
    {.name = "aligned-strided", .push =
        &(const MatmulPush){.m = 64, .n = 128, .k = 96, .a_stride = 72, .b_stride = 132,
                            .c_stride = 160, .a_offset = 32, .b_offset = 4, .c_offset = 8,
                            .alpha = 0.5f, .accumulate = 1}},
    {.name = "weight", .push = ADDED(192, 576, 512, 192, 576)},
    {.name = "lora-a", .push = ADDED(16, 576, 512, 16, 576)},
    {.name = "lora-b", .push = ADDED(1536, 16, 512, 1536, 16)},
};

/* ---- shared-memory tiles ------------------------------------------------ */

enum { TILE_THREADS, TILE_M, TILE_N, TILE_K, TILE_WORK_M, TILE_WORK_N, TILE_SPECS };

static void tile_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const MatmulPush *p = push;
    const uint32_t *spec = tuning->spec;
    uint64_t down = ((uint64_t)p->m + spec[TILE_M] - 1) / spec[TILE_M];
    uint64_t across = ((uint64_t)p->n + spec[TILE_N] - 1) / spec[TILE_N];
    kernel_fold(down * across, groups);
}

/* threads, tile m, n, k, outputs of one invocation down and across */
static const KernelTuning tile_tunings[] = {
    {{256, 64, 64, 16, 4, 4}},
    {{256, 64, 64, 32, 4, 4}},
    {{64, 64, 64, 16, 8, 8}},
    {{64, 32, 32, 16, 4, 4}},
    {{128, 64, 32, 16, 4, 4}},
    {{256, 128, 64, 16, 8, 4}},
    {{256, 128, 128, 16, 8, 8}},
};

#define TILE_ROW(LAYOUT)                                                              \
    {                                                                                 \
        .name = "matmul_" #LAYOUT "_tile",                                            \
        .family = "matmul_" #LAYOUT,                                                  \
        .rank = 50,                                                                   \
        .push_bytes = sizeof(MatmulPush),                                             \
        .bind = {{"a", GPU_READ, DTYPE_F32}, {"b", GPU_READ, DTYPE_F32},              \
                 {"c", GPU_ADD, DTYPE_F32}},                                          \
        .spec_count = TILE_SPECS,                                                     \
        .tuning = {{256, 64, 64, 16, 4, 4}},                                          \
        .tunings = tile_tunings,                                                      \
        .tuning_count = COUNT_OF(tile_tunings),                                       \
        .extent = LAYOUT##_extent,                                                    \
        .grid = tile_grid,                                                            \
        .flops = matmul_flops,                                                        \
        .reference = LAYOUT##_reference,                                              \
        .cases = LAYOUT##_cases,                                                      \
        .case_count = COUNT_OF(LAYOUT##_cases),                                       \
        .tolerance = 1e-5,                                                            \
    }

const KernelRow rows_matmul[] = {
    TILE_ROW(nt),
    TILE_ROW(nn),
    TILE_ROW(tn),
};
const size_t rows_matmul_count = COUNT_OF(rows_matmul);
