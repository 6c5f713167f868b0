// y[subgroup] = rounds * sum of A[i] B[j], i < 4, j < 2: eight sums kept in registers and nothing
// but matrix arithmetic, the most that the device's matrix unit can compute with f16 operands and
// f32 sums. x holds the four A[UNIT_M,UNIT_K], then the two B[UNIT_K,UNIT_N]; y is
// [subgroups, UNIT_M, UNIT_N]. Any data will do, but zeros would let a card clock higher.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"
#include "push/roof_matrix.push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 128;
layout(constant_id = 1) const uint LANES = 32;
layout(constant_id = 2) const uint UNIT_M = 16;
layout(constant_id = 3) const uint UNIT_N = 16;
layout(constant_id = 4) const uint UNIT_K = 16;

layout(set = 0, binding = 0) readonly buffer X { uvec4 x[]; };
layout(set = 0, binding = 1) writeonly buffer Y { float y[]; };

#define MatrixA coopmat<float16_t, gl_ScopeSubgroup, UNIT_M, UNIT_K, gl_MatrixUseA>
#define MatrixB coopmat<float16_t, gl_ScopeSubgroup, UNIT_K, UNIT_N, gl_MatrixUseB>
#define MatrixC coopmat<float, gl_ScopeSubgroup, UNIT_M, UNIT_N, gl_MatrixUseAccumulator>

const uint OPERAND_EIGHTS = (4 * UNIT_M * UNIT_K + 2 * UNIT_K * UNIT_N) / 8;
shared uvec4 operands[OPERAND_EIGHTS];

void main()
{
    uint index = GROUP_INDEX * (THREADS / LANES) + gl_SubgroupID;
    for (uint i = gl_LocalInvocationID.x; i < OPERAND_EIGHTS; i += THREADS)
        operands[i] = x[i];
    barrier();
    if (index >= push.subgroups)
        return;
    MatrixA a[4];
    MatrixB b[2];
    MatrixC sum[8];
    [[unroll]] for (uint i = 0; i < 4; i++)
        coopMatLoad(a[i], operands, i * UNIT_M * UNIT_K / 8, UNIT_K / 8,
                    gl_CooperativeMatrixLayoutRowMajor);
    [[unroll]] for (uint j = 0; j < 2; j++)
        coopMatLoad(b[j], operands, (4 * UNIT_M * UNIT_K + j * UNIT_K * UNIT_N) / 8, UNIT_N / 8,
                    gl_CooperativeMatrixLayoutRowMajor);
    [[unroll]] for (uint i = 0; i < 8; i++)
        sum[i] = MatrixC(0.0);
    for (uint round = 0; round < push.rounds; round++)
        [[unroll]] for (uint i = 0; i < 4; i++)
            [[unroll]] for (uint j = 0; j < 2; j++)
                sum[2 * i + j] = coopMatMulAdd(a[i], b[j], sum[2 * i + j]);
    // element by element: glslang 13's optimizer crashes at the sum of two matrices
    for (int e = 0; e < sum[0].length(); e++)
        sum[0][e] += sum[1][e] + sum[2][e] + sum[3][e] + sum[4][e] + sum[5][e] + sum[6][e] + sum[7][e];
    coopMatStore(sum[0], y, index * UNIT_M * UNIT_N, UNIT_N, gl_CooperativeMatrixLayoutRowMajor);
}
