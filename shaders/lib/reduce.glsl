// Sums and maxima over a workgroup of THREADS invocations, the same for all of them. All
// invocations of the group must call them. The order is fixed, so the same inputs give the
// same bits: a tree in shared memory (THREADS a power of two), or with ONE_SUBGROUP defined
// the subgroup's own reduction, for rows whose workgroup is exactly one subgroup.
#ifndef LIB_REDUCE_GLSL
#define LIB_REDUCE_GLSL

#ifdef ONE_SUBGROUP

#define group_sum(value) subgroupAdd(value)
#define group_max(value) subgroupMax(value)

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
