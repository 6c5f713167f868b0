#ifndef TESTS_TEST_H
#define TESTS_TEST_H
/* The few lines every test program shares. A check never stops the program:
 *
 *     Test test = {"gguf"};
 *     CHECK(&test, bytes == 7);
 *     CHECK_STATUS(&test, TMB_BAD_INPUT, gguf_open(path, &gguf));
 *     return test_end(&test);
 *
 * The last line printed is "N passed, N failed, N skipped". */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "timbre/status.h"

typedef struct Test {
    const char *name;
    unsigned passed, failed, skipped;
} Test;

static inline bool test_check(Test *test, bool good, const char *what, const char *file, int line)
{
    if (good)
        test->passed++;
    else if (++test->failed <= 50)     /* a broken loop should not flood the log */
        printf("%s:%d: %s: failed: %s\n", file, line, test->name, what);
    return good;
}

static inline bool test_status(Test *test, tmb_status wanted, tmb_status got, const char *what,
                               const char *file, int line)
{
    if (wanted != got && test->failed < 50)
        printf("  status %d instead of %d: %s\n", got, wanted, got ? tmb_last_error() : "ok");
    return test_check(test, wanted == got, what, file, line);
}

static inline bool test_string(Test *test, const char *wanted, const char *got, const char *what,
                               const char *file, int line)
{
    bool good = wanted && got && strcmp(wanted, got) == 0;
    if (!good && test->failed < 50)
        printf("  wanted \"%s\"\n  got    \"%s\"\n", wanted ? wanted : "NULL", got ? got : "NULL");
    return test_check(test, good, what, file, line);
}

static inline bool test_near(Test *test, double wanted, double got, double tolerance,
                             const char *what, const char *file, int line)
{
    bool good = fabs(wanted - got) <= tolerance;      /* false for NaN */
    if (!good && test->failed < 50)
        printf("  wanted %.17g, got %.17g, tolerance %g\n", wanted, got, tolerance);
    return test_check(test, good, what, file, line);
}

/* Each gives true when the check held. */
#define CHECK(test, condition) test_check((test), (condition), #condition, __FILE__, __LINE__)
#define CHECK_OK(test, call) test_status((test), TMB_OK, (call), #call, __FILE__, __LINE__)
#define CHECK_STATUS(test, wanted, call) \
    test_status((test), (wanted), (call), #call, __FILE__, __LINE__)
#define CHECK_STRING(test, wanted, got) \
    test_string((test), (wanted), (got), #got, __FILE__, __LINE__)
#define CHECK_NEAR(test, wanted, got, tolerance) \
    test_near((test), (wanted), (got), (tolerance), #got, __FILE__, __LINE__)

/* The last error contains this text. */
static inline bool test_says(Test *test, const char *wanted, const char *file, int line)
{
    bool good = strstr(tmb_last_error(), wanted) != NULL;
    if (!good && test->failed < 50)
        printf("  \"%s\" says no \"%s\"\n", tmb_last_error(), wanted);
    return test_check(test, good, "the last error", file, line);
}
#define CHECK_SAYS(test, wanted) test_says((test), (wanted), __FILE__, __LINE__)

/* Leave the function when the check does not hold. */
#define REQUIRE(test, condition)            \
    do {                                    \
        if (!CHECK(test, condition))        \
            return;                         \
    } while (0)
#define REQUIRE_OK(test, call)              \
    do {                                    \
        if (!CHECK_OK(test, call))          \
            return;                         \
    } while (0)

/* The reason is gathered and shown by tools/test. */
static inline void test_skip(Test *test, const char *why)
{
    test->skipped++;
    printf("%s: skipped: %s\n", test->name, why);
}

/* Prints the closing line; 0 passed, 1 failed, 77 nothing but skips. */
static inline int test_end(const Test *test)
{
    printf("%u passed, %u failed, %u skipped\n", test->passed, test->failed, test->skipped);
    if (test->failed)
        return 1;
    return !test->passed && test->skipped ? 77 : 0;
}

#endif
