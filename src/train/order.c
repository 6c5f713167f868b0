#include "train/order.h"

#include <stdlib.h>

#include "base/mem.h"

/* rng stays as it was before, so that the same epoch can be shuffled again. */
static void shuffle(Order *order)
{
    Rng rng = order->rng;
    for (uint32_t i = 0; i < order->count; i++)
        order->items[i] = i;
    rng_shuffle(&rng, order->items, order->count);
}

static void advance(Order *order)
{
    rng_shuffle(&order->rng, order->items, order->count);   /* moves it as shuffle() did */
    order->epoch++;
    order->position = 0;
    shuffle(order);
}

tmb_status order_init(Order *order, uint32_t count, uint64_t seed)
{
    *order = (Order){.items = mem_try(count, sizeof *order->items)};
    if (!order->items)
        return fail(TMB_OUT_OF_HOST, "no memory for the order of %u examples", count);
    order->count = count;
    rng_init(&order->rng, seed);
    shuffle(order);
    return TMB_OK;
}

void order_finish(Order *order)
{
    free(order->items);
    *order = (Order){0};
}

void order_restore(Order *order, uint64_t epoch, uint32_t position, const Rng *rng)
{
    order->epoch = epoch;
    order->position = position < order->count ? position : order->count;
    order->rng = *rng;
    shuffle(order);
}

const uint32_t *order_next(Order *order, uint32_t want, uint32_t *got)
{
    if (order->position == order->count)
        advance(order);
    uint32_t left = order->count - order->position;
    *got = want < left ? want : left;
    order->position += *got;
    return order->items + order->position - *got;
}
