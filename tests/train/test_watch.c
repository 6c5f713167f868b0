/* When slowness is told: not at the first step, not for one slow step, once while it lasts. */
#include "test.h"
#include "train/watch.h"

enum { TOKENS = 100 };

static double steps(StepWatch *watch, int count, double seconds)
{
    double told = 0;
    for (int i = 0; i < count; i++) {
        double factor = watch_step(watch, seconds, TOKENS);
        told = factor > 0 ? factor : told;
    }
    return told;
}

static void tells_what_lasts(Test *test)
{
    StepWatch watch = {0};
    CHECK(test, steps(&watch, 1, 60) == 0);              /* compiles */
    CHECK(test, steps(&watch, 5, 2) == 0);
    CHECK(test, steps(&watch, 1, 12) == 0);              /* a stall */
    CHECK(test, steps(&watch, 3, 2.2) == 0);
    CHECK(test, steps(&watch, 1, 20) == 0);
    CHECK_NEAR(test, 10, watch_step(&watch, 20, TOKENS), 1);
    CHECK(test, steps(&watch, 10, 20) == 0);             /* told already, and not the usual */
    CHECK(test, steps(&watch, 4, 2) == 0);
    CHECK(test, steps(&watch, 2, 20) > 9);
}

static void counts_tokens(Test *test)
{
    StepWatch watch = {0};
    steps(&watch, 6, 2);
    CHECK(test, watch_step(&watch, 20, 10 * TOKENS) == 0);
    CHECK(test, watch_step(&watch, 20, 10 * TOKENS) == 0);
    watch_restart(&watch);                               /* the device was opened again */
    CHECK(test, steps(&watch, 1, 50) == 0);
    CHECK(test, steps(&watch, 3, 2) == 0);
    StepWatch quick = {0};
    CHECK(test, steps(&quick, 6, 0.01) == 0);
    CHECK(test, steps(&quick, 6, 0.5) == 0);             /* a busy processor */
}

int main(void)
{
    Test test = {.name = "watch"};
    tells_what_lasts(&test);
    counts_tokens(&test);
    return test_end(&test);
}
