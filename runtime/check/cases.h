#ifndef CHECK_CASES_H
#define CHECK_CASES_H
/* A case of a row from beginning to end: which rows share its truth, with which inputs it
 * is run, under which tunings, and why it may not run here. */

#include "check/check.h"

enum { CHECK_MAX_TRUTHS = 3 + GPU_MAX_BIND };

/* Ordinary inputs first, then the extremes of the type where the case is small. */
typedef struct Truths {
    Truth truth[CHECK_MAX_TRUTHS];
    TruthInputs inputs[CHECK_MAX_TRUTHS];
    uint32_t count;
} Truths;

TMB_MUST_USE tmb_status truths_create(const KernelRow *row, const KernelCase *one, uint64_t seed,
                                      Truths *out);
void truths_finish(Truths *truths);

/* check_run for each of the truths, until one fails; `problems` says with which inputs.
 * `worst` is that of the ordinary ones, or of those that failed. */
TMB_MUST_USE tmb_status check_case(Rig *rig, const KernelRow *row, const KernelCase *one,
                                   const KernelTuning *tuning, GpuPipeline *pipeline,
                                   const Truths *truths, Worst *worst, Text *problems);

/* The same for the pipeline and the truths of a row and case, with a tuning (NULL: the best that is
 * known): what kernel-check, `timbre doctor` and the probe of new rows call right. A pipeline that
 * does not compile is a failing status. */
TMB_MUST_USE tmb_status check_row(Rig *rig, const KernelRow *row, const KernelTuning *asked,
                                  const KernelCase *one, Text *problems);

/* Rows with the same reference, cases and types share the truths of a case. */
bool check_same_truth(const KernelRow *a, const KernelRow *b);
/* Why the row cannot run this case on such a device, or NULL; SPIR-V aside. */
const char *check_obstacle(const KernelRow *row, const KernelCase *one, const GpuCaps *caps);

/* Groups of a case under a tuning. */
uint64_t check_groups(const KernelRow *row, const KernelCase *one, const KernelTuning *tuning);
/* Where no case goes beyond 65,535 groups under the default tuning: for the cheapest one that does
 * under another legal tuning, that tuning; otherwise NULL. */
const KernelTuning *check_fold_tuning(const KernelRow *row, const KernelCase *one);
/* Some case and tuning goes beyond 65,535 groups, or the grid is a single group always. */
bool check_folds(const KernelRow *row);
/* Some case that suits the row is small enough to be repeated with extreme inputs. */
bool check_has_extremes(const KernelRow *row);
/* The first name that two of the row's cases share, or NULL. */
const char *check_repeated_case(const KernelRow *row);
/* Elements and operations, as one number to choose cheap cases by. */
double check_cost(const KernelRow *row, const KernelCase *one);

#endif
