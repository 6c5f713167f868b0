// What all invocations of a group have summed up, CHUNK sums at a time, in an order that does not
// change. Wants THREADS, a multiple of CHUNK.
const uint CHUNK = 16u, SLICES = THREADS / CHUNK;
shared float partial[THREADS * CHUNK];

// Invocation i < CHUNK gets the group's i-th sum, the others something else. Before a second call a
// barrier is due: what the first one left may still be being read.
float chunk_total(float sum[CHUNK])
{
    uint lane = gl_LocalInvocationID.x;
    [[unroll]] for (uint i = 0u; i < CHUNK; i++)
        partial[i * THREADS + lane] = sum[i];
    barrier();
    // SLICES invocations to a sum, CHUNK terms each
    uint at = lane / SLICES * THREADS + lane % SLICES;
    float all = partial[at];
    [[unroll]] for (uint i = 1u; i < CHUNK; i++)
        all += partial[at + i * SLICES];
    if (SLICES > 1u) {
        barrier();
        partial[lane] = all;
        barrier();
    }
    if (lane < CHUNK) {
        all = SLICES > 1u ? partial[lane * SLICES] : all;
        for (uint i = 1u; i < SLICES; i++)
            all += partial[lane * SLICES + i];
    }
    return all;
}
