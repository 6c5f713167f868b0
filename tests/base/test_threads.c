/* Threads: all indices run, at the same time, and a lock keeps what they share whole. */
#include <stdlib.h>

#include "test.h"

#include "base/os.h"
#include "base/status.h"

enum { THREADS = 4, ROUNDS = 100000 };

typedef struct Shared {
    OsMutex *lock;
    unsigned sum, arrived;
    unsigned runs[THREADS];
    bool met;                    /* all were inside at the same time */
    bool own_errors;
} Shared;

static void add_up(void *context, unsigned index)
{
    Shared *shared = context;
    shared->runs[index]++;
    for (unsigned i = 0; i < ROUNDS; i++) {
        os_mutex_lock(shared->lock);
        shared->sum++;
        os_mutex_unlock(shared->lock);
    }
}

static void every_index_runs_once_and_the_lock_holds(Test *test)
{
    Shared shared = {.lock = os_mutex_create()};
    os_together(THREADS, add_up, &shared);
    CHECK(test, shared.sum == THREADS * ROUNDS);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(test, shared.runs[i] == 1);
    os_together(0, add_up, &shared);
    CHECK(test, shared.sum == THREADS * ROUNDS);
    os_mutex_destroy(&shared.lock);
    CHECK(test, !shared.lock);
    os_mutex_destroy(&shared.lock);
}

/* Waits for the others, as long as a busy machine may take to start them. */
static void meet(void *context, unsigned index)
{
    Shared *shared = context;
    unsigned arrived = 0;
    char text[32], read[32];
    snprintf(text, sizeof text, "thread %u", index);
    (void)!fail(TMB_FAILED, "%s", text);
    os_mutex_lock(shared->lock);
    shared->arrived++;
    os_mutex_unlock(shared->lock);
    for (int i = 0; i < 1000 && arrived < THREADS; i++) {
        os_sleep(0.01);
        os_mutex_lock(shared->lock);
        arrived = shared->arrived;
        os_mutex_unlock(shared->lock);
    }
    snprintf(read, sizeof read, "%s", tmb_last_error());
    os_mutex_lock(shared->lock);
    shared->met = shared->met && arrived == THREADS;
    shared->own_errors = shared->own_errors && !strcmp(text, read);
    os_mutex_unlock(shared->lock);
}

static void they_run_side_by_side_with_errors_of_their_own(Test *test)
{
    Shared shared = {.lock = os_mutex_create(), .met = true, .own_errors = true};
    os_together(THREADS, meet, &shared);
    CHECK(test, shared.met);
    CHECK(test, shared.own_errors);
    os_mutex_destroy(&shared.lock);
}

int main(void)
{
    Test test = {.name = "base_threads"};
    every_index_runs_once_and_the_lock_holds(&test);
    they_run_side_by_side_with_errors_of_their_own(&test);
    return test_end(&test);
}
