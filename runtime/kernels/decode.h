#ifndef KERNELS_DECODE_H
#define KERNELS_DECODE_H
/* Reference decoding of quantised tensors for KernelReference functions, which see the
 * 32-bit words behind a binding as doubles. */

#include "base/dtype.h"

/* Values index … index + 31 of a tensor of type F32, F16, BF16 (one double a value) or a
 * TYPE of kernels.def (one double a word); index is a multiple of 32 for these. The result is
 * the exact value of the f32 arithmetic of the gguf package, or for NF4 of bitsandbytes. */
void decode_reference_32(Dtype dtype, const double *source, uint64_t index, float values[32]);
/* Value `index` of the same. */
float decode_reference(Dtype dtype, const double *source, uint64_t index);

/* Fills the words of such a tensor with random blocks whose scales are
 * ordinary numbers (random bits would make infinities); for KernelCase.input. Types in blocks only. */
void decode_random_blocks(Dtype dtype, double *words, uint64_t count, uint64_t seed);

/* decode_<type>_weight_input, for KernelCase.input: binding 1 is such a tensor. */
#define KERNEL(...)
#define TYPE(name, NAME, BLOCK)                                                             \
    bool decode_##name##_weight_input(const void *push, unsigned index, double *values,     \
                                      uint64_t count, uint64_t seed);
#include "kernels.def"

#endif
