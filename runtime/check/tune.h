#ifndef CHECK_TUNE_H
#define CHECK_TUNE_H
/* Which of a row's tunings is the fastest on this device: a short race over one set of buffers. */

#include "kernels/kernel.h"

enum { TUNE_DEFAULT = -1, TUNE_MOST = 16 };

/* What was measured. `index` is of row->tunings, or TUNE_DEFAULT for what kernel_fit takes by
 * itself; `seconds` those of the best run. */
typedef struct TuneTime {
    int index;
    double seconds;
} TuneTime;

typedef struct TuneResult {
    TuneTime time[TUNE_MOST + 1];   /* in the order of the race, the default first */
    uint32_t count;
    bool unfinished;                /* there was no time for some */
    TuneTime best;
} TuneResult;

/* Each tuning as it would be used at these sizes had it been chosen; those that come to the same
 * constants run once. When `limit` seconds are over since the first no further tuning is tried, and none
 * that would end after `end` (of os_seconds) if it took as long as the one before. Those that do not
 * fit the device or do not compile are left out. */
TMB_MUST_USE tmb_status tune_row(Gpu *gpu, const KernelRow *row, const KernelCase *one,
                                 double limit, double end, TuneResult *out);

/* Seconds that the device takes for what kernel_fit chooses, after a run to warm up. */
TMB_MUST_USE tmb_status tune_time(Gpu *gpu, const KernelRow *row, const KernelCase *one,
                                  double *seconds);

#endif
