#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H
/* RUN/metrics.jsonl: one line per optimizer step, one per held-out evaluation, one per event
 * that somebody should know of (a lost device, a sudden slowness), in the order they happened. A resumed run first cuts the file back to its checkpoint. */

#include <stdint.h>

#include "base/status.h"

typedef struct StepMetrics {
    uint64_t step;               /* 1 is the first */
    double loss;                 /* mean over the step's supervised tokens */
    double learning_rate;
    double grad_norm;            /* before clipping */
    uint64_t tokens, supervised; /* of this step */
    double fill;                 /* live share of the row tokens, 0…1 */
    double seconds;              /* of this step */
} StepMetrics;

typedef struct EvalMetrics {
    uint64_t step;               /* steps done when it was taken */
    uint64_t tokens;             /* supervised tokens scored */
    double loss;
    int best;
} EvalMetrics;

TMB_MUST_USE tmb_status metrics_step(const char *path, const StepMetrics *metrics);
TMB_MUST_USE tmb_status metrics_eval(const char *path, const EvalMetrics *metrics);
/* A line {"note": text, "step": steps done}: something that befell the run. */
TMB_MUST_USE tmb_status metrics_note(const char *path, uint64_t step, const char *text);
/* Cuts the file back to `bytes`; TMB_IO when it is shorter than that. */
TMB_MUST_USE tmb_status metrics_cut(const char *path, uint64_t bytes);

#endif
