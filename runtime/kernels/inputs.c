#include "kernels/inputs.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"

bool input_below(double *values, uint64_t count, uint64_t limit, uint64_t seed)
{
    Rng rng;
    rng_init(&rng, seed);
    for (uint64_t i = 0; i < count; i++)
        values[i] = (double)rng_below(&rng, limit);
    return true;
}

bool input_distinct(double *values, uint64_t count, uint64_t limit, uint64_t seed)
{
    Rng rng;
    rng_init(&rng, seed);
    uint32_t *items = MEM_NEW_ARRAY(uint32_t, limit);
    for (uint64_t i = 0; i < limit; i++)
        items[i] = (uint32_t)i;
    rng_shuffle(&rng, items, limit);
    for (uint64_t i = 0; i < count; i++)
        values[i] = items[i];
    free(items);
    return true;
}

bool input_between(double *values, uint64_t count, double low, double high, uint64_t seed)
{
    Rng rng;
    rng_init(&rng, seed);
    for (uint64_t i = 0; i < count; i++)
        values[i] = low + (high - low) * rng_double(&rng);
    return true;
}

bool input_peaks(double *values, uint64_t count, uint64_t cols)
{
    for (uint64_t i = 0; i < count; i++) {
        double away = (double)(i % cols) - (double)(i / cols % cols);
        values[i] = 3 - 100 * (away < 0 ? -away : away);
    }
    return true;
}

void grid_of_items(uint64_t items, const KernelTuning *tuning, uint32_t groups[3])
{
    kernel_fold((items + tuning->spec[0] - 1) / tuning->spec[0], groups);
}
