/* Runs that die and go on: the adapter, the last checkpoint and the losses equal those of a
 * run that was never disturbed, to the bit.
 *
 *     test_resume SHARED CHILD [every]     every n-th write, flush and rename is fatal once
 */
#include <stdlib.h>

#include "test.h"

#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"

enum { STEPS = 6 };

static const char folder[] = "test_resume folder";

typedef struct Place {
    const char *child;
    char *model, *calm, *rough;    /* the undisturbed run and the one that dies */
} Place;

/* Runs the child; `steps` as text. Returns its exit code. */
static int child(Test *test, const Place *place, const char *run, const char *steps, bool resume,
                 double seconds)
{
    const char *const command[] = {place->child, place->model, run, steps,
                                   resume ? "resume" : "new", NULL};
    int code = -1;
    CHECK_OK(test, os_run(command, seconds, NULL, &code));
    return code;
}

/* A file's bytes without what depends on the clock; NULL when it is not there. */
static char *contents(const char *run, const char *name, size_t *bytes)
{
    char *path = os_join(run, name), *text = NULL;
    if (!os_exists(path) || os_read_file(path, &text, bytes) != TMB_OK)
        *bytes = 0;
    free(path);
    return text;
}

/* Metrics up to the timings at the end of each line. */
static bool same_metrics(const char *left, const char *right)
{
    while (*left && *right) {
        const char *left_end = strstr(left, ", \"seconds\""), *left_line = strchr(left, '\n');
        const char *right_line = strchr(right, '\n');
        if (!left_line || !right_line)
            return false;
        size_t bytes = (size_t)((left_end && left_end < left_line ? left_end : left_line) - left);
        if (strncmp(left, right, bytes))
            return false;
        left = left_line + 1;
        right = right_line + 1;
    }
    return *left == *right;
}

static bool same_outcome(const Place *place)
{
    size_t bytes[2];
    char *calm = contents(place->calm, "adapter/adapter.gguf", &bytes[0]);
    char *rough = contents(place->rough, "adapter/adapter.gguf", &bytes[1]);
    bool same = calm && rough && bytes[0] == bytes[1] && !memcmp(calm, rough, bytes[0]);
    free(calm);
    free(rough);
    calm = contents(place->calm, "metrics.jsonl", &bytes[0]);
    rough = contents(place->rough, "metrics.jsonl", &bytes[1]);
    same &= calm && rough && same_metrics(calm, rough);
    free(calm);
    free(rough);
    /* the last two training states, and nothing half-written */
    char *path = os_join(place->rough, "checkpoints"), **names;
    size_t count = 0;
    if (os_list(path, &names, &count) == TMB_OK)
        os_list_free(&names, count);
    free(path);
    return same && count == 2;
}

/* Dies at write number `at`; true when it did die there. */
static bool crash(Test *test, const Place *place, unsigned at)
{
    char number[16];
    CHECK_OK(test, os_remove_tree(place->rough));
    snprintf(number, sizeof number, "%u", at);
    os_set_environment("TIMBRE_CRASH_AT", number);
    int code = child(test, place, place->rough, "6", false, 300);
    os_set_environment("TIMBRE_CRASH_AT", NULL);
    CHECK(test, code == 137 || code == 0);
    if (code == 0)
        return false;
    CHECK(test, child(test, place, place->rough, "6", true, 300) == 0);
    if (!CHECK(test, same_outcome(place)))
        printf("  after a crash at write %u\n", at);
    return true;
}

/* kill -9 at random moments, several times in one run. */
static void killed(Test *test, const Place *place, unsigned times, double calm_seconds)
{
    Rng rng;
    rng_init(&rng, 11);
    CHECK_OK(test, os_remove_tree(place->rough));
    for (unsigned i = 0; i < times; i++)
        child(test, place, place->rough, "6", true, 0.05 + rng_double(&rng) * calm_seconds);
    CHECK(test, child(test, place, place->rough, "6", true, 300) == 0);
    CHECK(test, same_outcome(place));
}

static void damaged_checkpoint(Test *test, const Place *place)
{
    char *path = os_join(place->rough, "checkpoints/step-00000006.ckpt"), *bytes = NULL;
    size_t count;
    REQUIRE_OK(test, os_read_file(path, &bytes, &count));
    bytes[count / 2] ^= 1;
    CHECK_OK(test, os_write_file(path, bytes, count));
    CHECK(test, child(test, place, place->rough, "6", true, 300) == 0);
    CHECK(test, same_outcome(place));
    free(bytes);
    free(path);
}

/* A run that began with products of f16 operands goes on with them, though this device is not
 * known to be good at them any more. */
static void half_operands(Test *test, const Place *place)
{
    static const char *const runs[] = {"begun", "gone on with"};
    CHECK_OK(test, os_remove_tree(place->calm));
    CHECK_OK(test, os_remove_tree(place->rough));
    os_set_environment("TIMBRE_TEST_HALF", "1");
    CHECK(test, child(test, place, place->calm, "3", false, 300) == 0);
    os_set_environment("TIMBRE_CRASH_AT", "14");
    CHECK(test, child(test, place, place->rough, "3", false, 300) == 137);
    os_set_environment("TIMBRE_CRASH_AT", NULL);
    os_set_environment("TIMBRE_TEST_HALF", NULL);
    for (unsigned i = 0; i < 2; i++) {
        size_t bytes;
        char *config = contents(place->rough, "config.json", &bytes);
        if (!CHECK(test, config && strstr(config, "\"matmul_nn_half: ")))
            printf("  no f16 operands in a run %s\n", runs[i]);
        free(config);
        CHECK(test, child(test, place, place->rough, "3", true, 300) == 0);
    }
    CHECK(test, same_outcome(place));
}

static void all(Test *test, Place *place, unsigned every)
{
    double started = os_seconds();
    CHECK_OK(test, os_remove_tree(folder));
    CHECK_OK(test, os_make_directories(folder));
    int code = child(test, place, place->calm, "6", false, 300);
    if (code == 4) {
        test_skip(test, "no Vulkan device");
        return;
    }
    REQUIRE(test, code == 0);
    double calm_seconds = os_seconds() - started;
    CHECK(test, child(test, place, place->calm, "6", false, 300) == 2);   /* never overwritten */
    unsigned crashes = 0;
    for (unsigned at = 1; crash(test, place, at); at += every)
        crashes++;
    CHECK(test, crashes >= 30 / every);
    printf("%u crashes at every %u. write, then --resume: same bits\n", crashes, every);
    killed(test, place, every > 1 ? 3 : 10, calm_seconds);
    damaged_checkpoint(test, place);
    half_operands(test, place);
    CHECK_OK(test, os_remove_tree(folder));
}

int main(int argc, char **argv)
{
    Test test = {.name = "resume"};
    if (argc < 3)
        return 2;
    Place place = {argv[2], os_join(argv[1], "data/models/stories260K/stories260K-f32.gguf"),
                   os_join(folder, "calm"), os_join(folder, "rough")};
    unsigned every = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1;
    if (!os_exists(place.model))
        test_skip(&test, "no stories260K in the shared folder");
    else
        all(&test, &place, every ? every : 1);
    free(place.model);
    free(place.calm);
    free(place.rough);
    return test_end(&test);
}
