#ifndef KERNELS_FAMILIES_H
#define KERNELS_FAMILIES_H
/* Every array of kernel rows, once. A new family is one line here and one file. */

#include "kernels/kernel.h"

#define KERNEL_FAMILIES(FAMILY) \
    FAMILY(attention)             \
    FAMILY(attention_bwd_matrix)  \
    FAMILY(attention_fwd_matrix)  \
    FAMILY(cast_half)             \
    FAMILY(elementwise)           \
    FAMILY(embedding)             \
    FAMILY(expand)                \
    FAMILY(lora)                  \
    FAMILY(loss)                  \
    FAMILY(matmul)                \
    FAMILY(matmul_blocks)         \
    FAMILY(matmul_matrix)         \
    FAMILY(matvec)                \
    FAMILY(norm)                  \
    FAMILY(norm_half)             \
    FAMILY(optimizer)             \
    FAMILY(roof)                  \
    FAMILY(roof_matrix)           \
    FAMILY(rope)                  \
    FAMILY(rows)                  \
    FAMILY(softmax)

#define KERNEL_FAMILY_DECLARE(name)         \
    extern const KernelRow rows_##name[];   \
    extern const size_t rows_##name##_count;
KERNEL_FAMILIES(KERNEL_FAMILY_DECLARE)
#undef KERNEL_FAMILY_DECLARE

#endif
