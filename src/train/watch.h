#ifndef TRAIN_WATCH_H
#define TRAIN_WATCH_H
/* Notices when steps become slow: another program took the device, or its memory spilled into
 * main memory, which some drivers do without a word. Pure. */

#include <stdbool.h>
#include <stdint.h>

typedef struct StepWatch {
    double usual;            /* seconds per token; 0: not known yet */
    uint32_t steps, slow;    /* seen; slow ones in a row */
    bool told;               /* of the slowness that lasts */
} StepWatch;

/* One more step. How many times slower than usual it was, when that should be told: at the second
 * slow step in a row, once until steps are as usual again. Otherwise 0. */
double watch_step(StepWatch *watch, double seconds, uint64_t tokens);
/* The next step compiles everything and tells nothing. */
void watch_restart(StepWatch *watch);

#endif
