// What attention_bwd_matrix.comp does with scores: shares and the gradients of scores, by plain
// lanes out of shared memory, where a unit of sums lies row by row, four neighbours to a lane.
// The products that follow sum over columns, so what a column was divided by goes into the weights;
// these are f16 too: the largest of the rows of a subgroup so far decides on a power of two, and
// sums made with another one are brought down to it. dq's rows are measured by do and d besides.
#ifndef LIB_ATTENTION_BWD_WEIGHTS_GLSL
#define LIB_ATTENTION_BWD_WEIGHTS_GLSL

const uint FOURS = ROWS * TURNS;           // of a column of units, per lane
const float SIZED = 1.0 / 268435456.0;     // 2^-28, of products of two numbers near 2^14

struct RowNumbers {
    float score, change;   // what sums are multiplied by, beside the column's size
    float lse, d;          // with KEYS columns have these
    uint first, count;     // the columns that it sees
};
shared RowNumbers row_numbers[TILE_R];
RowNumbers kept_numbers[HELD != 0 ? FOURS : 1];   // of the rows of this lane's fours
vec4 gradients[COLUMNS * FOURS];
#ifdef KEYS
vec4 shares[COLUMNS * FOURS];
#endif

// Value number of the first of four of a unit.
uint four_at(uint turn)
{
    return (turn * LANES + MATRIX_LANE) * 4;
}

bool four_inside(uint turn)
{
    return UNIT_M * UNIT_N % (LANES * 4) == 0 || four_at(turn) < UNIT_M * UNIT_N;
}

// Row of the tile that a four of unit i lies in.
uint four_row(uint i, uint turn)
{
    return min(strip * SUB_R + i * UNIT_M + four_at(turn) / UNIT_N, TILE_R - 1);
}

#ifndef KEYS
// What gradients of this row's scores are divided by: the larger one of do and d.
float row_size(uint r, float d)
{
    return size_of(max(row_peaks[TILE_R + r], floatBitsToUint(abs(d))));
}
#endif

void find_row_numbers()
{
    for (uint r = gl_LocalInvocationID.x; r < TILE_R; r += THREADS) {
        uvec2 seen = row_sees(r);
        RowNumbers row = RowNumbers(0.0, 0.0, 0.0, 0.0, seen.x, seen.y);
        row.score = size_of(row_peaks[r]) * SIZED * (push.scale * LOG2_E);
        row.change = size_of(row_peaks[TILE_R + r]) * SIZED * push.scale;
#ifndef KEYS
        if (row_inside(r)) {
            float d = sums[row_at(r)];
            float inverse = uintBitsToFloat((254u << 23) - floatBitsToUint(row_size(r, d)));
            row.lse = lse[row_at(r)] * LOG2_E;
            row.d = d * inverse * push.scale;
            row.change *= inverse;
        }
#endif
        row_numbers[r] = row;
    }
    barrier();
    if (HELD != 0)
        UNROLL for (uint i = 0; i < ROWS; i++)
            UNROLL for (uint turn = 0; turn < TURNS; turn++)
                kept_numbers[i * TURNS + turn] = row_numbers[four_row(i, turn)];
}

// Four neighbours of a row: their weights into element `at` of the arrays.
void weigh(uint at, RowNumbers row, uint column, vec4 score, vec4 change, vec4 one, vec4 two,
           vec4 column_lse, vec4 column_d)
{
    uvec4 since = uvec4(column, column + 1, column + 2, column + 3) - row.first;
    // a share is at most one but for rounding; the bound keeps rounded scores of millions finite
    vec4 share = exp2(min(score * row.score * one - (row.lse + column_lse), vec4(14.0)));
    share = mix(vec4(0.0), share, lessThan(since, uvec4(row.count)));
    gradients[at] = share * (change * row.change * two - (row.d + column_d)) * one;
#ifdef KEYS
    shares[at] = share * two;
#endif
}

#define STAGED_FOUR(turn)                                                                         \
    vec4(stage[staged + four_at(turn)], stage[staged + four_at(turn) + 1],                        \
         stage[staged + four_at(turn) + 2], stage[staged + four_at(turn) + 3])

#define COLUMN_FOUR(array, c) vec4(array[c], array[(c) + 1], array[(c) + 2], array[(c) + 3])
#define SIZES_FOUR(c)                                                                             \
    vec4(size_of(column_peaks[c]), size_of(column_peaks[(c) + 1]), size_of(column_peaks[(c) + 2]), \
         size_of(column_peaks[(c) + 3]))

// Turns the products of unit i of the rows and unit j of this subgroup's columns into weights.
void weigh_unit(uint step, uint i, uint j, MatrixC scores, MatrixC changes)
{
    uint c = (across * COLUMNS + j) * UNIT_N + MATRIX_LANE * 4 % UNIT_N;
    uint peaks = step % 2 * 2 * TILE_C + c;
    vec4 score[TURNS], one = SIZES_FOUR(peaks), two = SIZES_FOUR(peaks + TILE_C);
    MATRIX_STORE(scores, stage, staged);
    MATRIX_FENCE();
    UNROLL for (uint turn = 0; turn < TURNS; turn++)
        score[turn] = four_inside(turn) ? STAGED_FOUR(turn) : vec4(0.0);
    MATRIX_FENCE();
    MATRIX_STORE(changes, stage, staged);
    MATRIX_FENCE();
#ifdef KEYS
    vec4 four_lse = COLUMN_FOUR(column_lse, c), four_d = COLUMN_FOUR(column_d, c);
#else
    const vec4 four_lse = vec4(0.0), four_d = vec4(0.0);
#endif
    UNROLL for (uint turn = 0; turn < TURNS; turn++) {
        vec4 change = four_inside(turn) ? STAGED_FOUR(turn) : vec4(0.0);
        RowNumbers row;
        if (HELD != 0)
            row = kept_numbers[i * TURNS + turn];
        else
            row = row_numbers[four_row(i, turn)];
        weigh(j * FOURS + i * TURNS + turn, row, column_index(step, c), score[turn], change, one, two,
              four_lse, four_d);
    }
    MATRIX_FENCE();
}

#define STRIP_BARRIER()  \
    if (ACROSS > 1)      \
        barrier();       \
    else                 \
        MATRIX_FENCE()

uint seen_peak[2];   // of this subgroup's rows, what the sums so far were made with

// Makes the largest of these weights known to the subgroups of its rows.
#define RAISE_PEAK(weights, which)                                                                \
    {                                                                                             \
        vec4 most = vec4(0.0);                                                                    \
        UNROLL for (uint at = 0; at < COLUMNS * FOURS; at++)                                      \
            if (four_inside(at % TURNS))                                                          \
                most = max(most, abs(weights[at]));                                               \
        uint peak = floatBitsToUint(max(max(most.x, most.y), max(most.z, most.w)));               \
        if (peak > seen_peak[which])                                                              \
            atomicMax(weight_peaks[2 * strip + which], peak);                                     \
    }

// Brings sums to the power of two that all weights so far bear.
#define FOLLOW_PEAK(sums_of, which)                                                               \
    {                                                                                             \
        uint peak = weight_peaks[2 * strip + which];                                              \
        uint drop = (floatBitsToUint(size_of(peak)) - floatBitsToUint(size_of(seen_peak[which]))) >> 23; \
        if (drop != 0) {                                                                          \
            float factor = drop < 127 ? uintBitsToFloat((127u - drop) << 23) : 0.0;               \
            UNROLL for (uint n = 0; n < ROWS * RESULTS; n++)                                      \
                MATRIX_SCALE(sums_of[n], factor);                                                 \
        }                                                                                         \
        seen_peak[which] = peak;                                                                  \
    }

#define KEEP_WEIGHTS(weights, which)                                                              \
    UNROLL for (uint at = 0; at < COLUMNS * FOURS; at++)                                          \
        if (four_inside(at % TURNS)) {                                                            \
            uint c = (across * COLUMNS + at / FOURS) * UNIT_N + MATRIX_LANE * 4 % UNIT_N;         \
            uint to = WEIGHT_FIRST + four_row(at % FOURS / TURNS, at % TURNS) * WEIGHT_PITCH + c / 8; \
            vec4 weight = weights[at] * factor_of(seen_peak[which]);                              \
            tiles[to][c / 4 % 2 * 2] = packHalf2x16(weight.xy);                                   \
            tiles[to][c / 4 % 2 * 2 + 1] = packHalf2x16(weight.zw);                               \
        }

#endif
