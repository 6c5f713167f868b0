// Sums and maxima over a workgroup of THREADS invocations, the same for all of them. All
// invocations of the group must call them. The order is fixed, so the same inputs give the
// same bits: a tree in shared memory (THREADS a power of two); with ONE_SUBGROUP defined
// the subgroup's own reduction, for rows whose workgroup is exactly one subgroup; with SUBGROUPS
// that of each subgroup of SUBGROUP invocations, then over the subgroups in their order. EMULATED
// does the last with shared memory in place of subgroup operations, so that every size can be
// checked on any device.
#ifndef LIB_REDUCE_GLSL
#define LIB_REDUCE_GLSL

#ifdef ONE_SUBGROUP

#define group_sum(value) subgroupAdd(value)
#define group_max(value) subgroupMax(value)

#elif defined SUBGROUPS

#ifndef SUBGROUP_CONSTANT
#define SUBGROUP_CONSTANT 1
#endif
layout(constant_id = SUBGROUP_CONSTANT) const uint SUBGROUP = 32;
shared float reduce_scratch[THREADS / SUBGROUP];

#ifdef EMULATED
shared float lane_values[THREADS];
#define OF_SUBGROUP(name, combine)                                                      \
    float name(float value)                                                             \
    {                                                                                   \
        uint lane = gl_LocalInvocationID.x;                                             \
        barrier();                                                                      \
        lane_values[lane] = value;                                                      \
        barrier();                                                                      \
        uint first = lane / SUBGROUP * SUBGROUP;                                        \
        float result = lane_values[first];                                              \
        for (uint i = 1; i < SUBGROUP; i++)                                             \
            result = combine(result, lane_values[first + i]);                           \
        return result;                                                                  \
    }
#define PLUS(a, b) ((a) + (b))
OF_SUBGROUP(subgroup_sum, PLUS)
OF_SUBGROUP(subgroup_max, max)
#define SUBGROUP_NUMBER (gl_LocalInvocationID.x / SUBGROUP)
#define IS_FIRST (gl_LocalInvocationID.x % SUBGROUP == 0)
#else
#define subgroup_sum(value) subgroupAdd(value)
#define subgroup_max(value) subgroupMax(value)
#define SUBGROUP_NUMBER gl_SubgroupID
#define IS_FIRST subgroupElect()
#endif

void share(float value)
{
    barrier();   // an earlier result may still be being read
    if (IS_FIRST)
        reduce_scratch[SUBGROUP_NUMBER] = value;
    barrier();
}

float group_sum(float value)
{
    float sum = subgroup_sum(value);
    if (THREADS == SUBGROUP)
        return sum;
    share(sum);
    sum = reduce_scratch[0];
    for (uint i = 1; i < THREADS / SUBGROUP; i++)
        sum += reduce_scratch[i];
    return sum;
}

float group_max(float value)
{
    float highest = subgroup_max(value);
    if (THREADS == SUBGROUP)
        return highest;
    share(highest);
    highest = reduce_scratch[0];
    for (uint i = 1; i < THREADS / SUBGROUP; i++)
        highest = max(highest, reduce_scratch[i]);
    return highest;
}

#else

shared float reduce_scratch[THREADS];

float group_sum(float value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();   // an earlier result may still be being read
    reduce_scratch[lane] = value;
    barrier();
    for (uint half_size = THREADS / 2; half_size > 0; half_size /= 2) {
        if (lane < half_size)
            reduce_scratch[lane] += reduce_scratch[lane + half_size];
        barrier();
    }
    return reduce_scratch[0];
}

float group_max(float value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    reduce_scratch[lane] = value;
    barrier();
    for (uint half_size = THREADS / 2; half_size > 0; half_size /= 2) {
        if (lane < half_size)
            reduce_scratch[lane] = max(reduce_scratch[lane], reduce_scratch[lane + half_size]);
        barrier();
    }
    return reduce_scratch[0];
}

#endif
#endif
