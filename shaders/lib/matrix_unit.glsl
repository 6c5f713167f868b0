// One unit of matrix arithmetic, C[UNIT_M,UNIT_N] += A[UNIT_M,UNIT_K] B[UNIT_K,UNIT_N], with f16
// operands that lie in the shared array `tiles` (uvec4: eight values) and f32 sums: the device's
// matrix unit (VK_KHR_cooperative_matrix, one subgroup of LANES a unit), or with EMULATED plain
// code for LANES neighbouring invocations, which runs everywhere and checks all but the unit itself.
// Places in `tiles` and pitches, the distances between runs, count its elements; a run is a row of
// the matrix (MATRIX_ROWS) or a column (MATRIX_COLUMNS).
#ifndef LIB_MATRIX_UNIT_GLSL
#define LIB_MATRIX_UNIT_GLSL

#ifdef EMULATED

#define UNROLL   // loops stay loops: unrolled, they take llvmpipe seconds to compile
#define MATRIX_GROUP (gl_LocalInvocationID.x / LANES)
#define MATRIX_LANE (gl_LocalInvocationID.x % LANES)
#define MATRIX_FENCE() barrier()

struct MatrixOperand { uint first, row_step, column_step; };   // where its values lie, in halves
#define MatrixA MatrixOperand
#define MatrixB MatrixOperand
struct MatrixC { float value[UNIT_M * UNIT_N / LANES]; };   // row-major, lane by lane

#define MATRIX_EACH [[unroll]] for (uint e = 0; e < UNIT_M * UNIT_N / LANES; e++)
#define MATRIX_ROW ((e * LANES + MATRIX_LANE) / UNIT_N)
#define MATRIX_COLUMN ((e * LANES + MATRIX_LANE) % UNIT_N)

#define MATRIX_ROWS(pitch) (pitch) * 8, 1
#define MATRIX_COLUMNS(pitch) 1, (pitch) * 8
#define MATRIX_ZERO(matrix) MATRIX_EACH matrix.value[e] = 0.0
#define MATRIX_LOAD(matrix, at, runs) matrix = MatrixOperand((at) * 8, runs)

float matrix_value(MatrixOperand operand, uint row, uint column)
{
    uint at = operand.first + row * operand.row_step + column * operand.column_step;
    return unpackHalf2x16(tiles[at / 8][at / 2 % 4])[at % 2];
}

#define MATRIX_MULTIPLY(left, right, sum)                                                 \
    for (uint four = 0; four < UNIT_K; four += 4)                                         \
        MATRIX_EACH                                                                       \
            [[unroll]] for (uint s = four; s < four + 4; s++)                             \
                sum.value[e] = fma(matrix_value(left, MATRIX_ROW, s),                     \
                                   matrix_value(right, s, MATRIX_COLUMN), sum.value[e])
#define MATRIX_STORE(matrix, array, at) \
    MATRIX_EACH array[at + e * LANES + MATRIX_LANE] = matrix.value[e]
#define MATRIX_STORE_TILE(matrix, at, pitch)                                              \
    MATRIX_EACH                                                                           \
        tiles[(at) + MATRIX_ROW * (pitch) + MATRIX_COLUMN / 4][MATRIX_COLUMN % 4] =       \
            floatBitsToUint(matrix.value[e])
#define MATRIX_SCALE(matrix, factor) MATRIX_EACH matrix.value[e] *= factor
#define MATRIX_SCALE_ROWS(matrix, array, at) \
    MATRIX_EACH matrix.value[e] *= array[(at) + MATRIX_ROW]

#else

#define UNROLL [[unroll]]
#define MATRIX_GROUP gl_SubgroupID
#define MATRIX_LANE gl_SubgroupInvocationID
#define MATRIX_FENCE() subgroupBarrier()

#define MatrixA coopmat<float16_t, gl_ScopeSubgroup, UNIT_M, UNIT_K, gl_MatrixUseA>
#define MatrixB coopmat<float16_t, gl_ScopeSubgroup, UNIT_K, UNIT_N, gl_MatrixUseB>
#define MatrixC coopmat<float, gl_ScopeSubgroup, UNIT_M, UNIT_N, gl_MatrixUseAccumulator>

#define MATRIX_ROWS(pitch) pitch, gl_CooperativeMatrixLayoutRowMajor
#define MATRIX_COLUMNS(pitch) pitch, gl_CooperativeMatrixLayoutColumnMajor
#define MATRIX_ZERO(matrix) matrix = MatrixC(0.0)
#define MATRIX_LOAD(matrix, at, runs) coopMatLoad(matrix, tiles, at, runs)
#define MATRIX_MULTIPLY(left, right, sum) sum = coopMatMulAdd(left, right, sum)
#define MATRIX_STORE(matrix, array, at) coopMatStore(matrix, array, at, MATRIX_ROWS(UNIT_N))
// a unit of sums as f32 rows in `tiles`, for what units cannot do
#define MATRIX_STORE_TILE(matrix, at, pitch) coopMatStore(matrix, tiles, at, MATRIX_ROWS(pitch))
#define MATRIX_SCALE(matrix, factor) \
    [[unroll]] for (int e = 0; e < matrix.length(); e++) matrix[e] *= factor
// Row r of the unit times array[at + r]. Columns that begin where the one before began hold the
// same factors; element by element, because glslang 13's optimiser crashes at the product.
#define MATRIX_SCALE_ROWS(matrix, array, at)                                              \
    {                                                                                     \
        MatrixC factor;                                                                   \
        coopMatLoad(factor, array, at, MATRIX_COLUMNS(0));                                \
        [[unroll]] for (int e = 0; e < factor.length(); e++)                              \
            matrix[e] *= factor[e];                                                       \
    }

#endif

// What matrix products say of their operands: A_ALONG_K, B_ALONG_K: runs follow k, not the rows
// of A, the columns of B.
#ifdef A_ALONG_K
#define MATRIX_LOAD_A(matrix, at) MATRIX_LOAD(matrix, at, MATRIX_ROWS(A_PITCH))
#else
#define MATRIX_LOAD_A(matrix, at) MATRIX_LOAD(matrix, at, MATRIX_COLUMNS(A_PITCH))
#endif
#ifdef B_ALONG_K
#define MATRIX_LOAD_B(matrix, at) MATRIX_LOAD(matrix, at, MATRIX_COLUMNS(B_PITCH))
#else
#define MATRIX_LOAD_B(matrix, at) MATRIX_LOAD(matrix, at, MATRIX_ROWS(B_PITCH))
#endif
#endif
