/* Runs whose device is lost, full or stalled, played by the fault layer: the adapter, the last
 * checkpoint and the losses equal those of a run that was left in peace, to the bit.
 * Usage: test_lost TINY_CHAT_GGUF [MORE]: so many more random losses of each kind. */
#include <stdlib.h>

#include "setup.h"
#include "test.h"

#include "base/mem.h"
#include "faults/faults.h"
#include "gpu/internal.h"
#include "train/checkpoint.h"
#include "train/run.h"
#include "train/trainer.h"

enum { STEPS = 8 };

static const char folder[] = "test_lost folder";
static const char letters[] = "test_lost folder/letters.jsonl";
static const char logged[] = "test_lost.log";

/* What the events of a run said, and what goes wrong at one of them. */
typedef struct Heard {
    TrainEventKind at;       /* with the step and this kind of event … */
    uint64_t step;
    const char *fault;       /* … this is set; NULL: nothing */
    const char *again;       /* and this at every note that a device was opened; NULL: nothing */
    unsigned notes;
    unsigned full;           /* so often memory runs out, two steps lie in between */
    char text[4096];
} Heard;

static void hear(void *user, const TrainEvent *event)
{
    Heard *heard = user;
    size_t bytes = strlen(heard->text);
    if (heard->fault && event->kind == heard->at && event->step == heard->step) {
        faults_set(heard->fault);
        heard->fault = NULL;
    }
    if (heard->full && event->kind == TRAIN_EVENT_STEP) {
        os_sleep(0.15);                  /* so that the state of this step is kept */
        if (event->step >= heard->step) {
            faults_set("oom@submit:1");
            heard->step = event->step + 2;
            heard->full--;
        }
    }
    if (event->kind != TRAIN_EVENT_NOTE)
        return;
    heard->notes++;
    snprintf(heard->text + bytes, sizeof heard->text - bytes, "%s\n", event->text);
    if (heard->again && strstr(event->text, "going on from"))
        faults_set(heard->again);
}

static void write_letters(Test *test)
{
    Text text = {0};
    for (int i = 0; i < 16; i++)
        text_print(&text, "{\"messages\": [{\"role\": \"user\", \"content\": \"Letter %d\"}, "
                   "{\"role\": \"assistant\", \"content\": \"Off to the hills %d\"}]}\n", i, i % 3);
    CHECK_OK(test, os_write_file(letters, text.data, text.bytes));
    text_finish(&text);
}

static tmb_status train(const Setup *setup, const char *run, bool resume, Heard *heard)
{
    static const char *const data[] = {letters};
    TrainResult result;
    TrainParams params = {.data = data, .data_count = 1, .run = run, .steps = STEPS, .rank = 4,
                          .learning_rate = 0.02, .step_examples = 4, .row_tokens = 128, .seed = 3,
                          .validation = "0.25", .eval_every = 2, .checkpoint_every = 3,
                          .resume = resume, .on_event = hear, .user = heard};
    return train_run(&setup->base, &params, &result);
}

/* ---- comparing ---------------------------------------------------------- */

static char *contents(const char *run, const char *name, size_t *bytes)
{
    char *path = os_join(run, name), *text = NULL;
    if (!os_exists(path) || os_read_file(path, &text, bytes) != TMB_OK)
        *bytes = 0;
    free(path);
    return text;
}

static bool same_file(const char *run, const char *name)
{
    size_t bytes[2];
    char *calm = contents("test_lost folder/calm", name, &bytes[0]);
    char *rough = contents(run, name, &bytes[1]);
    bool same = calm && rough && bytes[0] == bytes[1] && !memcmp(calm, rough, bytes[0]);
    free(calm);
    free(rough);
    return same;
}

/* The next line that is no note, up to its timings; bytes 0 at the end. */
static const char *next_line(const char **at, size_t *bytes)
{
    while (!strncmp(*at, "{\"note\"", 7))
        *at = strchr(*at, '\n') + 1;
    const char *line = *at, *end = strchr(line, '\n'), *time = strstr(line, ", \"seconds\"");
    *bytes = end ? (size_t)((time && time < end ? time : end) - line) : 0;
    *at = end ? end + 1 : line;
    return line;
}

static bool same_metrics(const char *run)
{
    size_t unused, left_bytes, right_bytes;
    char *calm = contents("test_lost folder/calm", "metrics.jsonl", &unused);
    char *rough = contents(run, "metrics.jsonl", &unused);
    const char *left = calm ? calm : "", *right = rough ? rough : "";
    bool same = calm && rough;
    do {
        const char *a = next_line(&left, &left_bytes), *b = next_line(&right, &right_bytes);
        same &= left_bytes == right_bytes && !memcmp(a, b, left_bytes);
    } while (same && left_bytes);
    free(calm);
    free(rough);
    return same;
}

/* The tensors of the last checkpoint: values and both moments. */
static bool same_state(const char *run)
{
    Checkpoint *checkpoints[2] = {NULL};
    const char *const runs[2] = {"test_lost folder/calm", run};
    bool same = true;
    for (int i = 0; i < 2; i++) {
        char *path = os_join(runs[i], "checkpoints/step-00000008.ckpt");
        same &= checkpoint_open(path, &checkpoints[i]) == TMB_OK;
        free(path);
    }
    same = same && checkpoints[0]->count == checkpoints[1]->count &&
           checkpoints[0]->state.best == checkpoints[1]->state.best &&
           checkpoints[0]->state.tokens == checkpoints[1]->state.tokens;
    for (size_t i = 0; same && i < checkpoints[0]->count; i++)
        same = !memcmp(checkpoints[0]->data[i], checkpoints[1]->data[i],
                       (size_t)checkpoints[0]->sections[i].bytes);
    checkpoint_close(&checkpoints[0]);
    checkpoint_close(&checkpoints[1]);
    return same;
}

/* ---- runs --------------------------------------------------------------- */

/* A run disturbed by a fault from its start on, or from an event on; ends with the same bits. */
static void rough(Test *test, const Setup *setup, const char *fault, Heard heard)
{
    static const char run[] = "test_lost folder/rough";
    double started = os_seconds();
    REQUIRE_OK(test, os_remove_tree(run));
    CHECK_OK(test, os_remove(logged));
    faults_set(fault);
    tmb_status status = train(setup, run, false, &heard);
    faults_set(NULL);
    bool good = CHECK_OK(test, status);
    good &= CHECK(test, same_file(run, "adapter/adapter.gguf") && same_metrics(run));
    good &= CHECK(test, same_state(run));
    good &= CHECK(test, faults_logged(logged, "lost", NULL) + faults_logged(logged, "oom", NULL) +
                        faults_logged(logged, "stall", NULL));
    printf("%-44s %.2f s  %s", fault ? fault : "at an event", os_seconds() - started,
           good ? "" : "FAILED\n");
    printf("%s", *heard.text ? heard.text : "\n");
}

static void at_random_submits(Test *test, const Setup *setup, unsigned long submits, unsigned more)
{
    Rng rng;
    char fault[128];
    rng_init(&rng, 7);
    for (unsigned i = 0; i < 1 + more; i++) {
        unsigned long at = 1 + rng_below(&rng, submits), next = at + 1 + rng_below(&rng, submits);
        snprintf(fault, sizeof fault, "lost@wait:%lu", at);
        rough(test, setup, fault, (Heard){0});
        /* both count from the start */
        snprintf(fault, sizeof fault, "lost@submit:%lu,lost@submit:%lu", at, next);
        rough(test, setup, fault, (Heard){0});
    }
}

static void during_an_evaluation(Test *test, const Setup *setup)
{
    rough(test, setup, NULL, (Heard){TRAIN_EVENT_STEP, 4, "lost@submit:1", NULL, 0, 0, ""});
}

/* Memory that the host cannot see: keeping the state takes many copies, and may be torn. */
static void during_a_checkpoint(Test *test, Setup *setup)
{
    setup->gpu->caps.unified = false;
    rough(test, setup, NULL, (Heard){TRAIN_EVENT_STEP, 3, "lost@submit:3", NULL, 0, 0, ""});
    rough(test, setup, NULL, (Heard){TRAIN_EVENT_EVAL, 8, "lost@wait:9", NULL, 0, 0, ""});
    setup->gpu->caps.unified = true;
}

static void full_memory(Test *test, const Setup *setup, unsigned long submits)
{
    char fault[64];
    rough(test, setup, "oom@allocate:3", (Heard){0});
    snprintf(fault, sizeof fault, "oom@submit:%lu", submits / 2);
    rough(test, setup, fault, (Heard){0});
}

/* More often than there is anything left to recompute, with steps in between. */
static void full_memory_again(Test *test, const Setup *setup)
{
    rough(test, setup, NULL, (Heard){.full = 4, .step = 1});
}

static void stalled(Test *test, const Setup *setup, unsigned long submits)
{
    char fault[128];
    os_set_environment("TIMBRE_FAULTS_SECONDS", "0.3");
    snprintf(fault, sizeof fault, "stall@submit:%lu,stall@wait:%lu", submits / 3, submits / 2);
    rough(test, setup, fault, (Heard){0});
}

static void three_in_a_row(Test *test, Setup *setup)
{
    static const char run[] = "test_lost folder/rough";
    Heard heard = {TRAIN_EVENT_STEP, 5, "lost@submit:2", "lost@submit:3", 0, 0, ""};
    REQUIRE_OK(test, os_remove_tree(run));
    faults_set(NULL);
    CHECK_STATUS(test, TMB_DEVICE_LOST, train(setup, run, false, &heard));
    printf("%s%s\n", heard.text, tmb_last_error());
    CHECK_SAYS(test, "lost three times in a row");
    CHECK_SAYS(test, "--resume");
    CHECK(test, heard.notes == 3 && tmb_exit_code(TMB_DEVICE_LOST) == 4);
    faults_set(NULL);
    gpu_close(&setup->gpu);              /* as the next process would */
    REQUIRE_OK(test, gpu_open(&(GpuParams){0}, &setup->gpu));
    setup->base.gpu = setup->gpu;
    heard = (Heard){0};
    CHECK_OK(test, train(setup, run, true, &heard));
    CHECK(test, strstr(heard.text, "going on after step"));
    CHECK(test, same_file(run, "adapter/adapter.gguf") && same_metrics(run) && same_state(run));
}

static void all(Test *test, Setup *setup, const char *path, unsigned more)
{
    unsigned long submits = 0;
    Heard heard = {0};
    REQUIRE_OK(test, os_remove_tree(folder));
    REQUIRE_OK(test, os_make_directories(folder));
    REQUIRE_OK(test, setup_load(setup, path));
    write_letters(test);
    faults_set(NULL);
    REQUIRE_OK(test, train(setup, "test_lost folder/calm", false, &heard));
    CHECK_OK(test, gpu_reopen(setup->gpu));       /* closing makes the layer write its counts */
    REQUIRE(test, faults_logged(logged, "submit calls", &submits) && submits > 4 * STEPS);
    at_random_submits(test, setup, submits, more);
    during_an_evaluation(test, setup);
    during_a_checkpoint(test, setup);
    full_memory(test, setup, submits);
    full_memory_again(test, setup);
    stalled(test, setup, submits);
    three_in_a_row(test, setup);
    CHECK_OK(test, os_remove_tree(folder));
}

int main(int argc, char **argv)
{
    Test test = {.name = "lost"};
    Setup setup = {0};
    if (argc < 2)
        return 2;
    faults_begin(logged);
    tmb_status status = gpu_open(&(GpuParams){0}, &setup.gpu);
    if (status == TMB_NO_DEVICE)
        test_skip(&test, tmb_last_error());
    else if (!status && !faults_logged(logged, "stall at open", NULL))
        test_skip(&test, "the fault layer is not loaded");
    else if (CHECK_OK(&test, status))
        all(&test, &setup, argv[1], argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0);
    setup_finish(&setup);
    (void)!os_remove(logged);
    return test_end(&test);
}
