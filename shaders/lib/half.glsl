// f32 to f16, the same on every driver: packHalf2x16 alone may round toward zero, and may turn
// what is too large into the largest number instead of infinity.
#ifndef LIB_HALF_GLSL
#define LIB_HALF_GLSL

// Both rounded to nearest even; from 65520 on infinite, NaN stays NaN.
uint half_pair(vec2 pair)
{
    uvec2 bits = floatBitsToUint(pair), magnitude = bits & 0x7fffffffu;
    uvec2 rounded = (magnitude + 0xfffu + (magnitude >> 13 & 1u)) & 0xffffe000u;
    // 65504 at most here, which rounds no further
    uint packed = packHalf2x16(uintBitsToFloat((bits & 0x80000000u) | min(rounded, uvec2(0x477fe000u))));
    if (rounded.x > 0x477fe000u)
        packed = (packed & 0xffff8000u) | (magnitude.x > 0x7f800000u ? 0x7e00u : 0x7c00u);
    if (rounded.y > 0x477fe000u)
        packed = (packed & 0x8000ffffu) | (magnitude.y > 0x7f800000u ? 0x7e000000u : 0x7c000000u);
    return packed;
}

#endif
