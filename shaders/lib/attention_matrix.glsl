// What attention on matrix units shares: its constants, and how rows of q, k, v (f32 in memory)
// become tiles of f16 in the shared array `tiles` (uvec4: eight values), each tile times a power
// of two that keeps it in range. Included before `tiles` is declared and lib/matrix_unit.glsl.
#ifndef LIB_ATTENTION_MATRIX_GLSL
#define LIB_ATTENTION_MATRIX_GLSL

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 128;   // LANES * ROWS / SUB_ROWS * subgroups side by side
layout(constant_id = 1) const uint LANES = 32;      // of a subgroup
layout(constant_id = 2) const uint UNIT_M = 16;     // the matrix unit's shape, multiples of eight
layout(constant_id = 3) const uint UNIT_N = 16;
layout(constant_id = 4) const uint UNIT_K = 16;
layout(constant_id = 5) const uint ROWS = 64;       // of the scores that a workgroup has at a time
layout(constant_id = 6) const uint HEAD_DIM = 64;   // a multiple of 16
layout(constant_id = 7) const uint COLS = 32;
layout(constant_id = 8) const uint SUB_ROWS = 32;   // rows of a subgroup

const uint ACROSS = THREADS / LANES * SUB_ROWS / ROWS;   // subgroups side by side
const uint SUB_COLS = COLS / ACROSS, SUB_DIMS = HEAD_DIM / ACROSS;
const uint HEAD_FOURS = HEAD_DIM / 4, HEAD_EIGHTS = HEAD_DIM / 8;
// One uvec4 of padding a row makes the pitch odd: eight rows then lie in different banks.
const uint HEAD_PITCH = HEAD_EIGHTS + 1;

// Registers for this invocation's share of a tile of `rows` rows: vec4 raw[2 * TILE_TURNS(rows)].
#define TILE_TURNS(rows) (((rows) * HEAD_EIGHTS + THREADS - 1) / THREADS)

// Reads a tile; `row`, of the vec4s in `from`, may use `tile_row` (below rows).
#define TILE_FETCH(raw, rows, from, row)                                                    \
    UNROLL for (uint turn = 0; turn < TILE_TURNS(rows); turn++) {                           \
        uint tile_at = gl_LocalInvocationID.x + turn * THREADS;                             \
        uint tile_row = min(tile_at / HEAD_EIGHTS, (rows) - 1);                             \
        uint tile_from = (row) * HEAD_FOURS + tile_at % HEAD_EIGHTS * 2;                    \
        raw[2 * turn] = from[tile_from];                                                    \
        raw[2 * turn + 1] = from[tile_from + 1];                                            \
    }

// Raises the shared float bits `peak` (which order as floats do) to the largest magnitude of a
// tile that was read.
#ifdef EMULATED
#define TILE_PEAK_OVER(most, peak) atomicMax(peak, floatBitsToUint(most));
#else
#define TILE_PEAK_OVER(most, peak)                                                          \
    most = subgroupMax(most);                                                               \
    if (MATRIX_LANE == 0)                                                                   \
        atomicMax(peak, floatBitsToUint(most));
#endif
#define TILE_PEAK(raw, rows, peak)                                                          \
    {                                                                                       \
        vec4 each = vec4(0.0);                                                              \
        UNROLL for (uint turn = 0; turn < 2 * TILE_TURNS(rows); turn++)                     \
            each = max(each, abs(raw[turn]));                                               \
        float most = max(max(each.x, each.y), max(each.z, each.w));                         \
        TILE_PEAK_OVER(most, peak)                                                          \
    }

// Stores what was read, times `factor`, as the tile that begins at `first`.
#define TILE_KEEP(raw, rows, first, factor)                                                 \
    UNROLL for (uint turn = 0; turn < TILE_TURNS(rows); turn++) {                           \
        uint tile_at = gl_LocalInvocationID.x + turn * THREADS;                             \
        if ((rows) * HEAD_EIGHTS % THREADS == 0 || tile_at < (rows) * HEAD_EIGHTS)          \
            tiles[(first) + tile_at / HEAD_EIGHTS * HEAD_PITCH + tile_at % HEAD_EIGHTS] =   \
                packed_eight((factor) * raw[2 * turn], (factor) * raw[2 * turn + 1]);       \
    }

// The same for a tile that is kept transposed, rows along the sums of UNITS_MULTIPLY, because units
// are loaded by runs along those: this invocation has pairs of rows, four values of each; eight
// pairs by four neighbours in memory for 32 invocations.
#define TILE_PAIR(at) (at / 8 / HEAD_FOURS * 8 + at / 4 % 8)
#define TILE_FOUR(at) (at / 32 % (HEAD_FOURS / 4) * 4 + at % 4)
#define TILE_FETCH_PAIRS(raw, rows, from, row)                                              \
    UNROLL for (uint turn = 0; turn < 2 * TILE_TURNS(rows); turn++) {                       \
        uint tile_at = gl_LocalInvocationID.x + turn / 2 * THREADS;                         \
        uint tile_row = min(TILE_PAIR(tile_at) * 2 + turn % 2, (rows) - 1);                 \
        raw[turn] = from[(row) * HEAD_FOURS + TILE_FOUR(tile_at)];                          \
    }
#define TILE_KEEP_PAIRS(raw, rows, first, pitch, factor)                                    \
    UNROLL for (uint turn = 0; turn < TILE_TURNS(rows); turn++) {                           \
        uint tile_at = gl_LocalInvocationID.x + turn * THREADS, pair = TILE_PAIR(tile_at);  \
        if ((rows) * HEAD_EIGHTS % THREADS == 0 || tile_at < (rows) * HEAD_EIGHTS)          \
            [[unroll]] for (uint e = 0; e < 4; e++)                                         \
                tiles[(first) + (TILE_FOUR(tile_at) * 4 + e) * (pitch) + pair / 4][pair % 4] = \
                    packHalf2x16((factor) * vec2(raw[2 * turn][e], raw[2 * turn + 1][e]));  \
    }

// sum[i * over + j] += unit i of the left operand times unit j of the right one, over `depth` values.
// Where the units begin may use i or j, and s, the first value; LEFT and RIGHT are MATRIX_ROWS or
// MATRIX_COLUMNS.
#define UNITS_MULTIPLY(sum, down, over, depth, left_at, LEFT, left_pitch, right_at, RIGHT, right_pitch) \
    UNROLL for (uint s = 0; s < (depth); s += UNIT_K) {                                     \
        MatrixA left[down];                                                                 \
        UNROLL for (uint i = 0; i < (down); i++)                                            \
            MATRIX_LOAD(left[i], left_at, LEFT(left_pitch));                                \
        UNROLL for (uint j = 0; j < (over); j++) {                                          \
            MatrixB right;                                                                  \
            MATRIX_LOAD(right, right_at, RIGHT(right_pitch));                               \
            UNROLL for (uint i = 0; i < (down); i++)                                        \
                MATRIX_MULTIPLY(left[i], right, sum[i * (over) + j]);                       \
        }                                                                                   \
        LOADS_FENCE()                                                                       \
    }

// Keeps loads from being moved ahead of units where registers are few: small subgroups.
#ifdef EMULATED
#define LOADS_FENCE()
#define SAME(value) (value)
#else
#define LOADS_FENCE() \
    if (LANES < 32)   \
        subgroupMemoryBarrierShared();
// What is the same in all lanes, so that compilers know.
#define SAME(value) subgroupMax(value)
#endif

uvec4 packed_eight(vec4 low, vec4 high)
{
    return uvec4(packHalf2x16(low.xy), packHalf2x16(low.zw), packHalf2x16(high.xy),
                 packHalf2x16(high.zw));
}

// Powers of two are handled by their exponent as f32 has it, 127 for one. The one that brings a
// peak near 2^above; both it and its inverse are ordinary numbers.
uint power_for(uint peak, int above)
{
    return uint(clamp(254 + above - int(peak >> 23), 1, 253));
}

float power(uint exponent)
{
    return uintBitsToFloat(exponent << 23);
}

float power_undone(uint exponent)
{
    return uintBitsToFloat((254u - exponent) << 23);
}

#endif
