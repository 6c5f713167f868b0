// Rows of results as f16 with a power of two of their own: what cast_half_rows.comp does, for kernels
// that have just computed the row. Bindings follow those of the kernel (HALF_SLOT is the first).
#ifndef LIB_HALF_ROWS_GLSL
#define LIB_HALF_ROWS_GLSL

#ifdef ADD
#define HALF_SLOT 6
#else
#define HALF_SLOT 4
#endif
#ifndef HALF_WORDS
#define HALF_WORDS uint
#endif
layout(set = 0, binding = HALF_SLOT) writeonly buffer HalfY { HALF_WORDS half_y[]; };
layout(set = 0, binding = HALF_SLOT + 1) writeonly buffer HalfScale { float half_scale[]; };

#include "lib/half.glsl"
#include "lib/reduce.glsl"

uint exponent_of(float value)
{
    return floatBitsToUint(value) >> 23 & 255u;
}

// What the row is multiplied by before it is rounded, from each invocation's largest exponent.
float half_factor(uint row, uint exponent)
{
    int peak = int(group_max(float(exponent)));
    // 2^(14 - exponent of the peak); the clamp keeps its inverse an ordinary number
    uint factor = uint(clamp(268 - peak, 14, 253));
    if (gl_LocalInvocationID.x == 0)
        half_scale[row] = uintBitsToFloat((254u - factor) << 23);
    return uintBitsToFloat(factor << 23);
}

#endif
