/* The held-out letters that a run answers at its end: what is asked, what is written, and when
 * it is too dear. Usage: test_samples TINY_CHAT_GGUF */
#include <stdlib.h>

#include "test.h"

#include "api/samples.h"
#include "base/json.h"
#include "base/os.h"
#include "timbre/timbre.h"

static const char folder[] = "test_samples folder";
static const char letters[] = "test_samples folder/letters.jsonl";
static const char run[] = "test_samples folder/run";

typedef struct Kept {
    Test *test;
    const TrainBase *base;
    unsigned calls;
} Kept;

static void is_text(Test *test, const cJSON *object, const char *name, const char *part)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (CHECK(test, cJSON_IsString(item)))
        CHECK(test, strstr(item->valuestring, part));
}

static void check_lines(Test *test)
{
    char *text;
    size_t bytes;
    unsigned lines = 0;
    REQUIRE_OK(test, os_read_file("test_samples folder/run/samples.jsonl", &text, &bytes));
    for (char *line = text; *line; lines++) {
        char *end = strchr(line, '\n');
        cJSON *object = cJSON_ParseWithLength(line, (size_t)(end - line));
        is_text(test, object, "prompt", "Letter ");
        is_text(test, object, "theirs", "Off to the hills");
        is_text(test, object, "reply", "");
        CHECK(test, cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(object, "ended")));
        cJSON_Delete(object);
        line = end + 1;
    }
    CHECK(test, lines == 2);
    free(text);
}

static void at_end(void *user, const Tokens *held, uint32_t held_count, const TrainResult *result)
{
    Kept *kept = user;
    Test *test = kept->test;
    TrainResult long_run = *result;
    kept->calls++;
    CHECK(test, held_count == 2 && result->own_steps == 2);
    long_run.seconds = 1e6;
    CHECK(test, samples_are_cheap(held, held_count, &long_run));
    long_run.seconds = 1e-3;
    CHECK(test, !samples_are_cheap(held, held_count, &long_run));
    REQUIRE_OK(test, samples_write(kept->base, run, held, held_count));
    check_lines(test);
    CHECK_STATUS(test, TMB_BAD_INPUT, samples_write(kept->base, "elsewhere", held, held_count));
}

static void answers(Test *test, Gpu *gpu, const char *path)
{
    static const char *const data[] = {letters};
    Model *model = NULL;
    Tokenizer *tokenizer = NULL;
    ChatTemplate *chat = NULL;
    TrainResult result;
    Text text = {0};
    for (int i = 0; i < 8; i++)
        text_print(&text, "{\"messages\": [{\"role\": \"user\", \"content\": \"Letter %d\"}, "
                   "{\"role\": \"assistant\", \"content\": \"Off to the hills\"}]}\n", i);
    CHECK_OK(test, os_remove_tree(folder));
    CHECK_OK(test, os_make_directories(folder));
    CHECK_OK(test, os_write_file(letters, text.data, text.bytes));
    text_finish(&text);
    REQUIRE_OK(test, model_open(path, &model));
    REQUIRE_OK(test, tokenizer_load(model_gguf(model), &tokenizer));
    REQUIRE_OK(test, chat_template_load(model_gguf(model), tokenizer, &chat));
    TrainBase base = {.gpu = gpu, .model = model, .model_path = path, .model_sha256 = "",
                      .tokenizer = tokenizer, .chat = chat, .version = "test"};
    Kept kept = {test, &base, 0};
    TrainParams params = {.data = data, .data_count = 1, .run = run, .steps = 2, .rank = 2,
                          .step_examples = 2, .row_tokens = 64, .validation = "0.25",
                          .on_end = at_end, .user = &kept};
    CHECK_OK(test, train_run(&base, &params, &result));
    CHECK(test, kept.calls == 1);
    chat_template_destroy(&chat);
    tokenizer_destroy(&tokenizer);
    model_close(&model);
    CHECK_OK(test, os_remove_tree(folder));
}

int main(int argc, char **argv)
{
    Test test = {.name = "samples"};
    Gpu *gpu = NULL;
    if (argc < 2)
        return 2;
    tmb_status status = gpu_open(&(GpuParams){0}, &gpu);
    if (status == TMB_NO_DEVICE)
        test_skip(&test, tmb_last_error());
    else if (CHECK_OK(&test, status))
        answers(&test, gpu, argv[1]);
    gpu_close(&gpu);
    return test_end(&test);
}
