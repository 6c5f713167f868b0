#ifndef TESTS_FUZZ_MUTATE_H
#define TESTS_FUZZ_MUTATE_H
/* Damaged copies of a file: the same seed and number give the same bytes everywhere. */

#include <stddef.h>
#include <stdint.h>

typedef struct Bytes {
    unsigned char *data;     /* malloc'd */
    size_t count;
} Bytes;

/* What there is to damage, and how. */
typedef struct Original {
    const unsigned char *data;
    size_t count;
    size_t head;             /* most damage falls on the first `head` bytes; 0: anywhere */
    const size_t *spots;     /* places of numbers and lengths, which get half of it */
    size_t spot_count;
    const char *const *words;   /* texts that matter to the format, NULL at the end */
} Original;

/* One to eight damages on a copy: flipped bits, numbers that hurt, cut, doubled, swapped and
 * inserted stretches, and the format's own words where they do not belong. */
Bytes mutate(const Original *original, uint64_t seed, uint64_t number);

#endif
