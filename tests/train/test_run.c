/* The RUN folder: frozen configuration, never overwritten, locked, nothing left behind. */
#include <stdlib.h>

#include "test.h"

#include "base/mem.h"
#include "base/os.h"
#include "train/metrics.h"
#include "train/run.h"

static const char folder[] = "test_run folder ü";
static const char inside[] = "test_run folder ü/run";

static void fill(RunConfig *config)
{
    *config = (RunConfig){.format = RUN_FORMAT, .rank = 16, .alpha = 32, .seed = 7, .steps = 60,
        .step_examples = 8, .row_tokens = 512, .learning_rate = 1.0 / 3.0, .warmup_steps = 3,
        .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .max_grad_norm = 1, .eval_every = 10};
    config->version = mem_string("0.1.0");
    config->model = mem_string("modèle.gguf");
    config->model_sha256 = mem_string("aa");
    config->validation = mem_string("0.1");
    config->validation_sha256 = mem_string("");
    config->method = mem_string("lora");
    config->targets = mem_string("all");
    config->initial = mem_string("");
    config->initial_sha256 = mem_string("");
    config->schedule = mem_string("cosine");
    config->device = mem_string("llvmpipe");
    config->driver = mem_string("22.3.6");
    string_list_add(&config->data, "letters \"1\".jsonl");
    string_list_add(&config->data_sha256, "bb");
    string_list_add(&config->kernels, "matmul_nt: matmul_nt_register");
    string_list_add(&config->kernels, "adamw: adamw");
}

static bool is_same_run(const RunConfig *left, const RunConfig *right)
{
    char *a = run_config_identity(left), *b = run_config_identity(right);
    bool same = !strcmp(a, b);
    free(a);
    free(b);
    return same;
}

static void config_round_trip(Test *test)
{
    RunConfig config, again;
    fill(&config);
    char *json = run_config_print(&config);
    REQUIRE_OK(test, run_config_parse("config.json", json, strlen(json), &again));
    CHECK(test, again.learning_rate == 1.0 / 3.0);      /* to the last bit */
    CHECK_STRING(test, "letters \"1\".jsonl", again.data.items[0]);
    CHECK(test, again.kernels.count == 2 && again.seed == 7);
    char *same = run_config_print(&again);
    CHECK_STRING(test, json, same);
    free(same);
    free(again.model);
    again.model = mem_string("elsewhere.gguf");         /* a moved file changes nothing */
    CHECK(test, is_same_run(&config, &again));
    again.learning_rate = 0.25;
    CHECK(test, !is_same_run(&config, &again));
    run_config_finish(&again);

    char *cut = mem_string_n(json, strlen(json) / 2);
    CHECK_STATUS(test, TMB_BAD_INPUT, run_config_parse("config.json", cut, strlen(cut), &again));
    run_config_finish(&again);
    CHECK_STATUS(test, TMB_BAD_INPUT, run_config_parse("config.json", "{\"format\": 1}", 13,
                                                       &again));
    CHECK_SAYS(test, "version");
    run_config_finish(&again);
    CHECK_STATUS(test, TMB_UNSUPPORTED, run_config_parse("c", "{\"format\": 9}", 13, &again));
    run_config_finish(&again);
    free(cut);
    free(json);
    run_config_finish(&config);
}

static void life_of_a_run(Test *test)
{
    Run *run = NULL, *second = NULL;
    REQUIRE_OK(test, run_open(inside, false, &run));
    CHECK(test, !run->frozen);
    CHECK_STATUS(test, TMB_BUSY, run_open(inside, false, &second));
    CHECK_SAYS(test, "in use");
    CHECK(test, !second);
    run_close(&run);
    CHECK(test, !os_exists(inside));                    /* a start that failed leaves nothing */

    REQUIRE_OK(test, run_open(inside, false, &run));
    fill(&run->config);
    REQUIRE_OK(test, run_freeze(run));
    CHECK_STATUS(test, TMB_BUSY, run_open(inside, true, &second));
    run_close(&run);
    CHECK(test, os_is_directory(inside));
    CHECK_STATUS(test, TMB_USAGE, run_open(inside, false, &run));
    CHECK_SAYS(test, "--resume");
    REQUIRE_OK(test, run_open(inside, true, &run));
    CHECK(test, run->frozen && run->config.steps == 60);
    run_close(&run);
    RunConfig config;
    CHECK_OK(test, run_read_config(inside, &config));
    CHECK(test, config.step_examples == 8);
    run_config_finish(&config);
}

static void foreign_folders(Test *test)
{
    Run *run = NULL;
    char *other = os_join(folder, "photos"), *file = os_join(other, "a.jpg");
    CHECK_OK(test, os_make_directories(other));
    CHECK_OK(test, os_write_file(file, "x", 1));
    CHECK_STATUS(test, TMB_USAGE, run_open(other, false, &run));
    CHECK_STATUS(test, TMB_USAGE, run_open(other, true, &run));
    CHECK_STATUS(test, TMB_USAGE, run_open(file, false, &run));
    CHECK(test, os_exists(file));
    CHECK_OK(test, os_remove(file));
    CHECK_OK(test, run_open(other, false, &run));       /* an empty one is welcome … */
    run_close(&run);
    CHECK(test, os_is_directory(other));                /* … and not ours to remove */
    free(other);
    free(file);
}

static void metrics(Test *test)
{
    char *path = os_join(folder, "metrics.jsonl");
    StepMetrics step = {1, 2.5, 1e-4, 0.75, 100, 40, 0.5, 2.0};
    EvalMetrics eval = {1, 300, 2.25, 1};
    CHECK_OK(test, metrics_step(path, &step));
    uint64_t bytes = os_file_bytes(path);
    CHECK_OK(test, metrics_eval(path, &eval));
    CHECK(test, os_file_bytes(path) > bytes);
    CHECK_OK(test, metrics_cut(path, bytes));
    char *text = NULL;
    size_t length;
    REQUIRE_OK(test, os_read_file(path, &text, &length));
    CHECK_STRING(test, "{\"step\": 1, \"loss\": 2.5, \"lr\": 0.0001, \"grad_norm\": 0.75, "
                 "\"tokens\": 100, \"supervised\": 40, \"fill\": 0.5000, \"seconds\": 2.0000, "
                 "\"tokens_per_second\": 50.00}\n", text);
    CHECK_STATUS(test, TMB_IO, metrics_cut(path, bytes + 1));
    free(text);
    free(path);
}

int main(void)
{
    Test test = {.name = "run"};
    CHECK_OK(&test, os_remove_tree(folder));
    CHECK_OK(&test, os_make_directories(folder));
    config_round_trip(&test);
    life_of_a_run(&test);
    foreign_folders(&test);
    metrics(&test);
    CHECK_OK(&test, os_remove_tree(folder));
    return test_end(&test);
}
