#ifndef TESTS_FUZZ_TARGETS_H
#define TESTS_FUZZ_TARGETS_H
/* The readers of files from outside, each with a good file to begin from and what has to
 * hold when a damaged one is taken all the same. */

#include "mutate.h"
#include "test.h"

typedef struct Target {
    const char *name;
    /* Writes good files into the working folder and returns the one to damage, malloc'd. */
    char *(*prepare)(const char *model);
    /* Reads the damaged file at `path`: true when it was taken. What is taken and should not
     * have been is a failed check. */
    bool (*read)(Test *test, const char *path, const Bytes *bytes);
    size_t head;
    const char *const *words;
    void (*mend)(Bytes *bytes);   /* makes a checksum fit again; NULL: none */
    /* Where numbers and lengths are; NULL: nobody knows. The result is malloc'd. */
    size_t *(*spots)(const unsigned char *data, size_t count, size_t *spot_count);
} Target;

extern const Target fuzz_targets[];
extern const size_t fuzz_target_count;

#endif
