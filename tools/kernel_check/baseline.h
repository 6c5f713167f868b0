#ifndef KERNEL_CHECK_BASELINE_H
#define KERNEL_CHECK_BASELINE_H
/* An earlier --bench --json, to compare with. */

#include "report.h"

typedef struct Baseline Baseline;

TMB_MUST_USE tmb_status baseline_open(const char *path, Baseline **out);
void baseline_close(Baseline **baseline);
/* Gives the entry the measurement of the same device, kernel and case, the baseline's: of the same tuning,
 * or, where the tuning was not asked for, under another, because defaults change. */
void baseline_find(const Baseline *baseline, bool asked, Entry *entry);
/* The table for a commit message: what moved, and how many did not. */
void baseline_print(const Report *report);
/* TMB_BAD_INPUT when there are measurements and none of them is in the baseline. */
TMB_MUST_USE tmb_status baseline_matches(const Report *report);

#endif
