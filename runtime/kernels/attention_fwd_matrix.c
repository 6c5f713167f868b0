/* Attention on matrix units (shaders/attention_fwd_matrix.comp): f16 operands, f32 sums. Exists
 * twice: for cooperative matrices, and emulated by plain code, which checks tiles, edges, masks,
 * factors and addresses on any device and is a family of its own, there for that alone. */
#include "base/mem.h"
#include "kernels/attention.h"
#include "kernels/families.h"
#include "kernels/matrix.h"

/* Threads, lanes, unit (those of most devices; adapt puts in their place what this one has), rows of
 * a tile, head size (the model's), keys of a tile, rows of a subgroup. The last ones fit devices with
 * small subgroups, and units of eight rows. */
static const KernelTuning coopmat_tunings[] = {
    {{128, 32, 16, 16, 16, 64, 64, 32, 32}},  {{128, 32, 16, 16, 16, 64, 64, 64, 32}},
    {{128, 32, 16, 16, 16, 128, 64, 32, 32}}, {{128, 32, 16, 16, 16, 64, 64, 32, 16}},
    {{256, 32, 16, 16, 16, 128, 64, 32, 32}}, {{64, 32, 16, 16, 16, 32, 64, 32, 16}},
    {{256, 16, 8, 16, 16, 64, 64, 32, 8}},    {{256, 8, 8, 8, 16, 64, 64, 32, 8}},
    {{32, 8, 8, 8, 8, 8, 64, 32, 8}},
};
static const KernelTuning emulated_tunings[] = {
    {{128, 32, 16, 16, 16, 64, 64, 32, 32}}, {{64, 16, 8, 16, 16, 32, 64, 32, 16}},
    {{64, 32, 16, 8, 8, 32, 64, 64, 16}},    {{32, 8, 8, 8, 8, 8, 64, 32, 8}},
};

enum { MOST_THREADS = 256 };

static uint64_t shared_bytes(const uint32_t *spec)
{
    uint64_t rows = spec[ATTENTION_ROWS], cols = spec[ATTENTION_COLS];
    uint64_t head_dim = spec[ATTENTION_HEAD_DIM];
    return 16 * ((rows + cols) * (head_dim / 8 + 1) + head_dim * (cols / 8 + 1) + rows * (cols / 4 + 1)) + 4 * rows +
           4ull * spec[MATRIX_THREADS] + 32;
}

/* The largest power of two that divides both. */
static uint32_t both_divided(uint32_t a, uint32_t b)
{
    return (a | b) & (~(a | b) + 1);
}

/* Whether this device can run rows x cols scores at a time, `across` subgroups of `sub` rows side by
 * side; if so, sets the constants. */
static bool try_tile(const GpuCaps *caps, uint32_t *spec, uint32_t most, uint32_t across)
{
    const uint32_t head_dim = spec[ATTENTION_HEAD_DIM], rows = spec[ATTENTION_ROWS];
    const uint32_t cols = spec[ATTENTION_COLS], sub = spec[ATTENTION_SUB_ROWS];
    MatrixUnit unit;
    if (cols % across || head_dim % across ||
        !matrix_unit(caps, sub, both_divided(cols / across, head_dim / across),
                     both_divided(cols, head_dim), &unit))
        return false;
    spec[MATRIX_THREADS] = unit.lanes * across * (rows / sub);
    spec[MATRIX_LANES] = unit.lanes;
    spec[MATRIX_UNIT_M] = unit.m;
    spec[MATRIX_UNIT_N] = unit.n;
    spec[MATRIX_UNIT_K] = unit.k;
    /* lanes that share a row divide a subgroup and the row's eights of scores */
    uint32_t parts = spec[MATRIX_THREADS] / rows;
    bool shares = parts && spec[MATRIX_THREADS] % rows == 0 && cols / 8 % parts == 0 &&
                  unit.lanes % parts == 0;
    uint32_t kept = sub * (head_dim + cols) / across / unit.lanes + cols * head_dim / spec[MATRIX_THREADS];
    return shares && kept <= most &&
           spec[MATRIX_THREADS] <= MOST_THREADS && spec[MATRIX_THREADS] <= caps->max_invocations &&
           shared_bytes(spec) <= caps->shared_bytes;
}

/* Fewer rows in a subgroup, or more or fewer subgroups side by side, for tiles of this size. */
static bool try_subgroups(const GpuCaps *caps, uint32_t *spec, uint32_t most, uint32_t sub,
                          uint32_t across)
{
    for (; sub >= 8; sub /= 2) {
        const uint32_t choices[] = {across, across / 2, across / 4, across * 2, across * 4};
        for (size_t i = 0; i < COUNT_OF(choices); i++) {
            spec[ATTENTION_SUB_ROWS] = sub;
            if (choices[i] && sub <= spec[ATTENTION_ROWS] && try_tile(caps, spec, most, choices[i]))
                return true;
        }
    }
    return false;
}

/* Larger heads take fewer keys at a time, then fewer rows, until what a lane keeps (sums of results
 * and scores, keys on their way) and the shared memory are not too much for the device. */
static bool adapt(const GpuCaps *caps, KernelTuning *tuning, uint32_t most)
{
    uint32_t *spec = tuning->spec;
    const uint32_t rows = spec[ATTENTION_ROWS], cols = spec[ATTENTION_COLS], sub = spec[ATTENTION_SUB_ROWS];
    const uint32_t across = spec[MATRIX_THREADS] / spec[MATRIX_LANES] * sub / rows;
    for (uint32_t least = 32; least >= 16; least /= 2)
        for (uint32_t r = rows; r >= 8; r /= 2)
            for (uint32_t c = cols; c >= least; c /= 2) {
                spec[ATTENTION_ROWS] = r;
                spec[ATTENTION_COLS] = c;
                if (try_subgroups(caps, spec, most, sub, across))
                    return true;
            }
    return false;
}

/* Without a card, nothing spilled below that: RADV 25.0.7 (navi31), and where register files are
 * small ANV 25.0.7 (dg2, lnl, bmg); heads above 64 are too much there. A processor that plays matrix
 * units says itself what it bears. */
static bool coopmat_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    const uint32_t small = caps->kind == GPU_CPU ? caps->lane_sums : 34;
    return adapt(caps, tuning, caps->lane_sums ? small : 120);
}

/* The unit is the tuning's. Twice as much kept by a lane took llvmpipe 10 s a pipeline to compile, and
 * spilled on cards (NVK 26.1.6 without one, turing and ada; with small register files ANV 25.0.7). */
static bool emulated_adapt(const GpuCaps *caps, KernelTuning *tuning)
{
    GpuCaps own = *caps;
    own.bits &= ~(uint32_t)GPU_CAP_SUBGROUP_SIZE;
    own.subgroup_size = own.subgroup_min = own.subgroup_max = tuning->spec[MATRIX_LANES];
    own.coopmat[0].m = tuning->spec[MATRIX_UNIT_M];
    own.coopmat[0].n = tuning->spec[MATRIX_UNIT_N];
    own.coopmat[0].k = tuning->spec[MATRIX_UNIT_K];
    own.coopmat_count = 1;
    return adapt(&own, tuning, caps->lane_sums ? 31 : 80);
}

static void specialise(const void *push, KernelTuning *tuning)
{
    tuning->spec[ATTENTION_HEAD_DIM] = ((const AttentionPush *)push)->head_dim;
}

/* Larger heads take more registers and shared memory than devices have. */
static bool whole_units(const void *push)
{
    const AttentionPush *p = push;
    return p->head_dim % 16 == 0 && p->head_dim <= 128;
}

/* Few rows are decoding, where each sees a part of the cache of its own. */
static bool worth_units(const void *push)
{
    return whole_units(push) && ((const AttentionPush *)push)->rows >= 64;
}

static void item_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const AttentionPush *p = push;
    uint64_t items = (uint64_t)p->rows * (p->heads / p->kv_heads), tile = tuning->spec[ATTENTION_ROWS];
    kernel_fold((items + tile - 1) / tile * p->kv_heads, groups);
}

/* Scores of q and k rounded to 11 bits are off by some 2^-12 of what scores usually are, and every
 * weight by as much; so are weights and v themselves. Rows that see few keys have outputs several
 * times the root mean square of all, and errors with them. */
#define COMMON                                                                                \
    ATTENTION_FIELDS(fwd), .slow_on_cpu = true,                                               \
    .bind = {{"q", GPU_READ, .dtype = DTYPE_F32, ATTENTION_SCORED},                           \
             {"k", GPU_READ, .dtype = DTYPE_F32, ATTENTION_SCORED}, ATTENTION_IN("v"),        \
             ATTENTION_SPAN, {"o", GPU_WRITE, .dtype = DTYPE_F32},                            \
             {"lse", GPU_WRITE, .dtype = DTYPE_F32, .tolerance = 3e-3}},                      \
    .spec_count = ATTENTION_SPECS, .specialise = specialise, .grid = item_grid, .tolerance = 1.2e-2

/* the first cases: small ones of all kinds */
enum { EMULATED_CASES = 10 };

const KernelRow rows_attention_fwd_matrix[] = {
    {
        .name = "attention_fwd_coopmat", .family = "attention_fwd", COMMON,
        .case_count = COUNT_OF(attention_fwd_cases),
        .needs = GPU_CAP_COOPMAT | GPU_CAP_F16 | GPU_CAP_SUBGROUP, .rank = 5, .probe = true,
        .subgroup_spec = 1 + MATRIX_LANES, .timed = "smollm2 whole", .shape = attention_shape,
        .suits = worth_units, .adapt = coopmat_adapt,
        .tuning = {{128, 32, 16, 16, 16, 64, 64, 32, 32}}, .tunings = coopmat_tunings,
        .tuning_count = COUNT_OF(coopmat_tunings),
    },
    {
        .name = "attention_fwd_emulated", .family = "attention_fwd_emulated", COMMON, .rank = 90,
        .case_count = EMULATED_CASES,
        .suits = whole_units, .adapt = emulated_adapt,
        .tuning = {{128, 32, 16, 16, 16, 64, 64, 32, 32}}, .tunings = emulated_tunings,
        .tuning_count = COUNT_OF(emulated_tunings),
    },
};
const size_t rows_attention_fwd_matrix_count = COUNT_OF(rows_attention_fwd_matrix);
