// How a quantised operand B reaches the shared array `tiles` of matmul_matrix.comp: as lib/matrix_operand.glsl
// does it for f16 in memory, but 16 values at a time are decoded and rounded as expand.comp rounds
// them, eight and those 16 further of a group of 32. Groups lie along k with B_ALONG_K (TILE_K is a multiple
// of 32), else along the columns of B (TILE_N is one); push.b_stride and push.b_offset are multiples of
// the type's block.

#ifdef B_ALONG_K
const uint B_LINE = TILE_K / 16;
#else
const uint B_LINE = TILE_N / 16;
#endif
const uint B_SIXTEENS = TILE_N * TILE_K / 16;
const uint B_TURNS = (B_SIXTEENS + THREADS - 1) / THREADS;
uvec4 b_low[B_TURNS], b_high[B_TURNS];

#ifdef EMULATED
#include "lib/half.glsl"
#define HALF_PAIR(pair) half_pair(pair)
#else
// The driver's own conversion, one instruction where half_pair takes twenty: were it not to the nearest,
// the sums would show it, and the row is used only where they were right.
#define HALF_PAIR(pair) packFloat2x16(f16vec2(pair))
#endif

uvec4 eight_halves(vec4 low, vec4 high)
{
    return uvec4(HALF_PAIR(low.xy), HALF_PAIR(low.zw), HALF_PAIR(high.xy), HALF_PAIR(high.zw));
}

// Zeros outside the matrix.
void b_fetch(uint outer, uint first)
{
    UNROLL for (uint turn = 0; turn < B_TURNS; turn++) {
        uint i = gl_LocalInvocationID.x + turn * THREADS;
        uint line = i / B_LINE, sixteen = i % B_LINE, group = sixteen / 2 * 32;
#ifdef B_ALONG_K
        uint r = outer + line, s = first + group, at = push.b_offset + r * push.b_stride + s;
#else
        uint r = outer + group, s = first + line, at = push.b_offset + s * push.b_stride + r;
#endif
        b_low[turn] = b_high[turn] = uvec4(0u);
        if (r < push.n && s < push.k && i < B_SIXTEENS) {
            DecodeGroup scales = decode_group(at);
            vec4 low[2], high[2];
            UNROLL for (uint e = 0; e < 2; e++)
                decode_eight(scales, at, sixteen % 2 * 2 + e, low[e], high[e]);
            b_low[turn] = eight_halves(low[0], low[1]);
            b_high[turn] = eight_halves(high[0], high[1]);
        }
    }
}

// Stores what was fetched into tile number `tile`.
void b_keep(uint tile)
{
    UNROLL for (uint turn = 0; turn < B_TURNS; turn++) {
        uint i = gl_LocalInvocationID.x + turn * THREADS;
        uint line = i / B_LINE, sixteen = i % B_LINE;
        uint at = A_TILE_EIGHTS + tile * TILE_EIGHTS + line * B_PITCH + sixteen / 2 * 4 + sixteen % 2;
        if (B_SIXTEENS % THREADS == 0 || i < B_SIXTEENS) {
            tiles[at] = b_low[turn];
            tiles[at + 2] = b_high[turn];
        }
    }
}
