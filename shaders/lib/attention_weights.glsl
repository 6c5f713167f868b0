// How a tile of scores becomes weights: the softmax of attention_fwd_matrix.comp, a row of scores
// by PARTS lanes of one subgroup, whose neighbours have other rows and so other banks.
// The weights of a row are 2^(score - reference), of scores times log2 e. A reference is raised, and
// what was summed scaled down, only when a score is HEADROOM above it, and then to LIFT below the
// largest: weights lie below 2^15, the largest above 2^7, so that what f16 loses is 2^-32 of it.
#ifndef LIB_ATTENTION_WEIGHTS_GLSL
#define LIB_ATTENTION_WEIGHTS_GLSL

const float HEADROOM = 15.0, LIFT = 7.0, LOG2_E = 1.4426950408889634, LN_2 = 0.6931471805599453;
const uint PARTS = THREADS / ROWS, LANE_ROWS = LANES / PARTS, EIGHTS_EACH = COLS / 8 / PARTS;

shared float partial[THREADS];   // of rows, for the lanes that share them

uint my_row, part;       // of the tile, of the row
uvec2 seen;              // keys of my row, [begin, end)
float reference, sum;    // of my row; of my part's weights

#define PARTIAL(part) partial[MATRIX_GROUP * LANES + (part) * LANE_ROWS + MATRIX_LANE % LANE_ROWS]

// The fours of scores that are mine.
#define FOURS(i) ((part + i / 2 * PARTS) * 2 + i % 2)

// Puts weights as f16 in the place of the scores, which begin with key `first` and are multiplied by
// `undone`; `whole`: every row sees all of them. Returns what the row's earlier sums are to be
// multiplied by.
float weigh(uint first, bool whole, float undone)
{
    uint row_first = SCORE_FIRST + my_row * SCORE_PITCH;
    vec4 weight[2 * EIGHTS_EACH];
    UNROLL for (uint i = 0; i < 2 * EIGHTS_EACH; i++)
        weight[i] = uintBitsToFloat(tiles[row_first + FOURS(i)]) * undone;
    if (!whole)
        UNROLL for (uint i = 0; i < 2 * EIGHTS_EACH; i++) {
            uvec4 place = first + FOURS(i) * 4 - seen.x + uvec4(0u, 1u, 2u, 3u);
            weight[i] = mix(vec4(-2e30), weight[i], lessThan(place, uvec4(seen.y - seen.x)));
        }
    vec4 each = vec4(-2e30);
    UNROLL for (uint i = 0; i < 2 * EIGHTS_EACH; i++)
        each = max(each, weight[i]);
    float most = max(max(each.x, each.y), max(each.z, each.w)), less = 1.0;
    PARTIAL(part) = most;
    MATRIX_FENCE();   // now all scores of the row are read, too
    UNROLL for (uint i = 0; i < PARTS; i++)
        most = max(most, PARTIAL(i));
    if (most > reference + HEADROOM) {
        less = exp2(reference - (most - LIFT));
        reference = most - LIFT;
        sum *= less;
    }
    // Vulkan's exp2 is good to a few ulp times the argument, enough for weights of 11 bits; that of
    // -2e30 less any reference is 0.
    UNROLL for (uint i = 0; i < EIGHTS_EACH; i++) {
        vec4 low = exp2(weight[2 * i] - reference), high = exp2(weight[2 * i + 1] - reference);
        vec4 both = low + high;
        sum += (both.x + both.y) + (both.z + both.w);
        tiles[row_first + part + i * PARTS] = packed_eight(low, high);
    }
    return less;
}

// Of all weights of my row.
float row_sum()
{
    float total = 0.0;
    PARTIAL(part) = sum;
    MATRIX_FENCE();
    UNROLL for (uint i = 0; i < PARTS; i++)
        total += PARTIAL(i);
    return total;
}

#endif
