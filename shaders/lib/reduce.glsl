// Sums and maxima over a workgroup of THREADS (a power of two) invocations, as a tree in
// shared memory: the order is fixed, so the same inputs give the same bits.
// All invocations of the group must call them.
#ifndef LIB_REDUCE_GLSL
#define LIB_REDUCE_GLSL

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
