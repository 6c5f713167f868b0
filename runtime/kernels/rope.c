/* Rotary position embedding (Su et al., 2021), forward and backward, and forward into the
 * cache. */
#include "rope.push.h"

#include "base/mem.h"
#include "kernels/families.h"
#include "kernels/inputs.h"
#include "rope_append.push.h"

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
    {"folded", &(const RopePush){.rows = 8200, .heads = 8, .head_dim = 8, .rope_dims = 8,
                                 .table_rows = 100}, rope_input},
    {"smollm2", &(const RopePush){.rows = 512, .heads = 9, .head_dim = 64, .rope_dims = 64,
                                  .table_rows = 2048}, rope_input},
    {"smollm2 halves", &(const RopePush){.rows = 512, .heads = 9, .head_dim = 64,
                                         .rope_dims = 64, .pairs = 1, .table_rows = 2048,
                                         .accumulate = 1}, rope_input},
};

static const RopePush large = {.rows = 4096, .heads = 32, .head_dim = 128, .rope_dims = 128, .table_rows = 4096};

/* 1: small cases go beyond 65,535 groups */
static const KernelTuning tunings[] = {{{1}}, {{8}}, {{32}}, {{64}}, {{128}}, {{256}}};
#define ROPE                                                                          \
    .push_bytes = sizeof(RopePush), .spec_count = 1, .tuning = {{64}},                \
    .tunings = tunings, .tuning_count = COUNT_OF(tunings), .extent = rope_extent,     \
    .large = &large, .flops = rope_flops, .cases = rope_cases, .case_count = COUNT_OF(rope_cases),     \
    .tolerance = 5e-7
#define FWD                                                                           \
    .family = "rope_fwd",                                                             \
    .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"positions", GPU_READ, .dtype = DTYPE_U32},          \
             {"table", GPU_READ, .dtype = DTYPE_F32}, {"y", GPU_WRITE, .dtype = DTYPE_F32}},            \
    ROPE, .reference = rope_fwd_reference
#define BWD                                                                           \
    .family = "rope_bwd",                                                             \
    .bind = {{"dy", GPU_READ, .dtype = DTYPE_F32}, {"positions", GPU_READ, .dtype = DTYPE_U32},         \
             {"table", GPU_READ, .dtype = DTYPE_F32}, {"dx", GPU_ADD, .dtype = DTYPE_F32}},             \
    ROPE, .reference = rope_bwd_reference
/* any head; heads in eights; the same on CPU drivers */
#define ANY .rank = 20, .grid = rope_grid
#define VECTORS .rank = 10, .grid = vectors_grid, .suits = in_vectors
#define TEXEL .needs = GPU_CAP_CPU | GPU_CAP_TEXEL, .texels = 1 << 0 | 1 << 2,        \
              .grid = vectors_grid, .suits = in_vectors

/* ---- into the cache ------------------------------------------------------ */

static void append_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const RopeAppendPush *p = push;
    uint64_t q = (uint64_t)p->heads * p->head_dim, kv = (uint64_t)p->kv_heads * p->head_dim;
    elements[0] = elements[6] = p->rows * q;
    elements[1] = elements[2] = p->rows * kv;
    elements[3] = elements[5] = p->rows;
    elements[4] = (uint64_t)p->table_rows * p->rope_dims;
    elements[7] = elements[8] = p->cache_rows * kv;
}

static void append_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const RopeAppendPush *p = push;
    grid_of_items((uint64_t)p->rows * (p->heads + 2 * p->kv_heads) * (p->head_dim / 2), tuning,
                  groups);
}

static double append_flops(const void *push)
{
    const RopeAppendPush *p = push;
    return 3.0 * p->rows * (p->heads + p->kv_heads) * p->rope_dims;
}

static void append_reference(const void *push, double *const bind[])
{
    const RopeAppendPush *p = push;
    uint64_t cols = (uint64_t)p->kv_heads * p->head_dim;
    RopePush turn = {.rows = p->rows, .heads = p->heads, .head_dim = p->head_dim,
                     .rope_dims = p->rope_dims, .pairs = p->pairs, .table_rows = p->table_rows};
    double *const of_q[] = {bind[0], bind[3], bind[4], bind[6]};
    rope(&turn, of_q, 1, false);
    turn.rows = 1;
    turn.heads = p->kv_heads;
    for (uint64_t r = 0; r < p->rows; r++) {
        if (bind[5][r] >= p->cache_rows)
            continue;
        uint64_t at = (uint64_t)bind[5][r] * cols;
        double *const of_k[] = {bind[1] + r * cols, bind[3] + r, bind[4], bind[7] + at};
        rope(&turn, of_k, 1, false);
        for (uint64_t c = 0; c < cols; c++)
            bind[8][at + c] = bind[2][r * cols + c];
    }
}

/* Every third row has no slot: the first behind the cache, or none that any cache has. */
static bool append_input(const void *push, unsigned index, double *values, uint64_t count,
                         uint64_t seed)
{
    const RopeAppendPush *p = push;
    if (index == 3)
        return input_below(values, count, p->table_rows, seed);
    if (index != 5)
        return false;
    input_distinct(values, count, p->cache_rows, seed);
    for (uint64_t i = 2; i < count; i += 3)
        values[i] = i % 2 ? 0xffffffffu : p->cache_rows;
    return true;
}

/* Small caches: rows that stay as they were would shrink the scale that errors are held against. */
static const KernelCase append_cases[] = {
    {"smallest", &(const RopeAppendPush){.rows = 1, .heads = 1, .kv_heads = 1, .head_dim = 2,
                                         .rope_dims = 2, .table_rows = 1, .cache_rows = 1},
     append_input},
    {"ragged", &(const RopeAppendPush){.rows = 7, .heads = 6, .kv_heads = 3, .head_dim = 10,
                                       .rope_dims = 6, .table_rows = 5, .cache_rows = 11},
     append_input},
    {"ragged halves", &(const RopeAppendPush){.rows = 7, .heads = 6, .kv_heads = 2,
                                              .head_dim = 12, .rope_dims = 8, .pairs = 1,
                                              .table_rows = 5, .cache_rows = 9}, append_input},
    {"folded", &(const RopeAppendPush){.rows = 8200, .heads = 6, .kv_heads = 1, .head_dim = 2,
                                       .rope_dims = 2, .table_rows = 5, .cache_rows = 8200},
     append_input},
    {"smollm2", &(const RopeAppendPush){.rows = 1, .heads = 9, .kv_heads = 3, .head_dim = 64,
                                        .rope_dims = 64, .table_rows = 2048,
                                        .cache_rows = 2}, append_input},
    {"batched", &(const RopeAppendPush){.rows = 8, .heads = 9, .kv_heads = 3, .head_dim = 64,
                                        .rope_dims = 64, .table_rows = 2048,
                                        .cache_rows = 12}, append_input},
    {"many heads", &(const RopeAppendPush){.rows = 300, .heads = 50, .kv_heads = 5, .head_dim = 64,
                                           .rope_dims = 64, .table_rows = 16, .cache_rows = 300},
     append_input},
};

const KernelRow rows_rope[] = {
    {.name = "rope_append",
     .family = "rope_append",
     .push_bytes = sizeof(RopeAppendPush),
     .bind = {{"q", GPU_READ, .dtype = DTYPE_F32}, {"k", GPU_READ, .dtype = DTYPE_F32},
              {"v", GPU_READ, .dtype = DTYPE_F32}, {"positions", GPU_READ, .dtype = DTYPE_U32},
              {"table", GPU_READ, .dtype = DTYPE_F32}, {"slot", GPU_READ, .dtype = DTYPE_U32},
              {"y", GPU_WRITE, .dtype = DTYPE_F32}, {"cache_k", GPU_ADD, .dtype = DTYPE_F32},
              {"cache_v", GPU_ADD, .dtype = DTYPE_F32}},
     .spec_count = 1,
     .tuning = {{64}},
     .tunings = tunings,
     .tuning_count = COUNT_OF(tunings),
     .extent = append_extent,
     .grid = append_grid,
     .flops = append_flops,
     .reference = append_reference,
     .cases = append_cases,
     .case_count = COUNT_OF(append_cases),
     .tolerance = 5e-7},
    {.name = "rope_fwd", FWD, ANY},
    {.name = "rope_fwd_vectors", FWD, VECTORS},
    {.name = "rope_fwd_texel", FWD, TEXEL},
    {.name = "rope_bwd", BWD, ANY},
    {.name = "rope_bwd_vectors", BWD, VECTORS},
    {.name = "rope_bwd_texel", BWD, TEXEL},
};
const size_t rows_rope_count = COUNT_OF(rows_rope);
