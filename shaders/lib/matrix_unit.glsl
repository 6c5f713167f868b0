// One unit of matrix arithmetic, C[UNIT_M,UNIT_N] += A[UNIT_M,UNIT_K] B[UNIT_K,UNIT_N], with f16
// operands that lie in the shared array `tiles` (uvec4: eight values) and f32 sums: the device's
// matrix unit (VK_KHR_cooperative_matrix, one subgroup of LANES a unit), or with EMULATED plain
// code for LANES neighbouring invocations, which runs everywhere and checks all but the unit itself.
// A_ALONG_K, B_ALONG_K: eight neighbours in `tiles` follow k, not the rows of A, the columns of B.
#ifndef LIB_MATRIX_UNIT_GLSL
#define LIB_MATRIX_UNIT_GLSL

#ifdef EMULATED

#define UNROLL   // loops stay loops: unrolled, they take llvmpipe seconds to compile
#define MATRIX_GROUP (gl_LocalInvocationID.x / LANES)
#define MATRIX_LANE (gl_LocalInvocationID.x % LANES)
#define MATRIX_FENCE() barrier()

struct MatrixA { uint first; };   // where in `tiles` it lies
struct MatrixB { uint first; };
struct MatrixC { float value[UNIT_M * UNIT_N / LANES]; };   // row-major, lane by lane

#define MATRIX_ZERO(matrix) \
    [[unroll]] for (uint e = 0; e < UNIT_M * UNIT_N / LANES; e++) matrix.value[e] = 0.0
#define MATRIX_LOAD_A(matrix, at) matrix.first = at
#define MATRIX_LOAD_B(matrix, at) matrix.first = at

// Value `inner` of the run `outer` of a tile.
float tile_value(uint first, uint pitch, uint outer, uint inner)
{
    return unpackHalf2x16(tiles[first + outer * pitch + inner / 8][inner / 2 % 4])[inner % 2];
}

#ifdef A_ALONG_K
#define A_VALUE(left, r, s) tile_value(left.first, A_PITCH, r, s)
#else
#define A_VALUE(left, r, s) tile_value(left.first, A_PITCH, s, r)
#endif
#ifdef B_ALONG_K
#define B_VALUE(right, r, s) tile_value(right.first, B_PITCH, r, s)
#else
#define B_VALUE(right, r, s) tile_value(right.first, B_PITCH, s, r)
#endif

#define MATRIX_MULTIPLY(left, right, sum)                                                 \
    for (uint four = 0; four < UNIT_K; four += 4)                                         \
        [[unroll]] for (uint e = 0; e < UNIT_M * UNIT_N / LANES; e++)                     \
        [[unroll]] for (uint s = four; s < four + 4; s++)                                 \
            sum.value[e] = fma(A_VALUE(left, (e * LANES + MATRIX_LANE) / UNIT_N, s),      \
                               B_VALUE(right, (e * LANES + MATRIX_LANE) % UNIT_N, s),     \
                               sum.value[e])
#define MATRIX_STORE(matrix, array, at)                                                   \
    [[unroll]] for (uint e = 0; e < UNIT_M * UNIT_N / LANES; e++)                         \
        array[at + e * LANES + MATRIX_LANE] = matrix.value[e]

#else

#define UNROLL [[unroll]]
#define MATRIX_GROUP gl_SubgroupID
#define MATRIX_LANE gl_SubgroupInvocationID
#define MATRIX_FENCE() subgroupBarrier()

#define MatrixA coopmat<float16_t, gl_ScopeSubgroup, UNIT_M, UNIT_K, gl_MatrixUseA>
#define MatrixB coopmat<float16_t, gl_ScopeSubgroup, UNIT_K, UNIT_N, gl_MatrixUseB>
#define MatrixC coopmat<float, gl_ScopeSubgroup, UNIT_M, UNIT_N, gl_MatrixUseAccumulator>

// pitches count elements of `tiles`
#ifdef A_ALONG_K
#define A_LAYOUT gl_CooperativeMatrixLayoutRowMajor
#else
#define A_LAYOUT gl_CooperativeMatrixLayoutColumnMajor
#endif
#ifdef B_ALONG_K
#define B_LAYOUT gl_CooperativeMatrixLayoutColumnMajor
#else
#define B_LAYOUT gl_CooperativeMatrixLayoutRowMajor
#endif

#define MATRIX_ZERO(matrix) matrix = MatrixC(0.0)
#define MATRIX_LOAD_A(matrix, at) coopMatLoad(matrix, tiles, at, A_PITCH, A_LAYOUT)
#define MATRIX_LOAD_B(matrix, at) coopMatLoad(matrix, tiles, at, B_PITCH, B_LAYOUT)
#define MATRIX_MULTIPLY(left, right, sum) sum = coopMatMulAdd(left, right, sum)
#define MATRIX_STORE(matrix, array, at) \
    coopMatStore(matrix, array, at, UNIT_N, gl_CooperativeMatrixLayoutRowMajor)

#endif
#endif
