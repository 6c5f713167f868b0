/* Rotary position embedding (Su et al., 2021), forward and backward. */
#include "rope.push.h"

#include "base/mem.h"
#include "kernels/families.h"
#include "kernels/inputs.h"

static void rope_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const RopePush *p = push;
    elements[0] = (uint64_t)p->rows * p->heads * p->head_dim;
    elements[1] = p->rows;
    elements[2] = (uint64_t)p->table_rows * p->rope_dims;
    elements[3] = elements[0];
}

static void rope_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const RopePush *p = push;
    grid_of_items((uint64_t)p->rows * p->heads * (p->head_dim - p->rope_dims / 2), tuning,
                  groups);
}

static void vectors_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const RopePush *p = push;
    grid_of_items((uint64_t)p->rows * p->heads * (p->head_dim / 8), tuning, groups);
}

static bool in_vectors(const void *push)
{
    const RopePush *p = push;
    return p->head_dim % 8 == 0 && p->rope_dims % 8 == 0;
}

static double rope_flops(const void *push)
{
    const RopePush *p = push;
    return 3.0 * p->rows * p->heads * p->rope_dims;
}

/* direction 1: forward; -1: backward, the opposite turn. */
static void rope(const RopePush *p, double *const bind[], double direction, bool accumulate)
{
    const double *x = bind[0], *positions = bind[1], *table = bind[2];
    double *y = bind[3];
    uint64_t half = p->rope_dims / 2;
    for (uint64_t head = 0; head < (uint64_t)p->rows * p->heads; head++) {
        const double *from = x + head * p->head_dim;
        double *to = y + head * p->head_dim;
        const double *turns = table + (uint64_t)positions[head / p->heads] * p->rope_dims;
        for (uint64_t i = 0; i < half; i++) {
            uint64_t first = p->pairs ? i : 2 * i, second = p->pairs ? i + half : 2 * i + 1;
            double cosine = turns[2 * i], sine = direction * turns[2 * i + 1];
            to[first] = from[first] * cosine - from[second] * sine
                      + (accumulate ? to[first] : 0);
            to[second] = from[first] * sine + from[second] * cosine
                       + (accumulate ? to[second] : 0);
        }
        for (uint64_t i = p->rope_dims; i < p->head_dim; i++)
            to[i] = from[i] + (accumulate ? to[i] : 0);
    }
}

static void rope_fwd_reference(const void *push, double *const bind[])
{
    rope(push, bind, 1, false);
}

static void rope_bwd_reference(const void *push, double *const bind[])
{
    const RopePush *p = push;
    rope(p, bind, -1, p->accumulate != 0);
}

static bool rope_input(const void *push, unsigned index, double *values, uint64_t count,
                       uint64_t seed)
{
    const RopePush *p = push;
    return index == 1 && input_below(values, count, p->table_rows, seed);
}

static const KernelCase rope_cases[] = {
    {"smallest", &(const RopePush){.rows = 1, .heads = 1, .head_dim = 2, .rope_dims = 2,
                                   .table_rows = 1}, rope_input},
    {"ragged", &(const RopePush){.rows = 7, .heads = 3, .head_dim = 10, .rope_dims = 6,
                                 .table_rows = 5, .accumulate = 1}, rope_input},
    {"ragged halves", &(const RopePush){.rows = 7, .heads = 3, .head_dim = 12, .rope_dims = 8,
                                        .pairs = 1, .table_rows = 5}, rope_input},
    {"ragged eights", &(const RopePush){.rows = 7, .heads = 3, .head_dim = 24, .rope_dims = 16,
                                        .table_rows = 5, .accumulate = 1}, rope_input},
    {"eights halves", &(const RopePush){.rows = 7, .heads = 3, .head_dim = 24, .rope_dims = 16,
                                        .pairs = 1, .table_rows = 5}, rope_input},
    {"stories260k", &(const RopePush){.rows = 512, .heads = 8, .head_dim = 8, .rope_dims = 8,
                                      .table_rows = 512}, rope_input},
    {"smollm2", &(const RopePush){.rows = 512, .heads = 9, .head_dim = 64, .rope_dims = 64,
                                  .table_rows = 2048}, rope_input},
    {"smollm2 halves", &(const RopePush){.rows = 512, .heads = 9, .head_dim = 64,
                                         .rope_dims = 64, .pairs = 1, .table_rows = 2048,
                                         .accumulate = 1}, rope_input},
};

static const KernelTuning tunings[] = {{{8}}, {{32}}, {{64}}, {{128}}, {{256}}};
#define ROPE                                                                          \
    .push_bytes = sizeof(RopePush), .spec_count = 1, .tuning = {{64}},                \
    .tunings = tunings, .tuning_count = COUNT_OF(tunings), .extent = rope_extent,     \
    .flops = rope_flops, .cases = rope_cases, .case_count = COUNT_OF(rope_cases),     \
    .tolerance = 5e-7
#define FWD                                                                           \
    .family = "rope_fwd",                                                             \
    .bind = {{"x", GPU_READ, DTYPE_F32}, {"positions", GPU_READ, DTYPE_U32},          \
             {"table", GPU_READ, DTYPE_F32}, {"y", GPU_WRITE, DTYPE_F32}},            \
    ROPE, .reference = rope_fwd_reference
#define BWD                                                                           \
    .family = "rope_bwd",                                                             \
    .bind = {{"dy", GPU_READ, DTYPE_F32}, {"positions", GPU_READ, DTYPE_U32},         \
             {"table", GPU_READ, DTYPE_F32}, {"dx", GPU_ADD, DTYPE_F32}},             \
    ROPE, .reference = rope_bwd_reference
/* any head; heads in eights; the same on CPU drivers */
#define ANY .rank = 20, .grid = rope_grid
#define VECTORS .rank = 10, .grid = vectors_grid, .suits = in_vectors
#define TEXEL .needs = GPU_CAP_CPU | GPU_CAP_TEXEL, .texels = 1 << 0 | 1 << 2,        \
              .grid = vectors_grid, .suits = in_vectors

const KernelRow rows_rope[] = {
    {.name = "rope_fwd", FWD, ANY},
    {.name = "rope_fwd_vectors", FWD, VECTORS},
    {.name = "rope_fwd_texel", FWD, TEXEL},
    {.name = "rope_bwd", BWD, ANY},
    {.name = "rope_bwd_vectors", BWD, VECTORS},
    {.name = "rope_bwd_texel", BWD, TEXEL},
};
const size_t rows_rope_count = COUNT_OF(rows_rope);
