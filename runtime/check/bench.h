#ifndef CHECK_BENCH_H
#define CHECK_BENCH_H
/* Speed of one case: medians of runs over rotating buffers, so that caches do not answer
 * for memory. */

#include "check/check.h"

/* Several medians are taken one after another; how far they lie apart is the noise. */
typedef struct BenchResult {
    double seconds, low, high;   /* the median of the medians, the least, the largest */
    double bytes;                /* every binding once, those updated in place twice */
} BenchResult;

TMB_MUST_USE tmb_status bench_run(Gpu *gpu, const KernelRow *row, const KernelCase *one,
                                  const KernelTuning *tuning, GpuPipeline *pipeline,
                                  uint64_t seed, BenchResult *out);

/* Half of the distance of the extreme medians, as a share of the time. */
double bench_noise(const BenchResult *result);
/* Whether `now` is slower than `before` by more than both noises explain. */
bool bench_is_slower(const BenchResult *before, const BenchResult *now);

#endif
