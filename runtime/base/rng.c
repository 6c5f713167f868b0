#include "base/rng.h"

#include <math.h>

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

void rng_init(Rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t mixed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
        rng->state[i] = mixed ^ mixed >> 31;
    }
}

uint64_t rng_u64(Rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t rng_below(Rng *rng, uint64_t limit)
{
    uint64_t unfair = -limit % limit;   /* rejected so that every value is equally likely */
    uint64_t value;
    do
        value = rng_u64(rng);
    while (value < unfair);
    return value % limit;
}

double rng_double(Rng *rng)
{
    return (double)(rng_u64(rng) >> 11) * 0x1p-53;
}

double rng_normal(Rng *rng)
{
    double radius = sqrt(-2.0 * log(1.0 - rng_double(rng)));
    return radius * cos(6.283185307179586477 * rng_double(rng));
}

void rng_shuffle(Rng *rng, uint32_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)rng_below(rng, i);
        uint32_t held = items[i - 1];
        items[i - 1] = items[other];
        items[other] = held;
    }
}
