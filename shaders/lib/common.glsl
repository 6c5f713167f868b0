// Shared by every kernel: the folded group index and 16-bit access without 16-bit storage.
#ifndef LIB_COMMON_GLSL
#define LIB_COMMON_GLSL

// A rule for loops: llvmpipe leaves every loop of an invocation for good after 65,535
// iterations in all, nested ones included, and says nothing. Long sums need many invocations
// or much work per iteration; loops over the values of a head are unrolled.

// Grids are folded at 65,535 groups in x (kernel_fold in C); y counts the folds.
#define GROUP_INDEX (gl_WorkGroupID.y * 65535u + gl_WorkGroupID.x)

// Element i of a buffer of f16 values that is bound as uint words.
#define HALF_AT(words, i) (unpackHalf2x16(words[(i) >> 1])[(i) & 1u])
// Element i of a buffer of bf16 values that is bound as uint words.
#define BFLOAT_AT(words, i) uintBitsToFloat(((words[(i) >> 1] >> (((i) & 1u) * 16u)) & 0xffffu) << 16)

#endif
