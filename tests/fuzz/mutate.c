#include "mutate.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

typedef struct Mutant {
    const Original *original;
    Rng rng;
    Bytes bytes;
    size_t capacity;
} Mutant;

/* Counts, extents and offsets at which readers overflow. */
static const uint64_t numbers[] = {
    0, 1, 2, 3, 7, 8, 31, 32, 33, 255, 256, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff,
    0x100000000, 0x20000000000000, 0x3fffffffffffffff, 0x7fffffffffffffff, 0x8000000000000000,
    0xfffffffffffffff0, 0xffffffffffffffff, 0x7f800000, 0x7fc00000, 0xff800000, 0x00000001,
};

static uint64_t below(Mutant *mutant, uint64_t limit)
{
    return rng_below(&mutant->rng, limit);
}

/* A place in the file, mostly one of the spots or in its head. */
static size_t place(Mutant *mutant)
{
    const Original *original = mutant->original;
    size_t head = original->head;
    if (!mutant->bytes.count)
        return 0;
    if (original->spot_count && below(mutant, 2)) {
        size_t spot = original->spots[below(mutant, original->spot_count)];
        return spot < mutant->bytes.count ? spot : 0;
    }
    if (!head || head > mutant->bytes.count || !below(mutant, 8))
        head = mutant->bytes.count;
    return (size_t)below(mutant, head);
}

/* A stretch from `at` on: short as a rule. */
static size_t stretch(Mutant *mutant, size_t at)
{
    size_t room = mutant->bytes.count - at;
    size_t most = below(mutant, 4) ? 16 : 4096;
    return room ? 1 + (size_t)below(mutant, room < most ? room : most) : 0;
}

static void insert(Mutant *mutant, size_t at, const void *data, size_t count)
{
    Bytes *bytes = &mutant->bytes;
    if (bytes->count + count > mutant->capacity)
        return;
    memmove(bytes->data + at + count, bytes->data + at, bytes->count - at);
    memcpy(bytes->data + at, data, count);
    bytes->count += count;
}

static void cut(Mutant *mutant, size_t at, size_t count)
{
    Bytes *bytes = &mutant->bytes;
    memmove(bytes->data + at, bytes->data + at + count, bytes->count - at - count);
    bytes->count -= count;
}

static void overwrite_number(Mutant *mutant, size_t at)
{
    static const size_t widths[] = {1, 2, 4, 8};
    size_t width = widths[below(mutant, COUNT_OF(widths))];
    uint64_t value = numbers[below(mutant, COUNT_OF(numbers))];
    if (!below(mutant, 3))
        value = mutant->bytes.count + below(mutant, 65) - 32;
    if (mutant->bytes.count < at + width)
        return;
    for (size_t i = 0; i < width; i++)
        mutant->bytes.data[at + i] = (unsigned char)(value >> 8 * i & 0xff);
}

/* In a text: another number in place of the digits at `at`, or a word. */
static void replace_digits(Mutant *mutant, size_t at)
{
    static const char *const texts[] = {"0", "-1", "1", "3", "4294967296", "1e18", "1e999", "0.5",
                                        "9007199254740993", "-0", "1e-400", "null", "\"\"", "[]"};
    const char *text = texts[below(mutant, COUNT_OF(texts))];
    size_t length = 0;
    while (at + length < mutant->bytes.count &&
           strchr("0123456789.-+e", mutant->bytes.data[at + length]) &&
           mutant->bytes.data[at + length])
        length++;
    if (!length)
        return;
    cut(mutant, at, length);
    insert(mutant, at, text, strlen(text));
}

static void insert_word(Mutant *mutant, size_t at)
{
    const char *const *words = mutant->original->words;
    size_t count = 0;
    while (words && words[count])
        count++;
    if (!count)
        return;
    const char *word = words[below(mutant, count)];
    size_t length = strlen(word);
    if (below(mutant, 2)) {
        insert(mutant, at, word, length);
        return;
    }
    if (length <= mutant->bytes.count - at)
        memcpy(mutant->bytes.data + at, word, length);
}

static void copy_stretch(Mutant *mutant, size_t at)
{
    size_t count = stretch(mutant, at), to = place(mutant);
    unsigned char *copy = mem_new(count ? count : 1, 1);
    memcpy(copy, mutant->bytes.data + at, count);
    if (below(mutant, 2))
        insert(mutant, to, copy, count);
    else if (count <= mutant->bytes.count - to)
        memcpy(mutant->bytes.data + to, copy, count);
    free(copy);
}

static void damage(Mutant *mutant)
{
    size_t at = place(mutant);
    if (!mutant->bytes.count)
        return;
    switch (below(mutant, 11)) {
    case 0: case 1:
        mutant->bytes.data[at] ^= (unsigned char)(1u << below(mutant, 8));
        break;
    case 2:
        mutant->bytes.data[at] = (unsigned char)below(mutant, 256);
        break;
    case 3: case 4:
        overwrite_number(mutant, at);
        break;
    case 5:
        cut(mutant, at, stretch(mutant, at));
        break;
    case 6:
        copy_stretch(mutant, at);
        break;
    case 7:
        insert_word(mutant, at);
        break;
    case 8: case 9:
        replace_digits(mutant, at);
        break;
    default:
        if (!below(mutant, 4))
            mutant->bytes.count = at;
        else
            memset(mutant->bytes.data + at, (int)below(mutant, 256), stretch(mutant, at));
    }
}

Bytes mutate(const Original *original, uint64_t seed, uint64_t number)
{
    Mutant mutant = {.original = original, .capacity = 2 * original->count + 65536};
    rng_init(&mutant.rng, seed * 1000003 + number);
    mutant.bytes.data = mem_new(mutant.capacity, 1);
    mutant.bytes.count = original->count;
    memcpy(mutant.bytes.data, original->data, original->count);
    for (uint64_t left = 1 + below(&mutant, below(&mutant, 3) ? 2 : 8); left > 0; left--)
        damage(&mutant);
    return mutant.bytes;
}
