// How one operand reaches the shared array `tiles` as f16, TILE_K columns of the sums at a time:
// fetched into registers while the tile before is multiplied, stored when that is done. Included
// once for each operand, with OPERAND(name) pasting its letter to a name, OPERAND_TILE (rows of A
// or columns of B in a tile), OPERAND_COUNT (in all), OPERAND_FIRST (where its tiles begin in
// `tiles`), OPERAND_PITCH, OPERAND_PEAK (where its factors begin in `factor_bits`) and OPERAND_ALONG_K (1: eight
// neighbours in memory follow k). Both are read as they lie, so every read is a run of memory.

const uint OPERAND(RUN) = (OPERAND_ALONG_K != 0 ? TILE_K : OPERAND_TILE) / 8;
const uint OPERAND(EIGHTS) = OPERAND_TILE * TILE_K / 8;
const uint OPERAND(TURNS) = (OPERAND(EIGHTS) + THREADS - 1) / THREADS;

#ifdef HALF
uvec4 OPERAND(raw)[OPERAND(TURNS)];
#else
vec4 OPERAND(raw)[OPERAND(TURNS) * 2];
#endif

// Reads the eighth number `turn` of this invocation from the tile at (outer, first).
void OPERAND(fetch_eighth)(uint turn, uint outer, uint first)
{
    uint i = gl_LocalInvocationID.x + turn * THREADS;
    uint line = i / OPERAND(RUN), within = i % OPERAND(RUN) * 8;
    uint r = outer + (OPERAND_ALONG_K != 0 ? line : within);
    uint s = first + (OPERAND_ALONG_K != 0 ? within : line);
    bool inside = r < OPERAND_COUNT && s < push.k && i < OPERAND(EIGHTS);
    uint at = push.OPERAND(offset) + (OPERAND_ALONG_K != 0 ? r * push.OPERAND(stride) + s
                                                           : s * push.OPERAND(stride) + r);
    uint limit = OPERAND_ALONG_K != 0 ? push.k - s : OPERAND_COUNT - r;
#ifdef HALF
    uvec4 eight = uvec4(0u);
    if (ALIGNED != 0) {
        if (inside)
            eight = OPERAND(eights)[at / 8];
    } else if (inside) {
        UNROLL for (uint e = 0; e < 8; e++)
            if (e < limit)
                eight[e / 2] |= (OPERAND(words)[(at + e) / 2] >> (((at + e) & 1u) * 16u) & 0xffffu)
                                << ((e & 1u) * 16u);
    }
    OPERAND(raw)[turn] = eight;
#else
    vec4 low = vec4(0.0), high = vec4(0.0);
    if (ALIGNED != 0) {
        if (inside) {
            low = OPERAND(fours)[at / 4];
            high = OPERAND(fours)[at / 4 + 1];
        }
    } else if (inside) {
        UNROLL for (uint e = 0; e < 4; e++) {
            if (e < limit)
                low[e] = OPERAND(values)[at + e];
            if (e + 4 < limit)
                high[e] = OPERAND(values)[at + e + 4];
        }
    }
    OPERAND(raw)[2 * turn] = low;
    OPERAND(raw)[2 * turn + 1] = high;
#endif
}

void OPERAND(fetch)(uint outer, uint first)
{
    UNROLL for (uint turn = 0; turn < OPERAND(TURNS); turn++)
        OPERAND(fetch_eighth)(turn, outer, first);
}

// Stores what was fetched, times the factors, into tile number `tile`.
void OPERAND(keep)(uint tile)
{
    UNROLL for (uint turn = 0; turn < OPERAND(TURNS); turn++) {
        uint i = gl_LocalInvocationID.x + turn * THREADS;
        uint line = i / OPERAND(RUN), within = i % OPERAND(RUN);
        uint at = OPERAND_FIRST + tile * TILE_EIGHTS + line * OPERAND_PITCH + within;
        bool mine = OPERAND(EIGHTS) % THREADS == 0 || i < OPERAND(EIGHTS);
#ifdef HALF
        if (mine)
            tiles[at] = OPERAND(raw)[turn];
#else
        vec4 low, high;
        if (OPERAND_ALONG_K != 0) {
            low = high = vec4(uintBitsToFloat(factor_bits[OPERAND_PEAK + line]));
        } else {
            UNROLL for (uint e = 0; e < 4; e++) {
                low[e] = uintBitsToFloat(factor_bits[OPERAND_PEAK + within * 8 + e]);
                high[e] = uintBitsToFloat(factor_bits[OPERAND_PEAK + within * 8 + e + 4]);
            }
        }
        low *= OPERAND(raw)[2 * turn];
        high *= OPERAND(raw)[2 * turn + 1];
        if (mine)
            tiles[at] = uvec4(packHalf2x16(low.xy), packHalf2x16(low.zw), packHalf2x16(high.xy),
                              packHalf2x16(high.zw));
#endif
    }
}

#ifndef HALF
// The largest magnitude of every row of A or column of B in this tile, as float bits (which
// order as the floats do), into factor_bits; those were zero.
void OPERAND(find_peaks)(uint outer)
{
    vec4 low[OPERAND(TURNS)], high[OPERAND(TURNS)];
    UNROLL for (uint turn = 0; turn < OPERAND(TURNS); turn++)
        low[turn] = high[turn] = vec4(0.0);
    for (uint first = 0; first < push.k; first += TILE_K) {
        OPERAND(fetch)(outer, first);
        UNROLL for (uint turn = 0; turn < OPERAND(TURNS); turn++) {
            low[turn] = max(low[turn], abs(OPERAND(raw)[2 * turn]));
            high[turn] = max(high[turn], abs(OPERAND(raw)[2 * turn + 1]));
        }
    }
    UNROLL for (uint turn = 0; turn < OPERAND(TURNS); turn++) {
        uint i = gl_LocalInvocationID.x + turn * THREADS;
        uint line = i / OPERAND(RUN), within = i % OPERAND(RUN) * 8;
        if (i >= OPERAND(EIGHTS))
            break;
        if (OPERAND_ALONG_K != 0) {
            vec4 most = max(low[turn], high[turn]);
            atomicMax(factor_bits[OPERAND_PEAK + line],
                      floatBitsToUint(max(max(most.x, most.y), max(most.z, most.w))));
        } else {
            UNROLL for (uint e = 0; e < 4; e++) {
                atomicMax(factor_bits[OPERAND_PEAK + within + e], floatBitsToUint(low[turn][e]));
                atomicMax(factor_bits[OPERAND_PEAK + within + e + 4],
                          floatBitsToUint(high[turn][e]));
            }
        }
    }
}
#endif

#undef OPERAND
#undef OPERAND_TILE
#undef OPERAND_COUNT
#undef OPERAND_FIRST
#undef OPERAND_PEAK
#undef OPERAND_PITCH
#undef OPERAND_ALONG_K
