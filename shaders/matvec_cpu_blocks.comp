// y[r, first_row + j] = sum_k x[r,k] * w[j,k] (+ y) as matvec_cpu.comp, for types of small blocks:
// codes meet the vectors' terms, scale and offset their sums (lib/codes.glsl). k is a multiple of
// a step's values.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"
#include "push/matvec.push.h"
#include "lib/codes.glsl"

layout(local_size_x = 8) in;
layout(constant_id = 0) const uint PER_LANE = 4;
layout(constant_id = 1) const uint ROWS = 16;   // vectors, at least push.rows

layout(set = 0, binding = 0, rgba32ui) uniform readonly uimageBuffer x;
layout(set = 0, binding = 1, rgba32ui) uniform readonly uimageBuffer w;
#include "lib/matvec_output.glsl"

const uint STEP_VALUES = STEP_BLOCKS * 32u;
const bool ODD = STEP_WORDS % 2u != 0u;         // steps start at odd words, too
const uint TEXELS = (STEP_WORDS + (ODD ? 6u : 5u)) / 4u;   // hold a step wherever it starts

uint words[TEXELS * 4u];                        // a step of one row of w
float term[ROWS * STEP_VALUES];                 // of every vector, times the code's factor
float all[ROWS * STEP_BLOCKS];                  // sums of a block's terms
vec4 factor[STEP_BLOCKS];

void read_words(uint begin, uint end)
{
    [[unroll]] for (uint i = 0u; i < TEXELS; i++) {
        uvec4 texel = imageLoad(w, int(min(begin / 4u + i, end)));
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            words[i * 4u + j] = texel[j];
    }
    [[unroll]] for (uint i = 0u; i < STEP_WORDS + (ODD ? 1u : 0u); i++)
        words[i] = (begin & 2u) != 0u ? words[i + 2u] : words[i];
    [[unroll]] for (uint i = 0u; ODD && i < STEP_WORDS; i++)
        words[i] = (begin & 1u) != 0u ? words[i + 1u] : words[i];
}

void read_terms(uint step)
{
    uint lane = gl_SubgroupInvocationID;
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
        [[unroll]] for (uint b = 0u; b < STEP_BLOCKS; b++) {
            // lane i holds terms 4 i … 4 i + 3
            uint at = min(r, push.rows - 1u) * push.x_stride + step * STEP_VALUES + b * 32u;
            vec4 terms = uintBitsToFloat(imageLoad(x, int(at / 4u + lane)));
            float part = (terms.x + terms.y) + (terms.z + terms.w), whole = 0.0;
            terms *= factor[b];
            [[unroll]] for (uint i = 0u; i < 8u; i++) {
                whole += subgroupShuffle(part, i);
                [[unroll]] for (uint j = 0u; j < 4u; j++)
                    term[r * STEP_VALUES + b * 32u + i * 4u + j] = subgroupShuffle(terms[j], i);
            }
            all[r * STEP_BLOCKS + b] = whole;
        }
}

void main()
{
    uint first = GROUP_INDEX * 8u * PER_LANE;
    if (first >= push.n)
        return;
    uint steps = push.k / STEP_VALUES;
    uint end = push.n * steps * STEP_WORDS / 4u - 1u;
    [[unroll]] for (uint b = 0u; b < STEP_BLOCKS; b++)
        factor[b] = CODE_FACTOR(b, gl_SubgroupInvocationID);
    float sum[ROWS * PER_LANE];
    [[unroll]] for (uint i = 0u; i < ROWS * PER_LANE; i++)
        sum[i] = 0.0;
    for (uint s = 0u; s < steps; s++) {
        read_terms(s);
        [[unroll]] for (uint p = 0u; p < PER_LANE; p++) {
            uint j = min(first + p * 8u + gl_SubgroupInvocationID, push.n - 1u);
            read_words((j * steps + s) * STEP_WORDS, end);
            [[unroll]] for (uint b = 0u; b < STEP_BLOCKS; b++) {
                float low[ROWS], high[ROWS];
                [[unroll]] for (uint r = 0u; r < ROWS; r++)
                    low[r] = high[r] = 0.0;
                [[unroll]] for (uint i = 0u; i < 16u; i++)
                    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                        uint at = r * STEP_VALUES + b * 32u + i;
                        low[r] += CODE(b, i) * term[at];
                        high[r] += CODE(b, i + 16u) * term[at + 16u];
                    }
                [[unroll]] for (uint r = 0u; r < ROWS; r++)
                    sum[r * PER_LANE + p] += dot(AFFINE(b), vec2(low[r] + high[r],
                                                                 all[r * STEP_BLOCKS + b]));
            }
        }
    }
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
        [[unroll]] for (uint p = 0u; p < PER_LANE; p++) {
            uint j = first + p * 8u + gl_SubgroupInvocationID;
            if (r < push.rows && j < push.n)
                put(r, j, sum[r * PER_LANE + p]);
        }
}
