#ifndef CHECK_BENCH_H
#define CHECK_BENCH_H
/* Speed of one case: the median of runs over rotating buffers, so that caches do not
 * answer for memory. */

#include "check/check.h"

/* seconds of the median run; bytes: every binding once, those updated in place twice. */
TMB_MUST_USE tmb_status bench_run(Gpu *gpu, const KernelRow *row, const KernelCase *one,
                                  const KernelTuning *tuning, GpuPipeline *pipeline,
                                  uint64_t seed, double *seconds, double *bytes);

#endif
