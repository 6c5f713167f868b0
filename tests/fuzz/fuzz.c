/* Damaged files into every reader of files from outside: nothing may crash, hang, or be taken
 * with values that no reader may let through. Sanitizers make it stricter.
 *
 *     fuzz MODEL.gguf COUNT [TARGET [SEED [NUMBER]]]
 *
 * COUNT files for each target; with NUMBER only that one, as a failure names it. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "targets.h"

enum { DEFAULT_SEED = 7, TOLD_EVERY = 250 };
static const double most_seconds = 5;      /* of one file; the slowest takes 0.05 sanitized */

typedef struct Tally {
    unsigned taken, refused;
    double slowest;
} Tally;

static void write_bytes(Test *test, const char *path, const Bytes *bytes)
{
    FILE *file = os_fopen(path, "wb");   /* without the fsync of os_write_file */
    REQUIRE(test, file != NULL);
    CHECK(test, fwrite(bytes->data, 1, bytes->count, file) == bytes->count);
    fclose(file);
}

static void one(Test *test, const Target *target, const Original *original, const char *path,
                uint64_t seed, uint64_t number, Tally *tally)
{
    unsigned failed = test->failed;
    Bytes bytes = mutate(original, seed, number);
    if (target->mend)
        target->mend(&bytes);
    write_bytes(test, path, &bytes);
    double start = os_seconds();
    bool taken = target->read(test, path, &bytes);
    double seconds = os_seconds() - start;
    CHECK(test, seconds < most_seconds);
    if (test->failed > failed)
        printf("  above: fuzz MODEL 1 %s %llu %llu\n", target->name, (unsigned long long)seed,
               (unsigned long long)number);
    tally->taken += taken;
    tally->refused += !taken;
    if (seconds > tally->slowest)
        tally->slowest = seconds;
    free(bytes.data);
}

static void run(Test *test, const Target *target, const char *model, uint64_t seed,
                uint64_t first, uint64_t count)
{
    char *path = target->prepare(model);
    char *good = NULL;
    size_t bytes = 0;
    Tally tally = {0};
    if (!CHECK(test, path != NULL) || !CHECK_OK(test, os_read_file(path, &good, &bytes))) {
        free(path);
        return;
    }
    Original original = {.data = (const unsigned char *)good, .count = bytes,
                         .head = target->head, .words = target->words};
    size_t *spots = NULL;
    if (target->spots)
        original.spots = spots = target->spots(original.data, bytes, &original.spot_count);
    Bytes whole = {(unsigned char *)good, bytes};
    if (!CHECK(test, target->read(test, path, &whole)))
        printf("  the undamaged file of %s was refused: %s\n", target->name, tmb_last_error());
    for (uint64_t number = first; number < first + count; number++) {
        if (number % TOLD_EVERY == 0 || count == 1) {   /* where a crash was, roughly */
            printf("%s from %llu\n", target->name, (unsigned long long)number);
            fflush(stdout);
        }
        one(test, target, &original, path, seed, number, &tally);
    }
    CHECK(test, tally.refused > 0 || count < 100);
    printf("%-12s %u refused, %u taken, slowest %.3f s\n", target->name, tally.refused,
           tally.taken, tally.slowest);
    free(spots);
    free(path);
    free(good);
}

/* Readers warn of what they pass over: thousands of lines here. */
static void swallow(void *context, LogLevel level, const char *text)
{
    (void)context, (void)level, (void)text;
}

int main(int argc, char **argv)
{
    Test test = {.name = "fuzz"};
    os_arguments(&argc, &argv);
    if (argc < 3) {
        fprintf(stderr, "usage: fuzz MODEL.gguf COUNT [TARGET [SEED [NUMBER]]]\n");
        return 2;
    }
    log_set_sink(swallow, NULL);
    const char *only = argc > 3 ? argv[3] : "";
    uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 10) : DEFAULT_SEED;
    uint64_t first = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
    uint64_t count = argc > 5 ? 1 : strtoull(argv[2], NULL, 10);
    for (size_t i = 0; i < fuzz_target_count; i++)
        if (!*only || !strcmp(only, fuzz_targets[i].name))
            run(&test, &fuzz_targets[i], argv[1], seed, first, count);
    return test_end(&test);
}
