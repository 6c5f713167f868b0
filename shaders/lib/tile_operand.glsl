// How one operand reaches the shared array `tiles` as f32, TILE_K columns of the sums at a time:
// fetched into registers while the tile before is multiplied, stored when that is done. In `tiles`
// it lies as [TILE_K, OPERAND_PITCH]. Included once for each operand, with OPERAND(name) pasting its
// letter to a name, OPERAND_TILE (rows of A or columns of B in a tile), OPERAND_COUNT (in all),
// OPERAND_FIRST (where its tiles begin), OPERAND_PITCH and OPERAND_ALONG_K (1: neighbours in memory
// follow k). Memory is read as it lies, four values at a time where ALIGNED.

const uint OPERAND(RUN) = (OPERAND_ALONG_K != 0 ? TILE_K : OPERAND_TILE) / 4;
const uint OPERAND(FOURS) = OPERAND_TILE * TILE_K / 4;
const uint OPERAND(TURNS) = (OPERAND(FOURS) + THREADS - 1) / THREADS;
vec4 OPERAND(raw)[OPERAND(TURNS)];

// Zeros outside the matrix.
void OPERAND(fetch)(uint outer, uint first)
{
    [[unroll]] for (uint turn = 0; turn < OPERAND(TURNS); turn++) {
        uint i = gl_LocalInvocationID.x + turn * THREADS;
        uint line = i / OPERAND(RUN), within = i % OPERAND(RUN) * 4;
        uint r = outer + (OPERAND_ALONG_K != 0 ? line : within);
        uint s = first + (OPERAND_ALONG_K != 0 ? within : line);
        uint at = push.OPERAND(offset) + (OPERAND_ALONG_K != 0 ? r * push.OPERAND(stride) + s
                                                               : s * push.OPERAND(stride) + r);
        vec4 four = vec4(0.0);
        if (r < OPERAND_COUNT && s < push.k && i < OPERAND(FOURS)) {
            uint limit = OPERAND_ALONG_K != 0 ? push.k - s : OPERAND_COUNT - r;
            if (ALIGNED != 0) {
                four = OPERAND(fours)[at / 4];
            } else {
                [[unroll]] for (uint e = 0; e < 4; e++)
                    if (e < limit)
                        four[e] = OPERAND(values)[at + e];
            }
        }
        OPERAND(raw)[turn] = four;
    }
}

// Stores what was fetched into tile number `tile`.
void OPERAND(keep)(uint tile)
{
    [[unroll]] for (uint turn = 0; turn < OPERAND(TURNS); turn++) {
        uint i = gl_LocalInvocationID.x + turn * THREADS;
        uint line = i / OPERAND(RUN), within = i % OPERAND(RUN) * 4;
        uint at = OPERAND_FIRST + tile * TILE_VALUES +
                  (OPERAND_ALONG_K != 0 ? within * OPERAND_PITCH + line
                                        : line * OPERAND_PITCH + within);
        if (OPERAND(FOURS) % THREADS == 0 || i < OPERAND(FOURS))
            [[unroll]] for (uint e = 0; e < 4; e++)
                tiles[at + e * (OPERAND_ALONG_K != 0 ? OPERAND_PITCH : 1)] = OPERAND(raw)[turn][e];
    }
}

#undef OPERAND
#undef OPERAND_TILE
#undef OPERAND_COUNT
#undef OPERAND_FIRST
#undef OPERAND_PITCH
#undef OPERAND_ALONG_K
