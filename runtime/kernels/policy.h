#ifndef KERNELS_POLICY_H
#define KERNELS_POLICY_H
/* What was found out about kernels on one device: verdicts on the rows marked `probe`, and the
 * tunings that are to be used in place of the default ones. Plain data, reached through
 * GpuCaps.policy; kernel_choose and kernel_fit obey it. */

#include "kernels/kernel.h"

enum { POLICY_NAME = 48, POLICY_WHY = 200, POLICY_VERDICTS = 128, POLICY_TUNINGS = 128 };

typedef enum KernelFinding {
    FINDING_FASTER,      /* right, and faster than the best other row: the only one that is used */
    FINDING_SLOWER,
    FINDING_LATER,       /* not tried yet: there was no time */
    FINDING_WRONG,       /* wrong numbers */
    FINDING_CRASHED,
    FINDING_TIMED_OUT,
    FINDING_FAILED,      /* an error that it reported itself */
    FINDING_NOT_TRIED,   /* there is nothing to gain here */
    FINDING_COUNT
} KernelFinding;

typedef struct KernelVerdict {
    char row[POLICY_NAME];
    KernelFinding finding;
    char why[POLICY_WHY];        /* one sentence for people */
} KernelVerdict;

typedef struct KernelChoice {
    char row[POLICY_NAME];
    KernelTuning tuning;
} KernelChoice;

typedef struct KernelPolicy {
    char made_by[400];           /* version and driver that it holds for */
    uint32_t verdict_count, tuning_count;
    KernelVerdict verdict[POLICY_VERDICTS];
    KernelChoice tuning[POLICY_TUNINGS];
} KernelPolicy;

/* "faster", "wrong", … */
const char *finding_name(KernelFinding finding);
/* NULL when nothing is known. */
const KernelVerdict *policy_verdict(const KernelPolicy *policy, const char *row);
const KernelTuning *policy_tuning(const KernelPolicy *policy, const char *row);
/* Adds or replaces; beyond the capacity nothing is kept. */
void policy_set_verdict(KernelPolicy *policy, const char *row, KernelFinding finding,
                        const char *why);
void policy_set_tuning(KernelPolicy *policy, const char *row, const KernelTuning *tuning);
/* Nothing is known of the row any more. */
void policy_forget(KernelPolicy *policy, const char *row);

/* Whether a row may be used: not marked `probe`, or found right and faster. */
bool kernel_trusted(const GpuCaps *caps, const KernelRow *row);

/* Whether these constants are the row's default or one of its tunings. */
bool policy_is_tuning(const KernelRow *row, const KernelTuning *tuning);

/* The policy as JSON (malloc'd), and back. False, with made_by at most in `out`, when that is not
 * what policy_text writes: a row, a finding or constants that this build does not have. */
char *policy_text(const KernelPolicy *policy);
bool policy_read(const char *text, KernelPolicy *out);

#endif
