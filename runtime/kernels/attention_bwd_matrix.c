/* Attention's backward on matrix units (shaders/attention_bwd_matrix.comp): f16 operands, f32 sums.
 * Each row exists twice, as products do: for cooperative matrices, and emulated by plain code, which
 * checks tiles, edges, masks, factors and addresses on any device; the emulated ones are families of
 * their own, there for that alone. */
#include "base/mem.h"
#include "kernels/attention.h"
#include "kernels/families.h"
#include "kernels/matrix.h"

/* Constants of the shader; its comments say what they are. */
enum {
    BWD_THREADS, BWD_LANES, BWD_UNIT_M, BWD_UNIT_N, BWD_UNIT_K, BWD_HEAD_DIM, BWD_TILE_R, BWD_TILE_C,
    BWD_SUB_R, BWD_ACROSS, BWD_HELD, BWD_SPECS
};

/* Unit and lanes are those of most devices; adapt puts in their place what this one has. */
#define TUNING(TILE_R, TILE_C, SUB_R, ACROSS, HELD)                                          \
    {{32 * (TILE_R) / (SUB_R) * (ACROSS), 32, 16, 16, 16, 64, TILE_R, TILE_C, SUB_R, ACROSS, HELD}}

/* The last two are what little shared memory leaves of large heads. */
static const KernelTuning coopmat_tunings[] = {
    TUNING(128, 32, 16, 1, 1), TUNING(64, 32, 16, 1, 1), TUNING(128, 16, 16, 1, 1),
    TUNING(64, 64, 16, 2, 1),  TUNING(64, 32, 32, 2, 0),
    TUNING(64, 32, 16, 2, 0),  TUNING(32, 32, 16, 2, 1), TUNING(32, 32, 16, 2, 0),
    TUNING(32, 16, 16, 1, 0),
};

/* Of other shapes of units, with lanes that have nothing to do. */
static const KernelTuning emulated_tunings[] = {
    {{64, 32, 16, 16, 16, 64, 32, 16, 16, 1, 0}}, {{32, 8, 8, 16, 16, 64, 16, 32, 8, 2, 0}},
    {{16, 16, 8, 16, 16, 64, 16, 16, 16, 1, 0}},  {{64, 32, 8, 8, 8, 64, 16, 16, 8, 1, 0}},
    {{128, 64, 16, 16, 16, 64, 16, 32, 16, 2, 0}},
};

static void bwd_specialise(const void *push, KernelTuning *tuning)
{
    tuning->spec[BWD_HEAD_DIM] = ((const AttentionPush *)push)->head_dim;
}

static bool bwd_suits(const void *push)
{
    const AttentionPush *p = push;
    return p->head_dim % 16 == 0 && p->head_dim <= 128;
}

/* llvmpipe leaves loops after 65,535 iterations, and emulated units are loops. Larger heads spill 16
 * to 248 registers (RADV 22.3.6 for navi31, ANV 26.1.6 for ptl) and take llvmpipe ten seconds to compile. */
static bool emulated_suits(const void *push)
{
    const AttentionPush *p = push;
    return bwd_suits(push) && p->head_dim <= 64 && (uint64_t)p->rows * (p->heads / p->kv_heads) * p->head_dim <= 16384;
}

/* Tiles of spec[BWD_TILE_R] of so many rows, for each kv head. */
static void tile_grid(const AttentionPush *p, uint64_t rows, const KernelTuning *tuning,
                      uint32_t groups[3])
{
    uint64_t tile = tuning->spec[BWD_TILE_R];
    kernel_fold((rows + tile - 1) / tile * p->kv_heads, groups);
}

static void bwd_q_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AttentionPush *p = push;
    tile_grid(p, (uint64_t)p->rows * (p->heads / p->kv_heads), tuning, groups);
}

static void bwd_kv_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AttentionPush *p = push;
    tile_grid(p, p->rows, tuning, groups);
}

/* Few large tiles would leave most of a large device idle. */
enum { ENOUGH_GROUPS = 96 };

static void resize(uint64_t rows, uint64_t kv_heads, KernelTuning *tuning)
{
    static const KernelTuning medium = TUNING(64, 32, 16, 1, 1), small = TUNING(32, 32, 16, 2, 1);
    if ((rows + 127) / 128 * kv_heads < ENOUGH_GROUPS && tuning->spec[BWD_TILE_R] > 64)
        *tuning = medium;
    if ((rows + 63) / 64 * kv_heads < ENOUGH_GROUPS && tuning->spec[BWD_TILE_R] > 32)
        *tuning = small;
}

static void bwd_q_resize(const void *push, KernelTuning *tuning)
{
    const AttentionPush *p = push;
    resize((uint64_t)p->rows * (p->heads / p->kv_heads), p->kv_heads, tuning);
}

static void bwd_kv_resize(const void *push, KernelTuning *tuning)
{
    const AttentionPush *p = push;
    resize(p->rows, p->kv_heads, tuning);
}

/* ---- fitting the device ---------------------------------------------------- */

/* What the shader declares as shared. */
static uint64_t shared_bytes(const uint32_t *spec)
{
    uint64_t rows = spec[BWD_TILE_R], columns = spec[BWD_TILE_C], pitch = spec[BWD_HEAD_DIM] / 8 + 1;
    uint64_t work = 2 * columns * pitch + rows * (columns / 8 + 1);
    uint64_t tiles = !spec[BWD_HELD] ? work + 2 * rows * pitch : work > rows * pitch ? work : rows * pitch;
    uint64_t stage = spec[BWD_THREADS] / spec[BWD_LANES] * spec[BWD_UNIT_M] * spec[BWD_UNIT_N];
    uint64_t peaks = 2 * rows + 4 * columns + 2 * rows / spec[BWD_SUB_R];
    uint64_t numbers = 6 * rows + 2 * columns + 2;   /* columns have theirs in bwd_kv alone */
    return 16 * tiles + 4 * (stage + peaks + numbers);
}

static void set_threads(uint32_t *spec)
{
    spec[BWD_THREADS] = spec[BWD_LANES] * (spec[BWD_TILE_R] / spec[BWD_SUB_R]) * spec[BWD_ACROSS];
}

/* Halves the tile until the shared memory is enough for it. */
static bool fit_shared(const GpuCaps *caps, uint32_t *spec)
{
    set_threads(spec);
    while (shared_bytes(spec) > caps->shared_bytes || spec[BWD_THREADS] > caps->max_invocations) {
        const uint32_t columns = spec[BWD_TILE_C] / 2;
        if (spec[BWD_TILE_R] > spec[BWD_SUB_R])
            spec[BWD_TILE_R] /= 2;
        else if (columns % spec[BWD_UNIT_K] == 0 && columns / spec[BWD_ACROSS] % spec[BWD_UNIT_N] == 0)
            spec[BWD_TILE_C] = columns;
        else
            return false;
        set_threads(spec);
    }
    return spec[BWD_THREADS] >= spec[BWD_TILE_C];
}

/* Where there are but a few registers, heads of 48 and 64 spill 49 to 230 of them (ANV 25.0.7, skl). */
static bool emulated_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    const bool few = caps->lane_sums && caps->lane_sums < 32;
    return fit_shared(caps, tuning->spec) && (!few || tuning->spec[BWD_HEAD_DIM] <= 32);
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    return b ? common_divisor(b, a % b) : a;
}

static uint32_t sums_of_lane(const uint32_t *spec, uint32_t results)
{
    uint32_t units = spec[BWD_HEAD_DIM] / spec[BWD_UNIT_N];
    uint32_t share = (units + spec[BWD_ACROSS] - 1) / spec[BWD_ACROSS];
    return results * spec[BWD_SUB_R] * share * spec[BWD_UNIT_N] / spec[BWD_LANES];
}

/* Registers of a lane. RADV spills on navi31, whose units want rows twice, beyond 128 of sums and
 * rows held, or 160 with the next columns; where there are but a few (ANV), neither rows nor columns stay in
 * them, a subgroup has scores of one unit, and more subgroups share the sums. */
enum { MOST_SUMS = 64, MOST_HELD = 128, MOST_IN_ALL = 160, LEAST_ROWS = 64, MOST_COLUMNS = 64 };

static bool fit_registers(const GpuCaps *caps, uint32_t *spec, uint32_t results)
{
    const uint32_t few = caps->lane_sums;
    if (few)
        spec[BWD_SUB_R] = spec[BWD_UNIT_M];
    if (few && spec[BWD_TILE_R] < LEAST_ROWS)   /* fewer invocations fetch more each */
        spec[BWD_TILE_R] = LEAST_ROWS;
    while (sums_of_lane(spec, results) > (few ? few : MOST_SUMS) ||
           (few && spec[BWD_TILE_C] / spec[BWD_ACROSS] > spec[BWD_UNIT_N])) {
        if (spec[BWD_TILE_C] % (2 * spec[BWD_ACROSS] * spec[BWD_UNIT_N]) == 0)
            spec[BWD_ACROSS] *= 2;
        else if (few && spec[BWD_TILE_C] < MOST_COLUMNS)
            spec[BWD_TILE_C] *= 2;
        else
            return false;
    }
    set_threads(spec);
    uint32_t held = sums_of_lane(spec, results) + 2 * spec[BWD_SUB_R] * spec[BWD_HEAD_DIM] / spec[BWD_LANES];
    uint32_t fetched = 2 * spec[BWD_TILE_C] * spec[BWD_HEAD_DIM] / spec[BWD_THREADS];
    if (few || held > MOST_HELD || held + fetched > MOST_IN_ALL)
        spec[BWD_HELD] = 0;
    return true;
}

static bool coopmat_adapt(const GpuCaps *caps, KernelTuning *tuning, uint32_t results)
{
    uint32_t *spec = tuning->spec, head_dim = spec[BWD_HEAD_DIM];
    MatrixUnit unit;
    if (!matrix_unit(caps, spec[BWD_SUB_R], common_divisor(head_dim, spec[BWD_TILE_C] / spec[BWD_ACROSS]),
                     common_divisor(head_dim, spec[BWD_TILE_C]), &unit))
        return false;
    spec[BWD_UNIT_M] = unit.m;
    spec[BWD_UNIT_N] = unit.n;
    spec[BWD_UNIT_K] = unit.k;
    spec[BWD_LANES] = unit.lanes;
    if (unit.m < 16)   /* as many units */
        spec[BWD_SUB_R] = spec[BWD_SUB_R] / 16 * unit.m;
    if (unit.lanes * 4 % unit.n || !fit_registers(caps, spec, results) || !fit_shared(caps, spec))
        return false;
    /* what small register files leave of tiles of large heads is not worth it, or spills (dg2) */
    return !caps->lane_sums || spec[BWD_TILE_R] >= (unit.lanes < 16 ? LEAST_ROWS : LEAST_ROWS / 2);
}

static bool bwd_q_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    return coopmat_adapt(caps, tuning, 1);
}

static bool bwd_kv_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    return coopmat_adapt(caps, tuning, 2);
}

/* ---- rows ------------------------------------------------------------------ */

/* the first cases: small ones of all kinds */
enum { EMULATED_CASES = 12 };

/* Operands are rounded to 11 bits: a score that one product makes up is off by 2^-10 of itself, its
 * share by 4e-3 for a score of four. Rows with such scores have results several times the root mean
 * square of all, and errors with them: 1.3e-2 of it measured. */
#define COMMON_FIELDS(kind)                                                                  \
    ATTENTION_FIELDS(kind), .specialise = bwd_specialise,                                    \
    .spec_count = BWD_SPECS, .slow_on_cpu = true, .grid = kind##_grid, .tolerance = 2e-2

#define BWD_ROWS(kind, BIND)                                                                 \
    {.name = "attention_" #kind "_coopmat", .family = "attention_" #kind,                    \
     COMMON_FIELDS(kind), .bind = BIND, .case_count = COUNT_OF(attention_##kind##_cases),    \
     .needs = GPU_CAP_COOPMAT | GPU_CAP_F16 | GPU_CAP_SUBGROUP, .rank = 5, .probe = true,    \
     .timed = "smollm2 whole", .shape = attention_shape, .subgroup_spec = 1 + BWD_LANES,     \
     .tuning = TUNING(128, 32, 16, 1, 1), .tunings = coopmat_tunings,                        \
     .tuning_count = COUNT_OF(coopmat_tunings), .suits = bwd_suits,                          \
     .resize = kind##_resize, .adapt = kind##_adapt},                                        \
    {.name = "attention_" #kind "_emulated", .family = "attention_" #kind "_emulated",       \
     COMMON_FIELDS(kind), .bind = BIND, .case_count = EMULATED_CASES, .rank = 90,            \
     .tuning = {{64, 32, 16, 16, 16, 64, 32, 16, 16, 1, 0}}, .tunings = emulated_tunings,    \
     .tuning_count = COUNT_OF(emulated_tunings), .suits = emulated_suits,                    \
     .adapt = emulated_adapt}

const KernelRow rows_attention_bwd_matrix[] = {
    BWD_ROWS(bwd_q, ATTENTION_BWD_Q_BIND),
    BWD_ROWS(bwd_kv, ATTENTION_BWD_KV_BIND),
};
const size_t rows_attention_bwd_matrix_count = COUNT_OF(rows_attention_bwd_matrix);
