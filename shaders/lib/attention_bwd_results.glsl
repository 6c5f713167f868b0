// How attention_bwd_matrix.comp sums its results, and how they leave.
#ifndef LIB_ATTENTION_BWD_RESULTS_GLSL
#define LIB_ATTENTION_BWD_RESULTS_GLSL

// result += weights columns, summed over the columns of a step.
#define ADD_PRODUCT(result, columns)                                                              \
    UNROLL for (uint s = 0; s < TILE_C; s += UNIT_K) {                                            \
        MatrixA left[ROWS];                                                                       \
        UNROLL for (uint i = 0; i < ROWS; i++)                                                    \
            MATRIX_LOAD(left[i], WEIGHT_FIRST + (strip * SUB_R + i * UNIT_M) * WEIGHT_PITCH + s / 8, \
                        MATRIX_ROWS(WEIGHT_PITCH));                                               \
        UNROLL for (uint n = 0; n < RESULTS; n++)                                                 \
            if (across * RESULTS + n < HEAD_DIM / UNIT_N) {                                       \
                MatrixB right;                                                                    \
                MATRIX_LOAD(right, (columns) + s * PITCH + (across * RESULTS + n) * UNIT_N / 8,   \
                            MATRIX_ROWS(PITCH));                                                  \
                UNROLL for (uint i = 0; i < ROWS; i++)                                            \
                    MATRIX_MULTIPLY(left[i], right, result[i * RESULTS + n]);                     \
            }                                                                                     \
    }

// Sums to memory; a unit after the other through `stage`.
#define WRITE(array, result, which)                                                               \
    UNROLL for (uint n = 0; n < ROWS * RESULTS; n++) {                                            \
        uint unit = across * RESULTS + n % RESULTS;                                               \
        MATRIX_STORE(result[n], stage, staged);                                                   \
        MATRIX_FENCE();                                                                           \
        UNROLL for (uint turn = 0; turn < TURNS; turn++) {                                        \
            uint r = four_row(n / RESULTS, turn);                                                 \
            if (four_inside(turn) && unit < HEAD_DIM / UNIT_N && row_inside(r)) {                 \
                uint at = row_at(r) * VECS + (unit * UNIT_N + four_at(turn) % UNIT_N) / 4;        \
                vec4 value = STAGED_FOUR(turn) * (size_of(seen_peak[which]) * SIZED);             \
                RESIZE(value, r);                                                                 \
                if (push.accumulate != 0u)                                                        \
                    value += array[at];                                                           \
                array[at] = value;                                                                \
            }                                                                                     \
        }                                                                                         \
        MATRIX_FENCE();                                                                           \
    }
#ifdef KEYS
#define RESIZE(value, r)
#else
#define RESIZE(value, r) value *= row_size(r, sums[row_at(r)])
#endif

#endif
