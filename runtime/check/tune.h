#ifndef CHECK_TUNE_H
#define CHECK_TUNE_H
/* Which of a row's tunings is the fastest on this device: a short race over one set of buffers. */

#include "kernels/kernel.h"

enum { TUNE_DEFAULT = -1 };

/* index: of row->tunings, or TUNE_DEFAULT for what kernel_fit takes by itself; seconds: of its best
 * run. The default is raced first; when `limit` seconds are over no further tuning is tried. Those
 * that do not fit the device or do not compile are left out. */
TMB_MUST_USE tmb_status tune_row(Gpu *gpu, const KernelRow *row, const KernelCase *one,
                                 double limit, int *index, double *seconds);

#endif
