#ifndef CHECK_TRUTH_H
#define CHECK_TRUTH_H
/* What a kernel is given and what it must give back: the inputs of one case and the
 * results of its reference in double precision. Shared by all rows of a family. */

#include "kernels/kernel.h"

typedef struct TruthBind {
    uint64_t elements;
    uint64_t bytes;          /* of the device's form, a multiple of 4 */
    Dtype dtype;
    GpuAccess access;
    unsigned char *before;   /* device bytes at the start: inputs, earlier values, or poison */
    double *want;            /* [elements] afterwards; NaN where nothing may be written */
    double *flushed;         /* [elements] the same had denormal inputs been zeros, or NULL */
    double scale;            /* root mean square of the finite results */
} TruthBind;

typedef struct Truth {
    TruthBind bind[GPU_MAX_BIND];
    uint32_t count;
} Truth;

/* What floats the inputs hold that a case does not draw itself. Drivers may take denormals
 * for zeros, so both are accepted (`flushed`). */
typedef enum TruthRange {
    TRUTH_ORDINARY,          /* standard normals */
    TRUTH_ZERO,
    TRUTH_TINY,              /* zeros of both signs, denormals, the smallest normals */
    TRUTH_LARGE,             /* one binding as large as the results and f32 sums allow */
} TruthRange;

typedef struct TruthInputs {
    TruthRange range;
    uint32_t bind;           /* of TRUTH_LARGE */
} TruthInputs;

/* TMB_OUT_OF_HOST when the case is too big for main memory. */
TMB_MUST_USE tmb_status truth_create(const KernelRow *row, const KernelCase *one, uint64_t seed,
                                     Truth *out);
/* The same with inputs from another range; out->count is 0 when the case has none that
 * could be (it draws its inputs itself, or results would not fit their type). */
TMB_MUST_USE tmb_status truth_create_extreme(const KernelRow *row, const KernelCase *one,
                                             uint64_t seed, TruthInputs inputs, Truth *out);
/* Inputs only, for measuring: `want` stays NULL. */
TMB_MUST_USE tmb_status truth_inputs(const KernelRow *row, const KernelCase *one, uint64_t seed,
                                     Truth *out);
void truth_finish(Truth *truth);

/* The word that fills memory around and in outputs of this type, and one element of a
 * device buffer as double. */
uint32_t truth_poison(Dtype dtype);
double truth_element(const TruthBind *bind, const unsigned char *bytes, uint64_t index);
/* The double after narrowing to the type of the binding and back. */
double truth_narrowed(Dtype dtype, double value);

#endif
