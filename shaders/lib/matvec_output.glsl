// Where results of matvec go. One binding for several outputs: on llvmpipe every store costs, also
// one in a branch not taken.
#ifndef LIB_MATVEC_OUTPUT_GLSL
#define LIB_MATVEC_OUTPUT_GLSL

layout(set = 0, binding = 2) buffer Y { float y[]; };

// Row j of w met vector r.
void put(uint r, uint j, float sum)
{
    uint n0 = push.n - push.n1 - push.n2, n01 = push.n - push.n2;
    uint at = r * push.y_stride + push.first_row + j;
    at = j < n0 ? at : push.y1 + r * push.n1 + j - n0;
    at = j < n01 ? at : push.y2 + r * push.n2 + j - n01;
    y[at] = push.accumulate != 0u ? y[at] + sum : sum;
}

#endif
