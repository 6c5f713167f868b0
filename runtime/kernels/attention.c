/* Causal grouped-query attention with streaming softmax (Dao et al., 2022), packed segments,
 * key-value cache; backward without atomics. */
#include "base/mem.h"
#include "kernels/attention.h"
#include "kernels/families.h"
#include "kernels/inputs.h"
#include "kernels/subgroups.h"

static void query_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AttentionPush *p = push;
    grid_of_items((uint64_t)p->rows * p->heads, tuning, groups);
}

/* spec[2] invocations to a row and head, no more than the head has fours. */
static void dots_specialise(const void *push, KernelTuning *tuning)
{
    tuning->spec[1] = ((const AttentionPush *)push)->head_dim;
    while (tuning->spec[2] > 1 && tuning->spec[2] > tuning->spec[1] / 4)
        tuning->spec[2] /= 2;
}

static void dots_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AttentionPush *p = push;
    const uint32_t items = tuning->spec[0] / tuning->spec[2];
    kernel_fold(((uint64_t)p->rows * p->heads + items - 1) / items, groups);
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

/* Parts of scores take (32 + 1) words of shared memory a thread for heads beyond 128. */
static void row_specialise(const void *push, KernelTuning *tuning)
{
    tuning->spec[1] = ((const AttentionPush *)push)->head_dim;
    if (tuning->spec[1] > 128 && tuning->spec[0] > 128)
        tuning->spec[0] = 128;
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
    /* the lanes of a subgroup share registers where there are several sizes to choose from */
    return subgroup_fits(caps, tuning->spec[2]) && tuning->spec[0] <= caps->max_invocations &&
           tuning->spec[2] <= 2 * caps->subgroup_min;
}

static bool row_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    return tuning->spec[0] <= caps->max_invocations;
}

/* ---- rows ---------------------------------------------------------------- */

/* A group is all that a head and row get: many threads, each with many loads under way. */
static const KernelTuning row_tunings[] = {{{32, 64}}, {{64, 64}}, {{128, 64}}, {{256, 64}}};
static const KernelTuning row_subgroup_tunings[] = {
    {{256, 64, 32}}, {{256, 64, 64}}, {{128, 64, 16}}, {{64, 64, 8}}, {{64, 64, 4}}, {{128, 64, 32}}, {{64, 64, 64}}};
static const KernelTuning lanes_tunings[] = {{{4, 64}}, {{8, 64}}};
/* 1: small cases go beyond 65,535 groups */
static const KernelTuning tunings[] = {{{1, 64}}, {{8, 64}}, {{32, 64}}, {{64, 64}}};
static const KernelTuning dots_tunings[] = {{{1, 64, 1}}, {{64, 64, 1}}, {{64, 64, 16}}, {{128, 64, 8}}};
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
        ATTENTION_FAMILY("attention_fwd_lanes", fwd), .bind = ATTENTION_FWD_BIND, LANES, TILE_OF_8, TIMED,
        .texels = 1 << 0 | 1 << 1 | 1 << 2, .suits = not_decoding, .grid = query_tile_grid,
        .tolerance = 5e-6,
    },
    {
        ATTENTION_FAMILY("attention_fwd_decode", fwd), .bind = ATTENTION_FWD_BIND, LANES, .tuning = {{4, 64}}, .tune = true,
        .timed = "decode", .shape = attention_shape,
        .texels = 1 << 0 | 1 << 1 | 1 << 2, .suits = decoding, .grid = decode_grid,
        .tolerance = 5e-6,
    },
    {
        ATTENTION_FAMILY("attention_fwd_tile", fwd), .bind = ATTENTION_FWD_BIND, TILE(fwd), .tuning = {{4, 64, 4}},
        .suits = not_decoding, .adapt = fwd_tile_adapt, .grid = query_group_grid, .tolerance = 5e-6,
    },
    {
        ATTENTION_FAMILY("attention_fwd_row", fwd), .bind = ATTENTION_FWD_BIND, .rank = 10, .slow_on_cpu = true,
        .suits = few_rows,
        .specialise = row_specialise, .spec_count = 2, .tuning = {{128, 64}},
        .tunings = row_tunings, .tuning_count = COUNT_OF(row_tunings), .grid = row_grid, .adapt = row_adapt,
        .tolerance = 5e-6,
    },
    {
        ATTENTION_FAMILY("attention_fwd_row_subgroup", fwd), .bind = ATTENTION_FWD_BIND, .rank = 5, .slow_on_cpu = true,
        .needs = GPU_CAP_SUBGROUP, .suits = few_rows, .specialise = row_specialise, .spec_count = 3,
        .subgroup_spec = 3, .tuning = {{256, 64, 32}}, .tunings = row_subgroup_tunings,
        .tuning_count = COUNT_OF(row_subgroup_tunings), .adapt = row_subgroup_adapt, .grid = row_grid,
        .tolerance = 5e-6,
    },
    {
        ATTENTION_FAMILY("attention_fwd", fwd), .bind = ATTENTION_FWD_BIND, PER_ROW, .rank = 20,
        .grid = query_slice_grid, .tolerance = 5e-6,
    },
    {
        ATTENTION_FAMILY("attention_bwd_d_texel", bwd_d), .bind = ATTENTION_BWD_D_BIND, PER_ROW,
        .needs = GPU_CAP_CPU | GPU_CAP_TEXEL, .texels = 1 << 0 | 1 << 1,
        .grid = query_grid, .tolerance = 2e-6,
    },
    {
        ATTENTION_FAMILY("attention_bwd_d", bwd_d), .bind = ATTENTION_BWD_D_BIND, .rank = 20,
        .suits = attention_suits, .specialise = dots_specialise, .spec_count = 3,
        .tuning = {{64, 64, 16}}, .tunings = dots_tunings, .tuning_count = COUNT_OF(dots_tunings),
        .grid = dots_grid, .tolerance = 2e-6,
    },
    {
        ATTENTION_FAMILY("attention_bwd_q_lanes", bwd_q), .bind = ATTENTION_BWD_Q_BIND, LANES, TILE_OF_8, TIMED,
        .texels = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4, .suits = small_head,
        .grid = query_tile_grid, .tolerance = 1e-5,
    },
    {
        ATTENTION_FAMILY("attention_bwd_q_tile", bwd_q), .bind = ATTENTION_BWD_Q_BIND, BWD_TILE,
        .adapt = bwd_q_tile_adapt, .grid = query_group_grid, .tolerance = 1e-5,
    },
    {
        ATTENTION_FAMILY("attention_bwd_q", bwd_q), .bind = ATTENTION_BWD_Q_BIND, PER_ROW, .rank = 20,
        .grid = query_slice_grid, .tolerance = 1e-5,
    },
    {
        ATTENTION_FAMILY("attention_bwd_kv_lanes", bwd_kv), .bind = ATTENTION_BWD_KV_BIND, LANES, TILE_OF_8, TIMED,
        .texels = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 5, .suits = small_head,
        .grid = key_tile_grid, .tolerance = 1e-5,
    },
    {
        ATTENTION_FAMILY("attention_bwd_kv_tile", bwd_kv), .bind = ATTENTION_BWD_KV_BIND, BWD_TILE,
        .adapt = bwd_kv_tile_adapt, .grid = key_group_grid, .tolerance = 1e-5,
    },
    {
        ATTENTION_FAMILY("attention_bwd_kv", bwd_kv), .bind = ATTENTION_BWD_KV_BIND, PER_ROW, .rank = 20,
        .grid = key_slice_grid, .tolerance = 1e-5,
    },
};
const size_t rows_attention_count = COUNT_OF(rows_attention);
