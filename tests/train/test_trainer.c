/* Whole runs on a tiny chat model: what is frozen, held out, stopped early, gone on with,
 * refused. Usage: test_trainer TINY_CHAT_GGUF [both], the latter on matrix units */
#include <stdlib.h>

#include "matrix.h"
#include "setup.h"
#include "test.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "train/adapter.h"
#include "train/engine.h"
#include "train/evaluate.h"
#include "train/run.h"
#include "train/trainer.h"

static const char folder[] = "test_trainer folder";
static const char letters[] = "test_trainer folder/letters.jsonl";
static const char others[] = "test_trainer folder/others.jsonl";

/* What the events of a run said. */
typedef struct Heard {
    unsigned steps, evals, best, saves;
    double first, last;
    bool finite;
    char notes[4096];
} Heard;

static void hear(void *user, const TrainEvent *event)
{
    Heard *heard = user;
    size_t bytes = strlen(heard->notes);
    switch (event->kind) {
    case TRAIN_EVENT_STEP:
        heard->first = heard->steps++ ? heard->first : event->loss;
        heard->last = event->loss;
        heard->finite &= isfinite(event->grad_norm) && event->tokens_per_second > 0;
        break;
    case TRAIN_EVENT_EVAL:
        heard->evals++;
        heard->best += event->best;
        break;
    case TRAIN_EVENT_CHECKPOINT:
        heard->saves++;
        break;
    case TRAIN_EVENT_NOTE:
        snprintf(heard->notes + bytes, sizeof heard->notes - bytes, "%s\n", event->text);
        break;
    }
}

/* Warnings: a sink for the log. */
static void hear_log(void *user, LogLevel level, const char *text)
{
    (void)level;
    hear(user, &(TrainEvent){.kind = TRAIN_EVENT_NOTE, .text = text});
}

static void write_letters(Test *test, const char *path, int count, const char *reply)
{
    Text text = {0};
    for (int i = 0; i < count; i++)
        text_print(&text, "{\"messages\": [{\"role\": \"user\", \"content\": \"Letter %d\"}, "
                   "{\"role\": \"assistant\", \"content\": \"%s %d\"}]}\n", i, reply, i % 3);
    CHECK_OK(test, os_write_file(path, text.data, text.bytes));
    text_finish(&text);
}

static TrainParams basic(const char *run, Heard *heard)
{
    static const char *const data[] = {letters};
    *heard = (Heard){.finite = true};
    return (TrainParams){.data = data, .data_count = 1, .run = run, .steps = 8, .rank = 4,
                         .learning_rate = 0.02, .step_examples = 4, .row_tokens = 128,
                         .seed = 3, .on_event = hear, .user = heard};
}

static double adapted_loss(Test *test, const Setup *setup, const char *run, const char *file)
{
    EvaluateResult result = {0};
    Adapter *adapter = NULL;
    char *path = run ? os_join(run, "adapter/adapter.gguf") : NULL;
    if (path)
        CHECK_OK(test, adapter_open(path, &adapter));
    EvaluateParams params = {.file = file, .adapter = adapter, .row_tokens = 128};
    CHECK_OK(test, evaluate_file(&setup->base, &params, &result));
    adapter_destroy(&adapter);
    free(path);
    return result.mean_nll;
}

static void learns_and_keeps_the_best(Test *test, const Setup *setup)
{
    const char *run = "test_trainer folder/share";
    Heard heard;
    TrainResult result;
    TrainParams params = basic(run, &heard);
    params.validation = "0.25";
    params.eval_every = 4;
    REQUIRE_OK(test, train_run(&setup->base, &params, &result));
    CHECK(test, result.steps == 8 && heard.steps == 8 && heard.evals == 2 && heard.finite);
    CHECK(test, result.last_loss < result.first_loss && heard.saves >= 1);
    CHECK(test, result.best_validation > 0 && result.supervised > 0);
    RunConfig config;
    REQUIRE_OK(test, run_read_config(run, &config));
    CHECK_STRING(test, setup->sha256, config.model_sha256);
    CHECK(test, config.steps == 8 && config.warmup_steps == 1 && config.kernels.count > 5);
    CHECK(test, config.data_sha256.count == 1 && strlen(config.data_sha256.items[0]) == 64);
    run_config_finish(&config);
    double before = adapted_loss(test, setup, NULL, letters);
    double after = adapted_loss(test, setup, run, letters);
    CHECK(test, after < before);

    params.resume = true;              /* nothing left to do: says so and changes nothing */
    heard = (Heard){.finite = true};
    REQUIRE_OK(test, train_run(&setup->base, &params, &result));
    CHECK(test, heard.steps == 0 && strstr(heard.notes, "complete"));
    CHECK(test, result.steps == 8);
    params.resume = false;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
}

/* Held-out letters that training can only make worse: stops after the second of them. */
static void stops_early(Test *test, const Setup *setup)
{
    const char *run = "test_trainer folder/patience";
    Heard heard;
    TrainResult result;
    TrainParams params = basic(run, &heard);
    params.steps = 40;
    params.validation = others;
    params.eval_every = 2;
    params.patience = 2;
    REQUIRE_OK(test, train_run(&setup->base, &params, &result));
    CHECK(test, result.stopped_early && result.steps < 40);
    CHECK(test, strstr(heard.notes, "no better held-out loss"));
    CHECK_NEAR(test, result.best_validation, adapted_loss(test, setup, run, others), 1e-6);
    params.resume = true;              /* stays stopped */
    REQUIRE_OK(test, train_run(&setup->base, &params, &result));
    CHECK(test, result.stopped_early && result.steps < 40);
}

static void other_inputs_are_refused(Test *test, const Setup *setup)
{
    const char *run = "test_trainer folder/changed";
    Heard heard;
    TrainResult result;
    TrainParams params = basic(run, &heard);
    params.steps = 2;
    REQUIRE_OK(test, train_run(&setup->base, &params, &result));
    params.resume = true;
    TrainBase other = setup->base;
    other.model_sha256 = "0000";
    CHECK_STATUS(test, TMB_BAD_INPUT, train_run(&other, &params, &result));
    CHECK_SAYS(test, "another model");
    write_letters(test, letters, 12, "Something else");
    CHECK_STATUS(test, TMB_BAD_INPUT, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "is not the file this run began with");
    write_letters(test, letters, 12, "Off to the hills");
    CHECK_OK(test, train_run(&setup->base, &params, &result));
}

/* Data that moved is known again by what it holds, once it is named. */
static void files_may_move(Test *test, const Setup *setup)
{
    static const char elsewhere[] = "test_trainer folder/elsewhere.jsonl";
    static const char *const moved[] = {elsewhere};
    const char *run = "test_trainer folder/moved";
    Heard heard;
    TrainResult result;
    TrainParams params = basic(run, &heard);
    params.steps = 2;
    params.validation = others;
    REQUIRE_OK(test, train_run(&setup->base, &params, &result));
    REQUIRE_OK(test, os_rename(letters, elsewhere));
    params.resume = true;
    params.data_count = 0;
    CHECK_STATUS(test, TMB_BAD_INPUT, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "name the place where it is now");
    params.data = moved;
    params.data_count = 1;
    CHECK_OK(test, train_run(&setup->base, &params, &result));
    params.data_count = 0;                 /* config.json knows it now */
    CHECK_OK(test, train_run(&setup->base, &params, &result));
    RunConfig config;
    REQUIRE_OK(test, run_read_config(run, &config));
    CHECK_STRING(test, elsewhere, config.data.items[0]);
    run_config_finish(&config);
    params.data = &params.validation;      /* a file, but not that one */
    params.data_count = 1;
    CHECK_STATUS(test, TMB_BAD_INPUT, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "is not the file this run began with");
    CHECK_OK(test, os_rename(elsewhere, letters));
}

/* A run that goes on keeps its options. */
static void other_options_are_refused(Test *test, const Setup *setup)
{
    Heard heard;
    TrainResult result;
    const char *const data[] = {"one.jsonl", "two.jsonl"};
    TrainParams good = basic("test_trainer folder/kept", &heard), params = good;
    params.steps = good.steps = 2;
    REQUIRE_OK(test, train_run(&setup->base, &params, &result));
    good.resume = true;
    params = good;
    params.learning_rate = 0.5;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "began with --lr 0.02, not 0.5");
    params = good;
    params.steps = 20;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "--steps");
    params = good;
    params.schedule = "linear";
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "--schedule");
    params = good;
    params.validation = "0.5";
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "no --val");
    params = good;
    params.data = data;
    params.data_count = 2;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "1 file, not 2");
    params = good;
    params.targets = "q";
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "began with --targets all, not q");
    params = good;
    params.checkpoint_every = 5;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "began without --checkpoint-every, not 5");
    params = good;
    params.max_grad_norm = -1;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "began with --clip 1, not 0");
    params = good;
    params.warmup = -1;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "began with 1 step of warm-up, --warmup 0 would be 0");
    params = good;
    params.steps = 0;
    params.epochs = 5;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "began with 2 steps, --epochs 5 would be 15");
    params.epochs = 2.0 / 3;
    CHECK_OK(test, train_run(&setup->base, &params, &result));
}

/* Letters whose reply begins beyond the row have no loss: a step of such letters alone would
 * divide nothing by nothing. */
static void replies_out_of_reach(Test *test, const Setup *setup)
{
    static const char mixed[] = "test_trainer folder/mixed.jsonl";
    static const char far[] = "test_trainer folder/far.jsonl";
    const char *data[] = {mixed};
    Heard heard;
    TrainResult result;
    Text text = {0};
    text_print(&text, "{\"prompt\": \"%0200d\", \"completion\": \"far\"}\n", 7);
    CHECK_OK(test, os_write_file(far, text.data, text.bytes));
    text_print(&text, "{\"prompt\": \"near\", \"completion\": \"by\"}\n");
    CHECK_OK(test, os_write_file(mixed, text.data, text.bytes));
    text_finish(&text);
    TrainParams params = basic("test_trainer folder/reach", &heard);
    params.data = data;
    params.step_examples = 1;
    params.steps = 3;
    log_set_sink(hear_log, &heard);
    CHECK_OK(test, train_run(&setup->base, &params, &result));
    log_set_sink(NULL, NULL);
    CHECK(test, result.steps == 3 && heard.finite);
    CHECK(test, strstr(heard.notes, "of 2 examples 1 begins its reply beyond 128 tokens and is left out"));
    params.run = "test_trainer folder/unreached";
    params.validation = far;
    CHECK_STATUS(test, TMB_BAD_INPUT, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "far.jsonl: every reply begins after the first 128 tokens");
    CHECK(test, !os_exists(params.run));
}

/* The first step of a warm-up has a rate of 0; a run of one step learns all the same. */
static void one_step_learns(Test *test, const Setup *setup)
{
    const char *run = "test_trainer folder/single";
    Heard heard;
    TrainResult result;
    TrainParams params = basic(run, &heard);
    params.steps = 1;
    REQUIRE_OK(test, train_run(&setup->base, &params, &result));
    CHECK(test, adapted_loss(test, setup, run, letters) < adapted_loss(test, setup, NULL, letters));
}

static void fits_the_time(Test *test, const Setup *setup)
{
    const char *run = "test_trainer folder/time";
    Heard heard;
    TrainResult result;
    TrainParams params = basic(run, &heard);
    params.steps = 100000;
    params.max_seconds = 4;
    double started = os_seconds();
    REQUIRE_OK(test, train_run(&setup->base, &params, &result));
    double took = os_seconds() - started;
    CHECK(test, strstr(heard.notes, "examples to learn from"));
    CHECK(test, strstr(heard.notes, "into what is left of 4 s"));
    CHECK(test, result.steps >= 1 && result.steps < 100000);
    CHECK(test, took < 120);           /* other programs run beside this one, on slow drivers too */
    RunConfig config;
    REQUIRE_OK(test, run_read_config(run, &config));
    CHECK(test, config.steps == result.steps && config.max_seconds == 4);
    run_config_finish(&config);
    printf("max_seconds 4: %llu steps in %.1f s\n", (unsigned long long)result.steps, took);
}

/* The row of a line "family: row constant…" if it has one constant and another legal one. */
static const KernelRow *adjustable(const char *line, char other[128])
{
    char name[64] = "";
    unsigned constant = 0;
    if (sscanf(line, "%*s %63s %u", name, &constant) != 2)
        return NULL;
    const KernelRow *row = kernel_by_name(name);
    if (!row || row->spec_count != 1 || row->tuning_count < 2 || row->specialise)
        return NULL;
    frozen_line(row, &row->tunings[row->tunings[0].spec[0] == constant], other, 128);
    return row;
}

/* An engine held to another tuning than its own choice takes it. */
static void kernels_are_kept(Test *test, const Setup *setup)
{
    char *lines[256], other[128] = "";
    uint32_t count = 0, again = 0, changed = UINT32_MAX;
    Engine *engine = NULL;
    EngineParams params = {.gpu = setup->gpu, .model = setup->model, .row_tokens = 128};
    REQUIRE_OK(test, engine_create(&params, &engine));
    const char *const *own = engine_kernels(engine, &count);
    REQUIRE(test, count > 5 && count < COUNT_OF(lines));
    for (uint32_t i = 0; i < count; i++) {
        bool chosen = changed == UINT32_MAX && adjustable(own[i], other);
        changed = chosen ? i : changed;
        lines[i] = mem_string(chosen ? other : own[i]);
    }
    engine_destroy(&engine);
    CHECK(test, changed < count);
    params.frozen = (FrozenKernels){(const char *const *)lines, count};
    REQUIRE_OK(test, engine_create(&params, &engine));
    own = engine_kernels(engine, &again);
    CHECK(test, again == count);
    for (uint32_t i = 0; i < count; i++) {
        CHECK_STRING(test, lines[i], i < again ? own[i] : "");
        free(lines[i]);
    }
    engine_destroy(&engine);
}

/* Products that overflow: the run ends at once with the step, and what to try. */
static void not_finite(Test *test, const Setup *setup)
{
    const char *run = "test_trainer folder/nan";
    Heard heard;
    TrainResult result;
    Adapter *adapter;
    TrainParams params = basic("test_trainer folder/one", &heard);
    params.steps = 1;
    REQUIRE_OK(test, train_run(&setup->base, &params, &result));
    REQUIRE_OK(test, adapter_open("test_trainer folder/one/adapter/adapter.gguf", &adapter));
    for (uint32_t i = 0; i < adapter->count; i++)      /* finite, but their products are not */
        for (uint64_t j = 0; j < adapter->pairs[i].out * adapter->pairs[i].rank; j++)
            adapter->pairs[i].b[j] = 1e30f;
    CHECK_OK(test, adapter_save(adapter, "test_trainer folder/huge.gguf"));
    adapter_destroy(&adapter);
    params.run = run;
    params.initial = "test_trainer folder/huge.gguf";
    CHECK_STATUS(test, TMB_NOT_FINITE, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "step 1");
    CHECK_SAYS(test, "--lr");
}

/* Going on from an adapter: the first loss is what the adapter had reached. */
static void begins_from_an_adapter(Test *test, const Setup *setup)
{
    const char *run = "test_trainer folder/further";
    Heard heard;
    TrainResult result;
    TrainParams params = basic(run, &heard);
    params.initial = "test_trainer folder/share/adapter/adapter.gguf";
    params.steps = 2;
    params.step_examples = 12;         /* all letters in one step */
    params.rank = 16;                  /* the adapter's own rank counts */
    REQUIRE_OK(test, train_run(&setup->base, &params, &result));
    CHECK_NEAR(test, adapted_loss(test, setup, "test_trainer folder/share", letters),
               result.first_loss, 1e-5);
    RunConfig config;
    REQUIRE_OK(test, run_read_config(run, &config));
    CHECK(test, config.rank == 4 && config.alpha == 8 && strlen(config.initial_sha256) == 64);
    run_config_finish(&config);
}

/* Adapters of another base are refused by digest, architecture, name or shape. */
static void foreign_adapters(Test *test, const Setup *setup)
{
    Adapter *adapter;
    const char *path = "test_trainer folder/share/adapter/adapter.gguf";
    REQUIRE_OK(test, adapter_open(path, &adapter));
    CHECK_OK(test, adapter_check(adapter, path, setup->model, setup->sha256));
    adapter->base_sha256[0] = adapter->base_sha256[0] == 'a' ? 'b' : 'a';
    CHECK_STATUS(test, TMB_BAD_INPUT, adapter_check(adapter, path, setup->model, setup->sha256));
    CHECK_SAYS(test, "another base");
    adapter->base_sha256[0] = '\0';     /* unknown: names and shapes decide */
    CHECK_OK(test, adapter_check(adapter, path, setup->model, setup->sha256));
    adapter->pairs[1].out++;
    CHECK_STATUS(test, TMB_BAD_INPUT, adapter_check(adapter, path, setup->model, setup->sha256));
    CHECK_SAYS(test, adapter->pairs[1].name);
    adapter->pairs[1].out--;
    adapter->pairs[1].name[4] = '9';    /* "blk.9.…" of a model of two layers */
    CHECK_STATUS(test, TMB_BAD_INPUT, adapter_check(adapter, path, setup->model, setup->sha256));
    CHECK_SAYS(test, "no linear");
    adapter->pairs[1].name[4] = '0';
    snprintf(adapter->architecture, sizeof adapter->architecture, "gpt2");
    CHECK_STATUS(test, TMB_BAD_INPUT, adapter_check(adapter, path, setup->model, setup->sha256));
    CHECK_SAYS(test, "gpt2");
    adapter_destroy(&adapter);
}

/* A copy whose first pair has half the rank; its values are those of the other half zeroed. */
static tmb_status halve_first_pair(const Adapter *from, Adapter *to)
{
    to->alpha = from->alpha;
    for (uint32_t i = 0; i < from->count; i++) {
        const AdapterPair *pair = &from->pairs[i];
        uint32_t rank = i ? pair->rank : pair->rank / 2;
        AdapterPair *copy;
        TRY(adapter_add(to, pair->name, pair->in, pair->out, rank, &copy));
        memcpy(copy->a, pair->a, rank * pair->in * sizeof *copy->a);
        for (uint64_t row = 0; row < pair->out; row++)      /* alpha / rank doubles */
            for (uint32_t column = 0; column < rank; column++)
                copy->b[row * rank + column] =
                    pair->b[row * pair->rank + column] * (i ? 1.0f : 0.5f);
    }
    return TMB_OK;
}

static void ranks_may_differ(Test *test, const Setup *setup)
{
    Adapter *adapter, *mixed = adapter_create();
    EvaluateResult whole, half;
    EvaluateParams params = {.file = letters, .row_tokens = 128};
    REQUIRE_OK(test, adapter_open("test_trainer folder/share/adapter/adapter.gguf", &adapter));
    AdapterPair *first = &adapter->pairs[0];
    memset(first->a + first->rank / 2 * first->in, 0,
           first->rank / 2 * first->in * sizeof *first->a);
    CHECK_OK(test, halve_first_pair(adapter, mixed));
    params.adapter = adapter;
    CHECK_OK(test, evaluate_file(&setup->base, &params, &whole));
    params.adapter = mixed;
    CHECK_OK(test, evaluate_file(&setup->base, &params, &half));
    CHECK_NEAR(test, whole.mean_nll, half.mean_nll, 1e-6);
    adapter_destroy(&adapter);
    adapter_destroy(&mixed);
}

static void bad_numbers(Test *test, const Setup *setup)
{
    Heard heard;
    TrainResult result;
    TrainParams good = basic("test_trainer folder/bad", &heard), params = good;
    params.learning_rate = -1;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    CHECK_SAYS(test, "--lr");
    params = good;
    params.learning_rate = NAN;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    params = good;
    params.rank = 100000;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    params = good;
    params.row_tokens = 60000;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    params = good;
    params.schedule = "wavy";
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    params = good;
    params.targets = "lm_head";
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    params = good;
    params.validation = "0.999";
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    params = good;
    params.validation = "missing.jsonl";
    CHECK_STATUS(test, TMB_BAD_INPUT, train_run(&setup->base, &params, &result));
    params = good;
    params.data_count = 0;
    CHECK_STATUS(test, TMB_USAGE, train_run(&setup->base, &params, &result));
    CHECK(test, !os_exists("test_trainer folder/bad"));    /* no partial output */
}

static void all(Test *test, Setup *setup, const char *path)
{
    REQUIRE_OK(test, os_remove_tree(folder));
    REQUIRE_OK(test, os_make_directories(folder));
    REQUIRE_OK(test, setup_load(setup, path));
    write_letters(test, letters, 12, "Off to the hills");
    write_letters(test, others, 4, "ZZZZ QQQQ");
    learns_and_keeps_the_best(test, setup);
    begins_from_an_adapter(test, setup);
    foreign_adapters(test, setup);
    ranks_may_differ(test, setup);
    stops_early(test, setup);
    other_inputs_are_refused(test, setup);
    files_may_move(test, setup);
    other_options_are_refused(test, setup);
    replies_out_of_reach(test, setup);
    one_step_learns(test, setup);
    fits_the_time(test, setup);
    kernels_are_kept(test, setup);
    not_finite(test, setup);
    bad_numbers(test, setup);
    CHECK_OK(test, os_remove_tree(folder));
}

int main(int argc, char **argv)
{
    Test test = {.name = "trainer"};
    Setup setup = {0};
    GpuParams params = {0};
    if (argc < 2)
        return 2;
    tmb_status status = gpu_open(&params, &setup.gpu);
    if (status == TMB_NO_DEVICE)
        test_skip(&test, tmb_last_error());
    else if (CHECK_OK(&test, status)) {
        const unsigned rows = argc > 2 ? matrix_rows(argv[2]) : MATRIX_NONE;
        matrix_trust(setup.gpu, rows);
        if (matrix_here(&test, setup.gpu, rows))
            all(&test, &setup, argv[1]);
    }
    setup_finish(&setup);
    return test_end(&test);
}
