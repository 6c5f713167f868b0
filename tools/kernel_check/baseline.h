#ifndef KERNEL_CHECK_BASELINE_H
#define KERNEL_CHECK_BASELINE_H
/* An earlier --bench --json, to compare with. */

#include "report.h"

typedef struct Baseline Baseline;

TMB_MUST_USE tmb_status baseline_open(const char *path, Baseline **out);
void baseline_close(Baseline **baseline);
/* The measurement of the same device, kernel, case and tuning, or NULL; the baseline's. */
const BenchResult *baseline_find(const Baseline *baseline, const Entry *entry);
/* The table for a commit message: what moved, and how many did not. */
void baseline_print(const Report *report);

#endif
