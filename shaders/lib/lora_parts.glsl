// Which adapter a workgroup of lora_vectors works at, and where. Groups take GROUP_ROWS rows of
// one B each, part after part.
#ifndef LIB_LORA_PARTS_GLSL
#define LIB_LORA_PARTS_GLSL

struct Part {
    uint index, n, a, b, first;   // first: the group's first row of B
};

// n is 0 for a surplus group.
Part part_of(uint group)
{
    uint groups0 = (push.n0 + GROUP_ROWS - 1u) / GROUP_ROWS;
    uint groups1 = (push.n1 + GROUP_ROWS - 1u) / GROUP_ROWS;
    uint groups2 = (push.n2 + GROUP_ROWS - 1u) / GROUP_ROWS;
    if (group < groups0)
        return Part(0u, push.n0, push.a0, push.b0, group * GROUP_ROWS);
    group -= groups0;
    if (group < groups1)
        return Part(1u, push.n1, push.a1, push.b1, group * GROUP_ROWS);
    group -= groups1;
    if (group < groups2)
        return Part(2u, push.n2, push.a2, push.b2, group * GROUP_ROWS);
    return Part(0u, 0u, 0u, 0u, 0u);
}

void add_to(uint part, uint at, float value)
{
    if (part == 0u)
        y0[at] += value;
    else if (part == 1u)
        y1[at] += value;
    else
        y2[at] += value;
}

#endif
