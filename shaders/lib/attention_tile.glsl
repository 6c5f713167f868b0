// The two steps of tiled attention on GPUs. A workgroup of 64 works on ROWS x COLS scores:
// invocation (ty, tx) = (lane / 8, lane % 8) keeps rows ty * ROWS_EACH + r and columns
// tx + 8 * c, and of sums over columns the vec4 number tx + 8 * s of its rows. Rows of tiles
// in shared memory are a vec4 longer than a head, so that eight of them meet eight banks.
#ifndef LIB_ATTENTION_TILE_GLSL
#define LIB_ATTENTION_TILE_GLSL

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint ROWS_EACH = 4;
layout(constant_id = 1) const uint HEAD_DIM = 64;
layout(constant_id = 2) const uint COLS_EACH = 4;
const uint VECS = HEAD_DIM / 4;
const uint STRIDE = VECS + 1;
const uint SLICES = (VECS + 7) / 8;
const uint ROWS = 8 * ROWS_EACH;
const uint COLS = 8 * COLS_EACH;

// sum[r][c] = dot of row r of tile a with row c of tile b
#define TILE_PRODUCTS(sum, a, b)                                                            \
    [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)                                         \
        [[unroll]] for (uint c = 0; c < COLS_EACH; c++)                                     \
            sum[r][c] = 0.0;                                                                \
    for (uint d = 0; d < VECS; d++) {                                                       \
        vec4 b_part[COLS_EACH];                                                             \
        [[unroll]] for (uint c = 0; c < COLS_EACH; c++)                                     \
            b_part[c] = b[(tx + 8 * c) * STRIDE + d];                                       \
        [[unroll]] for (uint r = 0; r < ROWS_EACH; r++) {                                   \
            vec4 a_part = a[(ty * ROWS_EACH + r) * STRIDE + d];                             \
            [[unroll]] for (uint c = 0; c < COLS_EACH; c++)                                 \
                sum[r][c] += dot(a_part, b_part[c]);                                        \
        }                                                                                   \
    }

// sum[r][s] += the weights of row r times tile b
#define TILE_ACCUMULATE(sum, weights, b)                                                    \
    for (uint j = 0; j < COLS; j++)                                                         \
        [[unroll]] for (uint s = 0; s < SLICES; s++) {                                      \
            vec4 b_part = b[j * STRIDE + min(tx + 8 * s, VECS - 1)];                        \
            [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)                                 \
                sum[r][s] += weights[(ty * ROWS_EACH + r) * (COLS + 1) + j] * b_part;       \
        }

// Fills a tile; `from` may use `tile_row` (below rows) and `tile_vec` (below VECS).
#define TILE_LOAD(tile, rows, from)                                                         \
    for (uint tile_at = gl_LocalInvocationID.x; tile_at < (rows) * VECS; tile_at += 64) {   \
        uint tile_row = tile_at / VECS, tile_vec = tile_at % VECS;                          \
        tile[tile_row * STRIDE + tile_vec] = from;                                          \
    }

#endif
