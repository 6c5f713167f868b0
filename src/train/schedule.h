#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H
/* Learning-rate schedules, step for step those of transformers'
 * get_constant_schedule_with_warmup, get_linear_… and get_cosine_schedule_with_warmup,
 * so that runs can be compared with PyTorch loss by loss. */

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct Schedule {
    const char *name;
    /* Factor of the base rate after the warm-up; progress in [0, 1] runs from the
     * end of the warm-up to the last step. */
    double (*factor)(double progress);
} Schedule;

/* TMB_USAGE naming the known ones when there is none of this name. */
TMB_MUST_USE tmb_status schedule_find(const char *name, const Schedule **out);

/* Rate of optimizer step `step` (0 is the first) of `steps`. During the first
 * `warmup` steps it climbs from 0 as step/warmup. */
double schedule_rate(const Schedule *schedule, double base_rate, uint64_t step, uint64_t warmup,
                     uint64_t steps);

#endif
