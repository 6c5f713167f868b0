#ifndef BASE_RNG_H
#define BASE_RNG_H
/* A small seeded generator whose whole state is saved in checkpoints:
 * xoshiro256** seeded by splitmix64 (Blackman and Vigna, 2018). */

#include <stddef.h>
#include <stdint.h>

typedef struct Rng {
    uint64_t state[4];
} Rng;

void rng_init(Rng *rng, uint64_t seed);
uint64_t rng_u64(Rng *rng);
uint64_t rng_below(Rng *rng, uint64_t limit);   /* uniform in [0, limit), limit > 0 */
double rng_double(Rng *rng);                    /* uniform in [0, 1), 53 bits */
double rng_normal(Rng *rng);                    /* standard normal, one draw pair per call */
void rng_shuffle(Rng *rng, uint32_t *items, size_t count);

#endif
