// How a quantised operand B reaches the shared array `tiles` of matmul_tile.comp: as lib/tile_operand.glsl
// does it, but eight values at a time are decoded on the way, four and those 16 further of a group of
// 32. Groups lie along k with B_ALONG_K (TILE_K is a multiple of 32), else along the columns of B
// (TILE_N is one); push.b_stride and push.b_offset are multiples of the type's block.

const uint B_LINE = (B_ALONG_K != 0 ? TILE_K : TILE_N) / 8;
const uint B_EIGHTS = TILE_N * TILE_K / 8;
const uint B_TURNS = (B_EIGHTS + THREADS - 1) / THREADS;
vec4 b_low[B_TURNS], b_high[B_TURNS];

// Zeros outside the matrix.
void b_fetch(uint outer, uint first)
{
    [[unroll]] for (uint turn = 0; turn < B_TURNS; turn++) {
        uint i = gl_LocalInvocationID.x + turn * THREADS;
        uint line = i / B_LINE, eight = i % B_LINE, group = eight / 4 * 32;
        uint r = outer + (B_ALONG_K != 0 ? line : group);
        uint s = first + (B_ALONG_K != 0 ? group : line);
        uint at = push.b_offset + (B_ALONG_K != 0 ? r * push.b_stride + s : s * push.b_stride + r);
        vec4 low = vec4(0.0), high = vec4(0.0);
        if (r < push.n && s < push.k && i < B_EIGHTS)
            decode_eight(decode_group(at), at, eight % 4, low, high);
        b_low[turn] = low;
        b_high[turn] = high;
    }
}

// Stores what was fetched into tile number `tile`.
void b_keep(uint tile)
{
    const uint next = B_ALONG_K != 0 ? B_PITCH : 1;
    [[unroll]] for (uint turn = 0; turn < B_TURNS; turn++) {
        uint i = gl_LocalInvocationID.x + turn * THREADS;
        uint line = i / B_LINE, eight = i % B_LINE, within = eight / 4 * 32 + eight % 4 * 4;
        uint at = A_VALUES + tile * TILE_VALUES +
                  (B_ALONG_K != 0 ? within * B_PITCH + line : line * B_PITCH + within);
        if (B_EIGHTS % THREADS == 0 || i < B_EIGHTS)
            [[unroll]] for (uint e = 0; e < 4; e++) {
                tiles[at + e * next] = b_low[turn][e];
                tiles[at + (e + 16) * next] = b_high[turn][e];
            }
    }
}
