// How tiles of attention_bwd_matrix.comp reach shared memory as f16. Each row of q, k, v and do is
// multiplied by a power of two that brings its largest value near 2^14.
#ifndef LIB_ATTENTION_BWD_TILES_GLSL
#define LIB_ATTENTION_BWD_TILES_GLSL

const uint SMALLEST = 37u << 23, LARGEST = 253u << 23;   // 2^-90 and 2^126: inverses stay ordinary

// The power of two below a value that is given as float bits; what rows are said to measure.
float size_of(uint bits)
{
    return uintBitsToFloat(clamp(bits & 0x7f800000u, SMALLEST, LARGEST));
}

// 2^14 / size
float factor_of(uint bits)
{
    return uintBitsToFloat((268u << 23) - floatBitsToUint(size_of(bits)));
}

uint peak_of(vec4 low, vec4 high)
{
    vec4 most = max(abs(low), abs(high));
    return floatBitsToUint(max(max(most.x, most.y), max(most.z, most.w)));
}

uvec4 eight_halves(vec4 low, vec4 high)
{
    return uvec4(packHalf2x16(low.xy), packHalf2x16(low.zw), packHalf2x16(high.xy),
                 packHalf2x16(high.zw));
}

// ---- rows: once ----

uvec2 row_places(uint i)   // row of the tile, eight of the row
{
    return uvec2(i / RUN, i % RUN);
}

#define ROW_EIGHT(array, place) \
    array[row_at(place.x) * VECS + 2 * place.y], array[row_at(place.x) * VECS + 2 * place.y + 1]

// The largest magnitude of every row, as float bits (which order as the floats do).
void find_row_peaks()
{
    for (uint r = gl_LocalInvocationID.x; r < 2 * TILE_R; r += THREADS)
        row_peaks[r] = 0u;
    barrier();
    for (uint i = gl_LocalInvocationID.x; i < TILE_R * RUN; i += THREADS) {
        uvec2 place = row_places(i);
        if (row_inside(place.x)) {
            atomicMax(row_peaks[place.x], peak_of(ROW_EIGHT(row_one, place)));
            atomicMax(row_peaks[TILE_R + place.x], peak_of(ROW_EIGHT(row_two, place)));
        }
    }
    barrier();
}

#define KEEP_ROWS(array, first, peaks)                                                            \
    for (uint i = gl_LocalInvocationID.x; i < TILE_R * RUN; i += THREADS) {                       \
        uvec2 place = row_places(i);                                                              \
        vec4 low = vec4(0.0), high = vec4(0.0);                                                   \
        if (row_inside(place.x)) {                                                                \
            low = array[row_at(place.x) * VECS + 2 * place.y];                                    \
            high = array[row_at(place.x) * VECS + 2 * place.y + 1];                               \
        }                                                                                         \
        float factor = factor_of(row_peaks[(peaks) + place.x]);                                   \
        tiles[(first) + place.x * PITCH + place.y] = eight_halves(low * factor, high * factor);   \
    }

// ---- columns: a tile a step, with HELD fetched while the one before is worked on ----

const uint FETCHES = (TILE_C * RUN + THREADS - 1) / THREADS;   // eights of both operands per invocation
vec4 fetched[HELD != 0 ? 4 * FETCHES : 4];

// Where eight number `turn` of this invocation is kept; without HELD it is read when it is wanted.
uint fetched_at(uint turn)
{
    return HELD != 0 ? 4 * turn : 0;
}

void fetch_eight(uint step, uint turn)
{
    uint i = gl_LocalInvocationID.x + turn * THREADS, to = fetched_at(turn);
    UNROLL for (uint e = 0; e < 4; e++)
        fetched[to + e] = vec4(0.0);
    if (i < TILE_C * RUN && column_inside(step, i / RUN)) {
        uint at = column_at(step, i / RUN) * VECS + i % RUN * 2;
        fetched[to] = column_one[at];
        fetched[to + 1] = column_one[at + 1];
        fetched[to + 2] = column_two[at];
        fetched[to + 3] = column_two[at + 1];
    }
}

void fetch_columns(uint step)
{
    if (HELD != 0)
        UNROLL for (uint turn = 0; turn < FETCHES; turn++)
            fetch_eight(step, turn);
    fetch_column_numbers(step);
}

// Steps take turns with two sets of peaks; those of this step are zero.
void find_column_peaks(uint step)
{
    uint peaks = step % 2 * 2 * TILE_C;
    UNROLL for (uint turn = 0; turn < FETCHES; turn++) {
        uint i = gl_LocalInvocationID.x + turn * THREADS, c = i / RUN, from = fetched_at(turn);
        if (HELD == 0)
            fetch_eight(step, turn);
        if (i < TILE_C * RUN) {
            atomicMax(column_peaks[peaks + c], peak_of(fetched[from], fetched[from + 1]));
            atomicMax(column_peaks[peaks + TILE_C + c], peak_of(fetched[from + 2], fetched[from + 3]));
        }
    }
}

void keep_columns(uint step)
{
    uint peaks = step % 2 * 2 * TILE_C;
    UNROLL for (uint turn = 0; turn < FETCHES; turn++) {
        uint i = gl_LocalInvocationID.x + turn * THREADS, c = i / RUN, from = fetched_at(turn);
        if (HELD == 0)
            fetch_eight(step, turn);
        if (i < TILE_C * RUN) {
            float one = factor_of(column_peaks[peaks + c]);
            float two = factor_of(column_peaks[peaks + TILE_C + c]);
            uint at = COLUMN_FIRST + c * PITCH + i % RUN;
            tiles[at] = eight_halves(one * fetched[from], one * fetched[from + 1]);
            tiles[at + COLUMN_EIGHTS] =
                eight_halves(two * fetched[from + 2], two * fetched[from + 3]);
        }
    }
    for (uint c = gl_LocalInvocationID.x; c < 2 * TILE_C; c += THREADS)
        column_peaks[2 * TILE_C - peaks + c] = 0u;
    keep_column_numbers();
}

#endif
