/* Causal grouped-query attention with streaming softmax (Dao et al., 2022), packed segments,
 * key-value cache; backward without atomics. */
#include <math.h>

#include "attention.push.h"
#include "base/mem.h"
#include "kernels/attention_reference.h"
#include "kernels/families.h"
#include "kernels/inputs.h"
#include "kernels/subgroups.h"

static uint64_t query_elements(const AttentionPush *p)
{
    return (uint64_t)p->rows * p->heads * p->head_dim;
}

static uint64_t key_elements(const AttentionPush *p)
{
    return (uint64_t)p->key_rows * p->kv_heads * p->head_dim;
}

static void fwd_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const AttentionPush *p = push;
    elements[0] = elements[4] = query_elements(p);
    elements[1] = elements[2] = key_elements(p);
    elements[3] = 2 * (uint64_t)p->rows;
    elements[5] = (uint64_t)p->rows * p->heads;
}

static void bwd_d_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const AttentionPush *p = push;
    elements[0] = elements[1] = query_elements(p);
    elements[2] = (uint64_t)p->rows * p->heads;
}

static void bwd_q_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const AttentionPush *p = push;
    elements[0] = elements[4] = elements[7] = query_elements(p);
    elements[1] = elements[2] = key_elements(p);
    elements[3] = 2 * (uint64_t)p->rows;
    elements[5] = elements[6] = (uint64_t)p->rows * p->heads;
}

static void bwd_kv_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const AttentionPush *p = push;
    elements[0] = elements[5] = query_elements(p);
    elements[1] = elements[2] = elements[8] = elements[9] = key_elements(p);
    elements[3] = 2 * (uint64_t)p->rows;
    elements[4] = p->rows;
    elements[6] = elements[7] = (uint64_t)p->rows * p->heads;
}

static void query_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AttentionPush *p = push;
    grid_of_items((uint64_t)p->rows * p->heads, tuning, groups);
}

/* As many invocations for each (row, head) as the shaders' SLICES says: slices of `most` vec4. */
static uint64_t slices_of(const AttentionPush *p, uint32_t most)
{
    return (p->head_dim / 4 + most - 1) / most;
}

static void query_slice_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AttentionPush *p = push;
    grid_of_items((uint64_t)p->rows * p->heads * slices_of(p, 16), tuning, groups);
}

static void key_slice_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AttentionPush *p = push;
    grid_of_items((uint64_t)p->rows * p->kv_heads * slices_of(p, 8), tuning, groups);
}

/* Tiles of spec[0] (row, head) pairs for each kv head, one subgroup of 8 each. */
static void query_tile_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AttentionPush *p = push;
    uint64_t items = (uint64_t)p->rows * (p->heads / p->kv_heads);
    uint32_t tile = tuning->spec[0];
    kernel_fold((items + tile - 1) / tile * p->kv_heads, groups);
}

/* The same, but each row has tiles of its own. */
static void decode_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AttentionPush *p = push;
    uint64_t tiles = (p->heads / p->kv_heads + tuning->spec[0] - 1) / tuning->spec[0];
    kernel_fold(tiles * p->kv_heads * p->rows, groups);
}

/* One group per query row and head. */
static void row_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AttentionPush *p = push;
    (void)tuning;
    kernel_fold((uint64_t)p->rows * p->heads, groups);
}

/* Tiles of spec[0] key rows for each kv head. */
static void key_tile_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AttentionPush *p = push;
    uint64_t tiles = ((uint64_t)p->rows + tuning->spec[0] - 1) / tuning->spec[0];
    kernel_fold(tiles * p->kv_heads, groups);
}

/* Groups of 64 invocations: tiles of 8 * spec[0] pairs, or of as many key rows. */
static void query_group_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    query_tile_grid(push, &(const KernelTuning){{8 * tuning->spec[0]}}, groups);
}

static void key_group_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    key_tile_grid(push, &(const KernelTuning){{8 * tuning->spec[0]}}, groups);
}

static bool attention_suits(const void *push)
{
    const AttentionPush *p = push;
    return p->head_dim % 4 == 0 && p->head_dim <= 256;
}

/* Larger heads take CPU drivers too long to compile, and GPUs too much shared memory. */
static bool small_head(const void *push)
{
    const AttentionPush *p = push;
    return p->head_dim % 4 == 0 && p->head_dim <= 128;
}

/* Few rows are decoding, where each sees a part of the cache of its own. */
static bool few_rows(const void *push)
{
    return attention_suits(push) && ((const AttentionPush *)push)->rows < 64;
}

static bool decoding(const void *push)
{
    return small_head(push) && few_rows(push);
}

static bool not_decoding(const void *push)
{
    return small_head(push) && !few_rows(push);
}

static void per_row_specialise(const void *push, KernelTuning *tuning)
{
    tuning->spec[1] = ((const AttentionPush *)push)->head_dim;
}

/* Large heads: half a tile, because code and values kept grow with both. */
static void lanes_specialise(const void *push, KernelTuning *tuning)
{
    tuning->spec[1] = ((const AttentionPush *)push)->head_dim;
    if (tuning->spec[1] > 64 && tuning->spec[0] > 4)
        tuning->spec[0] = 4;
}

static void tile_specialise(const void *push, KernelTuning *tuning)
{
    tuning->spec[1] = ((const AttentionPush *)push)->head_dim;
}

/* Shared memory of a tile of 8 spec[0] rows and 8 spec[2] columns; the backward kernels keep two
 * tensors of each side. */
static uint64_t tile_bytes(const uint32_t *spec, uint32_t head_dim, uint32_t tensors)
{
    uint64_t rows = 8ull * spec[0], columns = 8ull * spec[2];
    return tensors * (rows + columns) * (head_dim / 4 + 1) * 16 + rows * (columns + 1) * 4 + rows * 40;
}

enum { TILE_SHARED = 32 * 1024, TILE_SUMS = 48 };

/* Larger heads take smaller tiles: at most 48 sums of `results` outputs an invocation, and the
 * 32 KiB of shared memory that all but the smallest devices have. A tile that needs more with heads
 * of 64 is for devices that have it. */
static bool tile_adapt(const GpuCaps *caps, KernelTuning *tuning, uint32_t tensors, uint32_t results)
{
    uint32_t *spec = tuning->spec, head_dim = spec[1], slices = (head_dim / 4 + 7) / 8;
    uint64_t limit = caps->shared_bytes < TILE_SHARED ? caps->shared_bytes : TILE_SHARED;
    if (tile_bytes(spec, 64, tensors) > TILE_SHARED) {
        if (caps->lane_sums)   /* small register files: 5 to 60 spilled on tgl, dg2 and lnl */
            return false;
        limit = caps->shared_bytes;
    }
    while (spec[0] > 1 && spec[0] * slices * 4 * results > TILE_SUMS)
        spec[0] /= 2;
    while (tile_bytes(spec, head_dim, tensors) > limit) {
        uint32_t *side = tensors > 1 && spec[2] > 2 ? &spec[2] : spec[0] > 1 ? &spec[0] : &spec[2];
        if (*side == 1)
            return false;
        *side /= 2;
    }
    return true;
}

static bool fwd_tile_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    return tile_adapt(caps, tuning, 1, 1);
}

static bool bwd_q_tile_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    return tile_adapt(caps, tuning, 2, 1);
}

static bool bwd_kv_tile_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    return tile_adapt(caps, tuning, 2, 2);
}

static bool row_subgroup_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    return subgroup_fits(caps, tuning->spec[2]);
}

/* Training sees one row of tokens, decoding keeps the case's few rows and its cache. */
static void attention_shape(const KernelShape *shape, void *push)
{
    AttentionPush *p = push;
    if (p->rows == p->key_rows)
        p->rows = p->key_rows = shape->rows;
    p->heads = shape->heads;
    p->kv_heads = shape->kv_heads;
    p->head_dim = shape->head_dim;
    p->scale = 1 / sqrtf((float)shape->head_dim);
}

/* ---- cost ---------------------------------------------------------------- */

/* Pairs of query and key at most: all keys for decoding, half of them in causal rows. The
 * true number depends on the spans, which live on the device. */
static double pair_flops(const void *push, double products)
{
    const AttentionPush *p = push;
    double keys = p->rows == p->key_rows ? (p->rows + 1) / 2.0 : p->key_rows;
    return 2 * products * p->rows * p->heads * p->head_dim * keys;
}

static double fwd_flops(const void *push)
{
    return pair_flops(push, 2);
}

static double bwd_d_flops(const void *push)
{
    return 2.0 * (double)query_elements(push);
}

static double bwd_q_flops(const void *push)
{
    return pair_flops(push, 3);
}

static double bwd_kv_flops(const void *push)
{
    return pair_flops(push, 4);
}

/* ---- cases --------------------------------------------------------------- */

/* Segments of a packed row of `rows` tokens: a third, a single token, the rest; the last
 * eighth is dead. */
static void segment_of(uint64_t row, uint64_t rows, uint64_t *begin, uint64_t *end)
{
    uint64_t cuts[] = {0, rows / 3, rows / 3 + (rows > 1), rows - rows / 8, rows};
    for (int i = 0; i < 4; i++)
        if (row >= cuts[i] && row < cuts[i + 1]) {
            *begin = cuts[i];
            *end = cuts[i + 1];
        }
    if (row >= cuts[3])
        *begin = *end = row;
}

static void fill_span(double *values, uint64_t rows)
{
    for (uint64_t i = 0; i < rows; i++) {
        uint64_t begin = 0, end = 0;
        segment_of(i, rows, &begin, &end);
        values[2 * i] = (double)begin;
        values[2 * i + 1] = begin == end ? (double)begin : (double)(i + 1);
    }
}

static void fill_last(double *values, uint64_t rows)
{
    for (uint64_t j = 0; j < rows; j++) {
        uint64_t begin = 0, end = 0;
        segment_of(j, rows, &begin, &end);
        values[j] = begin == end ? (double)j : (double)end;
    }
}

static bool packed_fwd_input(const void *push, unsigned index, double *values, uint64_t count,
                             uint64_t seed)
{
    (void)push;
    (void)seed;
    if (index == 3)
        fill_span(values, count / 2);
    return index == 3;
}

/* One segment over all rows: the dearest case. */
static bool whole_fwd_input(const void *push, unsigned index, double *values, uint64_t count,
                            uint64_t seed)
{
    (void)push;
    (void)seed;
    for (uint64_t i = 0; index == 3 && i < count / 2; i++) {
        values[2 * i] = 0;
        values[2 * i + 1] = (double)(i + 1);
    }
    return index == 3;
}

/* Decoding: query row i sees most of a stretch of its own of the cache, row 2 nothing. */
static bool cache_fwd_input(const void *push, unsigned index, double *values, uint64_t count,
                            uint64_t seed)
{
    const AttentionPush *p = push;
    (void)seed;
    uint64_t stretch = p->key_rows / p->rows;
    for (uint64_t i = 0; index == 3 && i < count / 2; i++) {
        values[2 * i] = (double)(i * stretch);
        values[2 * i + 1] = (double)(i * stretch + (i == 2 ? 0 : stretch - i * 7 % stretch));
    }
    return index == 3;
}

/* lse a little above that of usual scores, so that exp(score - lse) looks like a share. */
static bool lse_input(const void *push, double *values, uint64_t count, uint64_t seed)
{
    const AttentionPush *p = push;
    double usual = log((double)p->rows) + 1;
    return input_between(values, count, usual, usual + 1, seed);
}

static bool packed_q_input(const void *push, unsigned index, double *values, uint64_t count,
                           uint64_t seed)
{
    if (index == 5)
        return lse_input(push, values, count, seed);
    return packed_fwd_input(push, index, values, count, seed);
}

static bool whole_q_input(const void *push, unsigned index, double *values, uint64_t count,
                          uint64_t seed)
{
    if (index == 5)
        return lse_input(push, values, count, seed);
    return whole_fwd_input(push, index, values, count, seed);
}

static bool packed_kv_input(const void *push, unsigned index, double *values, uint64_t count,
                            uint64_t seed)
{
    if (index == 6)
        return lse_input(push, values, count, seed);
    if (index == 4)
        fill_last(values, count);
    return index == 4 || packed_fwd_input(push, index, values, count, seed);
}

static bool whole_kv_input(const void *push, unsigned index, double *values, uint64_t count,
                           uint64_t seed)
{
    if (index == 6)
        return lse_input(push, values, count, seed);
    for (uint64_t j = 0; index == 4 && j < count; j++)
        values[j] = (double)count;
    return index == 4 || whole_fwd_input(push, index, values, count, seed);
}

#define SHAPE(name, tokens, q_heads, k_heads, dims, factor, add)                              \
    static const AttentionPush name = {.rows = tokens, .key_rows = tokens, .heads = q_heads,  \
                                       .kv_heads = k_heads, .head_dim = dims,                 \
                                       .scale = factor, .accumulate = add}
SHAPE(smallest, 1, 1, 1, 4, 1, 0);
SHAPE(ragged, 67, 6, 2, 12, 0.3f, 0);
SHAPE(added, 41, 4, 4, 16, 0.25f, 1);
SHAPE(wide, 19, 2, 1, 256, 0.0625f, 0);
SHAPE(wide_long, 1024, 1, 1, 256, 0.0625f, 0);   /* loops that must be unrolled on llvmpipe */
SHAPE(llama3, 100, 8, 2, 128, 0.0883883f, 0);
SHAPE(eighty, 70, 2, 2, 80, 0.1118034f, 1);
SHAPE(folded, 1, 65600, 65600, 4, 0.5f, 0);      /* beyond 65,535 groups */
SHAPE(folded_long, 64, 33000, 33000, 4, 0.5f, 0);
SHAPE(stories260k, 512, 8, 4, 8, 0.3535534f, 0);
SHAPE(smollm2, 512, 9, 3, 64, 0.125f, 0);
static const AttentionPush decode = {.rows = 4, .key_rows = 1030, .heads = 9, .kv_heads = 3,
                                     .head_dim = 64, .scale = 0.125f};
static const AttentionPush prefill = {.rows = 30, .key_rows = 150, .heads = 4, .kv_heads = 2,
                                      .head_dim = 32, .scale = 0.1767767f};

static const KernelCase fwd_cases[] = {
    {"smallest", &smallest, packed_fwd_input}, {"ragged", &ragged, packed_fwd_input},
    {"head 256", &wide, packed_fwd_input},
    {"head 256 long", &wide_long, packed_fwd_input}, {"head 80", &eighty, packed_fwd_input},
    {"head 128", &llama3, packed_fwd_input},
    {"decode", &decode, cache_fwd_input}, {"prefill", &prefill, cache_fwd_input},
    {"stories260k", &stories260k, packed_fwd_input}, {"smollm2", &smollm2, packed_fwd_input},
    {"smollm2 whole", &smollm2, whole_fwd_input}, {"folded", &folded, packed_fwd_input},
    {"folded long", &folded_long, packed_fwd_input},
};
static const KernelCase bwd_d_cases[] = {
    {"smallest", &smallest, NULL}, {"ragged", &ragged, NULL}, {"head 256", &wide, NULL},
    {"stories260k", &stories260k, NULL}, {"smollm2", &smollm2, NULL},
    {"folded", &folded, NULL},
};
static const KernelCase bwd_q_cases[] = {
    {"smallest", &smallest, packed_q_input}, {"ragged", &ragged, packed_q_input},
    {"accumulate", &added, packed_q_input}, {"head 256", &wide, packed_q_input},
    {"head 256 long", &wide_long, packed_q_input},
    {"head 80", &eighty, packed_q_input},
    {"head 128", &llama3, packed_q_input}, {"stories260k", &stories260k, packed_q_input},
    {"smollm2", &smollm2, packed_q_input}, {"smollm2 whole", &smollm2, whole_q_input},
    {"folded", &folded, packed_q_input},
};
static const KernelCase bwd_kv_cases[] = {
    {"smallest", &smallest, packed_kv_input}, {"ragged", &ragged, packed_kv_input},
    {"accumulate", &added, packed_kv_input}, {"head 256", &wide, packed_kv_input},
    {"head 256 long", &wide_long, packed_kv_input},
    {"head 80", &eighty, packed_kv_input},
    {"head 128", &llama3, packed_kv_input}, {"stories260k", &stories260k, packed_kv_input},
    {"smollm2", &smollm2, packed_kv_input}, {"smollm2 whole", &smollm2, whole_kv_input},
    {"folded", &folded, packed_kv_input},
};

/* ---- rows ---------------------------------------------------------------- */

#define FAMILY(row_name, kind)                                                                \
    .name = row_name, .family = "attention_" #kind, .push_bytes = sizeof(AttentionPush),      \
    .extent = kind##_extent, .flops = kind##_flops,                                           \
    .reference = attention_##kind##_reference, .cases = kind##_cases,                         \
    .case_count = COUNT_OF(kind##_cases)
/* scores below -1e30 stand for no score */
#define SCORED 0x1p60f
#define FWD_BIND                                                                              \
    {{"q", GPU_READ, .dtype = DTYPE_F32, SCORED}, {"k", GPU_READ, .dtype = DTYPE_F32, SCORED},                  \
     {"v", GPU_READ, .dtype = DTYPE_F32},                                                              \
     {"span", GPU_READ, .dtype = DTYPE_U32}, {"o", GPU_WRITE, .dtype = DTYPE_F32}, {"lse", GPU_WRITE, .dtype = DTYPE_F32}}
#define BWD_D_BIND                                                                            \
    {{"o", GPU_READ, .dtype = DTYPE_F32}, {"do", GPU_READ, .dtype = DTYPE_F32}, {"d", GPU_WRITE, .dtype = DTYPE_F32}}
#define BWD_Q_BIND                                                                            \
    {{"q", GPU_READ, .dtype = DTYPE_F32}, {"k", GPU_READ, .dtype = DTYPE_F32}, {"v", GPU_READ, .dtype = DTYPE_F32},      \
     {"span", GPU_READ, .dtype = DTYPE_U32}, {"do", GPU_READ, .dtype = DTYPE_F32}, {"lse", GPU_READ, .dtype = DTYPE_F32}, \
     {"d", GPU_READ, .dtype = DTYPE_F32}, {"dq", GPU_ADD, .dtype = DTYPE_F32}}
#define BWD_KV_BIND                                                                           \
    {{"q", GPU_READ, .dtype = DTYPE_F32}, {"k", GPU_READ, .dtype = DTYPE_F32}, {"v", GPU_READ, .dtype = DTYPE_F32},      \
     {"span", GPU_READ, .dtype = DTYPE_U32}, {"last", GPU_READ, .dtype = DTYPE_U32}, {"do", GPU_READ, .dtype = DTYPE_F32}, \
     {"lse", GPU_READ, .dtype = DTYPE_F32}, {"d", GPU_READ, .dtype = DTYPE_F32}, {"dk", GPU_ADD, .dtype = DTYPE_F32},    \
     {"dv", GPU_ADD, .dtype = DTYPE_F32}}
static const KernelTuning row_tunings[] = {{{32, 64}}, {{64, 64}}, {{128, 64}}};
static const KernelTuning row_subgroup_tunings[] = {
    {{64, 64, 32}}, {{64, 64, 64}}, {{64, 64, 16}}, {{64, 64, 8}}, {{64, 64, 4}}, {{128, 64, 32}}, {{128, 64, 64}}};
static const KernelTuning lanes_tunings[] = {{{4, 64}}, {{8, 64}}};
/* 1: small cases go beyond 65,535 groups */
static const KernelTuning tunings[] = {{{1, 64}}, {{8, 64}}, {{32, 64}}, {{64, 64}}};
#define PER_ROW .suits = attention_suits, .specialise = per_row_specialise, \
                .spec_count = 2, .tuning = {{64, 64}}, .tunings = tunings, \
                .tuning_count = COUNT_OF(tunings)

#define LANES .needs = GPU_CAP_CPU | GPU_CAP_SUBGROUP | GPU_CAP_TEXEL, .subgroup_size = 8, \
              .specialise = lanes_specialise, .spec_count = 2,         \
              .tunings = lanes_tunings, .tuning_count = COUNT_OF(lanes_tunings)
#define TILE_OF_8 .tuning = {{8, 64}}

/* spec: rows and columns of a tile in eighths around the head size */
static const KernelTuning fwd_tile_tunings[] = {{{4, 64, 4}}, {{2, 64, 4}}, {{1, 64, 4}}, {{4, 64, 2}},
                                                {{2, 64, 2}}, {{4, 64, 8}}};
static const KernelTuning bwd_tile_tunings[] = {{{2, 64, 4}}, {{1, 64, 4}}, {{2, 64, 2}}, {{1, 64, 2}},
                                                {{4, 64, 2}}, {{4, 64, 4}}};
#define TIMED .tune = true, .timed = "smollm2 whole", .shape = attention_shape
#define TILE(kind)                                                                            \
    .slow_on_cpu = true, .rank = 10, .spec_count = 3, .specialise = tile_specialise, TIMED,   \
    .tunings = kind##_tile_tunings, .tuning_count = COUNT_OF(kind##_tile_tunings)
#define BWD_TILE TILE(bwd), .tuning = {{2, 64, 4}}, .suits = small_head

/* Tolerances: f32 sums over up to 3 x 512 pairs of rows, measured near 5e-6 of the output's
 * root mean square where shares cancel. */
const KernelRow rows_attention[] = {
    {
        FAMILY("attention_fwd_lanes", fwd), .bind = FWD_BIND, LANES, TILE_OF_8, TIMED,
        .texels = 1 << 0 | 1 << 1 | 1 << 2, .suits = not_decoding, .grid = query_tile_grid,
        .tolerance = 5e-6,
    },
    {
        FAMILY("attention_fwd_decode", fwd), .bind = FWD_BIND, LANES, .tuning = {{4, 64}}, .tune = true,
        .timed = "decode", .shape = attention_shape,
        .texels = 1 << 0 | 1 << 1 | 1 << 2, .suits = decoding, .grid = decode_grid,
        .tolerance = 5e-6,
    },
    {
        FAMILY("attention_fwd_tile", fwd), .bind = FWD_BIND, TILE(fwd), .tuning = {{4, 64, 4}},
        .suits = not_decoding, .adapt = fwd_tile_adapt, .grid = query_group_grid, .tolerance = 5e-6,
    },
    {
        FAMILY("attention_fwd_row", fwd), .bind = FWD_BIND, .rank = 10, .slow_on_cpu = true,
        .suits = few_rows,
        .specialise = per_row_specialise, .spec_count = 2, .tuning = {{64, 64}},
        .tunings = row_tunings, .tuning_count = COUNT_OF(row_tunings), .grid = row_grid,
        .tolerance = 5e-6,
    },
    {
        FAMILY("attention_fwd_row_subgroup", fwd), .bind = FWD_BIND, .rank = 5, .slow_on_cpu = true,
        .needs = GPU_CAP_SUBGROUP, .suits = few_rows, .specialise = per_row_specialise, .spec_count = 3,
        .subgroup_spec = 3, .tuning = {{64, 64, 32}}, .tunings = row_subgroup_tunings,
        .tuning_count = COUNT_OF(row_subgroup_tunings), .adapt = row_subgroup_adapt, .grid = row_grid,
        .tolerance = 5e-6,
    },
    {
        FAMILY("attention_fwd", fwd), .bind = FWD_BIND, PER_ROW, .rank = 20,
        .grid = query_slice_grid, .tolerance = 5e-6,
    },
    {
        FAMILY("attention_bwd_d_texel", bwd_d), .bind = BWD_D_BIND, PER_ROW,
        .needs = GPU_CAP_CPU | GPU_CAP_TEXEL, .texels = 1 << 0 | 1 << 1,
        .grid = query_grid, .tolerance = 2e-6,
    },
    {
        FAMILY("attention_bwd_d", bwd_d), .bind = BWD_D_BIND, PER_ROW, .rank = 20,
        .grid = query_grid, .tolerance = 2e-6,
    },
    {
        FAMILY("attention_bwd_q_lanes", bwd_q), .bind = BWD_Q_BIND, LANES, TILE_OF_8, TIMED,
        .texels = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4, .suits = small_head,
        .grid = query_tile_grid, .tolerance = 1e-5,
    },
    {
        FAMILY("attention_bwd_q_tile", bwd_q), .bind = BWD_Q_BIND, BWD_TILE,
        .adapt = bwd_q_tile_adapt, .grid = query_group_grid, .tolerance = 1e-5,
    },
    {
        FAMILY("attention_bwd_q", bwd_q), .bind = BWD_Q_BIND, PER_ROW, .rank = 20,
        .grid = query_slice_grid, .tolerance = 1e-5,
    },
    {
        FAMILY("attention_bwd_kv_lanes", bwd_kv), .bind = BWD_KV_BIND, LANES, TILE_OF_8, TIMED,
        .texels = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 5, .suits = small_head,
        .grid = key_tile_grid, .tolerance = 1e-5,
    },
    {
        FAMILY("attention_bwd_kv_tile", bwd_kv), .bind = BWD_KV_BIND, BWD_TILE,
        .adapt = bwd_kv_tile_adapt, .grid = key_group_grid, .tolerance = 1e-5,
    },
    {
        FAMILY("attention_bwd_kv", bwd_kv), .bind = BWD_KV_BIND, PER_ROW, .rank = 20,
        .grid = key_slice_grid, .tolerance = 1e-5,
    },
};
const size_t rows_attention_count = COUNT_OF(rows_attention);
