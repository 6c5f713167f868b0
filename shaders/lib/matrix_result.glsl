// The factors that keep f16 operands within range, and how a unit of sums becomes a block of C.
#ifndef LIB_MATRIX_RESULT_GLSL
#define LIB_MATRIX_RESULT_GLSL

#ifndef HALF
// Fills factor_bits for the tile of C at (row, column).
void find_factors(uint row, uint column)
{
    for (uint i = gl_LocalInvocationID.x; i < TILE_M + TILE_N; i += THREADS)
        factor_bits[i] = 0u;
    barrier();
    a_find_peaks(row);
    b_find_peaks(column);
    barrier();
    // 2^(14 - exponent of the peak); the clamp keeps its inverse an ordinary number
    for (uint i = gl_LocalInvocationID.x; i < TILE_M + TILE_N; i += THREADS)
        factor_bits[i] = uint(clamp(268 - int(factor_bits[i] >> 23), 14, 253)) << 23;
    barrier();
}
#endif

// What a sum is multiplied by to become the product; r and s count from the tile's corner.
float undone(float sum, uint row, uint r, uint s)
{
#ifdef HALF
    return sum * scale[row + r];
#else
    // in two steps, because the inverse of both factors together may not be a number
    int both = 254 - int(factor_bits[r] >> 23) - int(factor_bits[TILE_M + s] >> 23);
    int half_of_it = both / 2;
    return sum * uintBitsToFloat(uint(127 + half_of_it) << 23) *
           uintBitsToFloat(uint(127 + both - half_of_it) << 23);
#endif
}

void write_one(float sum, uint row, uint column, uint r, uint s)
{
    if (row + r < push.m && column + s < push.n) {
        uint at = push.c_offset + (row + r) * push.c_stride + column + s;
        float value = push.alpha * undone(sum, row, r, s);
        if (push.accumulate != 0u)
            value += c[at];
        c[at] = value;
    }
}

void write_four(uint from, uint row, uint column, uint r, uint s)
{
    if (row + r < push.m && column + s < push.n) {
        uint at = (push.c_offset + (row + r) * push.c_stride + column + s) / 4;
        vec4 value = push.alpha * vec4(undone(stage[from], row, r, s),
                                       undone(stage[from + 1], row, r, s + 1),
                                       undone(stage[from + 2], row, r, s + 2),
                                       undone(stage[from + 3], row, r, s + 3));
        if (push.accumulate != 0u)
            value += c_fours[at];
        c_fours[at] = value;
    }
}

// The unit of C that this subgroup left in `stage`, at (r0, s0) of the tile at (row, column).
// Turns whose number is known, and no way out of the middle: only so compilers unroll the loops
// over units around this, and only then the sums stay in registers (RADV).
void write_unit(uint first, uint row, uint column, uint r0, uint s0)
{
    UNROLL for (uint turn = 0; turn < (UNIT_M * UNIT_N + LANES * 4 - 1) / (LANES * 4); turn++) {
        uint e = (turn * LANES + MATRIX_LANE) * 4;
        uint r = r0 + e / UNIT_N, s = s0 + e % UNIT_N;
        if (UNIT_M * UNIT_N % (LANES * 4) == 0 || e < UNIT_M * UNIT_N) {
            if (ALIGNED != 0) {
                write_four(first + e, row, column, r, s);
            } else {
                UNROLL for (uint j = 0; j < 4; j++)
                    write_one(stage[first + e + j], row, column, r, s + j);
            }
        }
    }
}

#endif
