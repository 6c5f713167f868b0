// exp and log to about 1 ulp. Vulkan only promises exp to 3 + 2|x| ulp and log to 2^-21
// absolute near 1, too little for losses that must agree with other programs to 1e-6.
#ifndef LIB_NUMERIC_GLSL
#define LIB_NUMERIC_GLSL

const float LN2_HIGH = 0.693359375;          // exact in 9 bits, so n * LN2_HIGH is exact
const float LN2_LOW = -2.1219444005469057e-4;

// e^x; 0 below -87.3 (where f32 would become denormal), e^88 above 88.
float exp_accurate(float x)
{
    float bounded = clamp(x, -87.3, 88.0);
    float n = floor(bounded * 1.4426950408889634 + 0.5);
    precise float r = (bounded - n * LN2_HIGH) - n * LN2_LOW;
    // Taylor series; |r| <= 0.347, so the first term left out is below 6e-9
    float p = 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    float value = 1.0 + (r + r * r * p);
    value *= uintBitsToFloat(uint(int(n) + 127) << 23);
    return x < -87.3 ? 0.0 : value;
}

vec4 exp_accurate(vec4 x)
{
    vec4 bounded = clamp(x, vec4(-87.3), vec4(88.0));
    vec4 n = floor(bounded * 1.4426950408889634 + 0.5);
    precise vec4 r = (bounded - n * LN2_HIGH) - n * LN2_LOW;
    vec4 p = vec4(1.0 / 5040.0);
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    vec4 value = 1.0 + (r + r * r * p);
    value *= uintBitsToFloat(uvec4(ivec4(n) + 127) << 23);
    return mix(value, vec4(0.0), lessThan(x, vec4(-87.3)));
}

// ln x for normal positive x.
float log_accurate(float x)
{
    uint bits = floatBitsToUint(x);
    int exponent = int(bits >> 23) - 127;
    float m = uintBitsToFloat((bits & 0x7fffffu) | 0x3f800000u);
    if (m > 1.4142135) {
        m *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh s; |s| <= 0.172, so the first term left out is below 3e-9
    float s = (m - 1.0) / (m + 1.0);
    float s2 = s * s;
    float p = 1.0 / 9.0;
    p = p * s2 + 1.0 / 7.0;
    p = p * s2 + 1.0 / 5.0;
    p = p * s2 + 1.0 / 3.0;
    float log_m = 2.0 * s + 2.0 * s * s2 * p;
    float n = float(exponent);
    return n * LN2_HIGH + (log_m + n * LN2_LOW);
}

// By bits, because drivers may assume that NaN and infinity never happen.
bool is_finite(float x)
{
    return (floatBitsToUint(x) & 0x7f800000u) != 0x7f800000u;
}

#endif
