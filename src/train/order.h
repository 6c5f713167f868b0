#ifndef TRAIN_ORDER_H
#define TRAIN_ORDER_H
/* Which examples make up each optimizer step: every epoch is a fresh shuffle, a step takes
 * the next `step_examples` of it, and the last step of an epoch may be smaller. The state
 * is small and is saved in checkpoints. */

#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

typedef struct Order {
    uint32_t *items;         /* [count] of this epoch */
    uint32_t count;
    uint64_t epoch;
    uint32_t position;       /* taken from this epoch */
    Rng rng;                 /* as it was before this epoch's shuffle */
} Order;

/* TMB_OUT_OF_HOST when so many cannot be numbered in memory. */
TMB_MUST_USE tmb_status order_init(Order *order, uint32_t count, uint64_t seed);
void order_finish(Order *order);
/* Continues where a saved state stopped: the same steps follow. */
void order_restore(Order *order, uint64_t epoch, uint32_t position, const Rng *rng);
/* The next step's examples, at most `want`, as a pointer into items; starts the next
 * epoch when this one is used up. */
const uint32_t *order_next(Order *order, uint32_t want, uint32_t *got);

#endif
