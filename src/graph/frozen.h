#ifndef GRAPH_FROZEN_H
#define GRAPH_FROZEN_H
/* The kernels of a program as lines of text, and a later program held to the same ones: other
 * kernels and other tile sizes round differently, and a run that goes on should not notice that
 * Timbre, or what it found out about the device, has changed meanwhile. Pure. */

#include "graph/graph.h"

/* "family: row constant constant…" each; the lines belong to the caller. */
typedef struct FrozenKernels {
    const char *const *lines;
    uint32_t count;
} FrozenKernels;

/* The line of a row with these specialisation constants. */
void frozen_line(const KernelRow *row, const KernelTuning *tuning, char *text, size_t capacity);
/* The best row for this push that a line names and that is still trusted (kernels/policy.h); NULL
 * when there is none (or frozen is NULL). */
const KernelRow *frozen_row(const FrozenKernels *frozen, const char *family, const Dtype *dtypes,
                            const GpuCaps *caps, const void *push);
/* Keeps *tuning where a line names it; otherwise takes the first tuning a line names that is one
 * of those the row can have for this push here, and otherwise keeps it, too. */
void frozen_tuning(const FrozenKernels *frozen, const KernelRow *row, const GpuCaps *caps,
                   const void *push, KernelTuning *tuning);
/* GraphParams.half for programs on this device: whether both products with f16 operands were found
 * right and faster there; with lines of an earlier program, whether it had them and can again. */
bool frozen_half(const FrozenKernels *frozen, const GpuCaps *caps);
/* GraphParams.in_tile beside that `half`: the types whose products were found right and faster when they
 * decode the weight themselves; with lines of an earlier program, those it had and can have again. */
InTile frozen_in_tile(const FrozenKernels *frozen, const GpuCaps *caps, bool half);

#endif
