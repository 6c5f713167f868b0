/* Data files: every kind of line, every kind of damage, what is supervised, what is shown.
 * Argument: a folder to write into. */
#include "data/dataset.h"

#include "base/log.h"
#include "byte_model.h"
#include "test.h"

typedef struct Setting {
    char *model, *file;
    Tokenizer *tokenizer;
    ChatTemplate *chat;
} Setting;

static unsigned log_lines;

static void count_log(void *context, LogLevel level, const char *text)
{
    (void)context, (void)level, (void)text;
    log_lines++;
}

static tmb_status read_bytes(const Setting *setting, const char *text, size_t bytes,
                             Dataset *dataset)
{
    const char *path = setting->file;
    *dataset = (Dataset){0};
    TRY(os_write_file(path, text, bytes));
    return dataset_read(dataset, &path, 1);
}

static tmb_status read_text(const Setting *setting, const char *text, Dataset *dataset)
{
    return read_bytes(setting, text, strlen(text), dataset);
}

static void test_formats(Test *test, const Setting *setting)
{
    static const char text[] =
        "\xef\xbb\xbf{\"id\": 7, \"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": "
        "\"assistant\", \"content\": \"\\u00fc\", \"x\": 1}, {\"role\": \"user\", \"content\": \"b\"}]}\r\n"
        "  \r\n"
        "{\"prompt\": \"p\", \"completion\": \"c\", \"weight\": 2.5}\r\n"
        "{\"prompt\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": "
        "\"u\"}], \"chosen\": \"yes\", \"rejected\": [{\"role\": \"assistant\", \"content\": \"no\"}]}";
    Dataset dataset;
    if (CHECK_OK(test, read_text(setting, text, &dataset)) && CHECK(test, dataset.count == 3)) {
        const Example *e = dataset.examples;
        CHECK(test, dataset.pairs == 1 && e[0].count == 2 && e[1].count == 2 && e[2].count == 3);
        CHECK(test, e[0].line == 1 && e[1].line == 3 && e[2].line == 4);
        CHECK(test, e[0].weight == 1 && e[1].weight == 2.5);
        CHECK_STRING(test, "\xc3\xbc", e[0].messages[1].content);
        CHECK_STRING(test, "user", e[1].messages[0].role);
        CHECK_STRING(test, "c", e[1].messages[1].content);
        CHECK_STRING(test, "s", e[2].messages[0].content);
        CHECK_STRING(test, "yes", e[2].messages[2].content);
        CHECK_STRING(test, "no", e[2].rejected);
        CHECK(test, !e[0].rejected);
        CHECK_OK(test, dataset_set_system(&dataset, "new"));
        CHECK(test, e[0].count == 3 && e[2].count == 3);
        CHECK_STRING(test, "new", e[0].messages[0].content);
        CHECK_STRING(test, "new", e[2].messages[0].content);
    }
    dataset_finish(&dataset);
}

static const struct {
    const char *line, *says;
} bad_lines[] = {
    {"hello", "not valid JSON at byte 1"},
    {"{\"messages\": [}", "not valid JSON"},
    {"{\"messages\": \xe2\x80\x9chi\xe2\x80\x9d}", "at byte 14: \xe2\x80\x9chi"},
    {"{\"messages\": [", "at byte 14: ["},
    {"{} ,{}", "ends at byte 2, but the line goes on: ,{}"},
    {"{\"prompt\": \"x\", \"completion\": \"y\", \"prompt\": \"z\"}", "the key \"prompt\" stands twice"},
    {"{\"messages\": [{\"role\": \"user\", \"role\": \"system\", \"content\": \"x\"}]}",
     "the key \"role\" stands twice"},
    {"[1]", "this is a list"},
    {"{}", "has none of"},
    {"{\"message\": []}", "it begins with \"message\""},
    {"{\"messages\": {}}", "is an object, it must be a list"},
    {"{\"messages\": []}", "is empty"},
    {"{\"messages\": [3]}", "message 1 is a number"},
    {"{\"messages\": [{\"content\": \"x\"}]}", "message 1 has no \"role\""},
    {"{\"messages\": [{\"role\": \"user\"}]}", "message 1 has no \"content\""},
    {"{\"messages\": [{\"role\": \"user\", \"content\": null}]}", "is null"},
    {"{\"messages\": [{\"role\": \"user\", \"content\": [\"x\"]}]}", "is a list"},
    {"{\"messages\": [{\"role\": \"bot\", \"content\": \"x\"}]}", "the role \"bot\""},
    {"{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}", "nothing to learn"},
    {"{\"prompt\": 3, \"completion\": \"x\"}", "\"prompt\" is a number"},
    {"{\"prompt\": \"x\", \"completion\": {}}", "is an object"},
    {"{\"prompt\": [{\"role\": \"assistant\", \"content\": \"x\"}], \"completion\": \"y\"}",
     "must be the user's"},
    {"{\"prompt\": \"x\", \"chosen\": \"y\", \"rejected\": 1}", "\"rejected\" of the line is a number"},
    {"{\"prompt\": \"x\", \"completion\": \"y\", \"weight\": 0}", "from 1e-09 to"},
    {"{\"prompt\": \"x\", \"completion\": \"y\", \"weight\": 1e-50}", "from 1e-09 to"},
    {"{\"prompt\": \"x\", \"completion\": \"y\", \"weight\": 1e300}", "from 1e-09 to"},
    {"{\"prompt\": \"x\", \"completion\": \"y\", \"weight\": \"2\"}", "from 1e-09 to"},
    {"{\"prompt\": \"x\", \"completion\": \"a\\u0000b\"}", "NUL character"},
    {"{\"prompt\": \"x\", \"completion\": \"\xff\"}", "not UTF-8"},
    {"{\"prompt\": \"x\", \"completion\": \"\xed\xa0\x80\"}", "not UTF-8"},
    {"{\"prompt\": \"x\", \"completion\": \"\\ud800\"}", "not valid JSON"},
};

/* Lines that other programs learn from are told how they become ours. */
static void test_other_formats(Test *test, const Setting *setting)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"{\"conversations\": []}", "jq -c '{messages: [.conversations[] | {role: ({human: \"user\", gpt: "
                                    "\"assistant\"}[.from] // .from), content: .value}]}' FILE > NEW"},
        {"{\"instruction\": \"a\", \"input\": \"b\", \"output\": \"c\"}",
         "jq -c '{prompt: (.instruction + \"\\n\" + .input), completion: .output}'"},
        {"{\"prompt\": \"a\", \"response\": \"b\"}", "completion: .response}'"},
    };
    Dataset dataset;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK_STATUS(test, TMB_BAD_INPUT, read_text(setting, rows[i].line, &dataset));
        CHECK_SAYS(test, rows[i].says);
        dataset_finish(&dataset);
    }
}

static void test_bad_lines(Test *test, const Setting *setting)
{
    Dataset dataset;
    Text all = {0};
    for (size_t i = 0; i < COUNT_OF(bad_lines); i++) {
        Text text = {0};
        text_print(&text, "{\"prompt\": \"fine \\\\u0000\", \"completion\": \"\"}\n%s\n", bad_lines[i].line);
        if (CHECK_STATUS(test, TMB_BAD_INPUT, read_text(setting, text.data, &dataset)) &&
            !(CHECK(test, strstr(tmb_last_error(), bad_lines[i].says)) &&
              CHECK(test, strstr(tmb_last_error(), "data.jsonl: line 2: "))))
            printf("  \"%s\" says: %s\n", bad_lines[i].line, tmb_last_error());
        CHECK(test, dataset.count == 1);
        dataset_finish(&dataset);
        text_finish(&text);
        text_print(&all, "%s\n", bad_lines[i].line);
    }
    log_lines = 0;
    CHECK_STATUS(test, TMB_BAD_INPUT, read_text(setting, all.data, &dataset));
    const char *error = tmb_last_error();
    unsigned named = 0;
    for (const char *at = error; (at = strstr(at, ": line ")); at++)
        named++;
    CHECK(test, strtoul(error, NULL, 10) == COUNT_OF(bad_lines) && strstr(error, " lines") && strstr(error, "line 1: "));
    CHECK(test, named + log_lines == COUNT_OF(bad_lines) && strlen(error) < 2000);
    dataset_finish(&dataset);
    text_finish(&all);
}

/* The log is not flooded. */
static void test_many_bad_lines(Test *test, const Setting *setting)
{
    Text text = {0};
    Dataset dataset;
    for (size_t i = 0; i < 5000; i++)
        text_print(&text, "{}\n");
    log_lines = 0;
    CHECK_STATUS(test, TMB_BAD_INPUT, read_text(setting, text.data, &dataset));
    CHECK(test, strstr(tmb_last_error(), "the first of them logged") && log_lines == 200);
    dataset_finish(&dataset);
    text_finish(&text);
}

static void test_bad_files(Test *test, const Setting *setting, const char *folder)
{
    Dataset dataset = {0};
    const char *missing = "no such file.jsonl";
    CHECK_STATUS(test, TMB_BAD_INPUT, read_text(setting, "", &dataset));
    CHECK(test, strstr(tmb_last_error(), "no examples") != NULL);
    dataset_finish(&dataset);
    CHECK_STATUS(test, TMB_BAD_INPUT, read_text(setting, "\xef\xbb\xbf\r\n \n", &dataset));
    dataset_finish(&dataset);
    CHECK_STATUS(test, TMB_BAD_INPUT, read_bytes(setting, "{}\0{}", 5, &dataset));
    CHECK(test, strstr(tmb_last_error(), "byte 3 is a NUL") != NULL);
    dataset_finish(&dataset);
    /* files of another kind are told in one sentence, not line by line */
    static const char *const kinds[][2] = {
        {"prompt,completion\na,b\n", "begins with prompt,completion"},
        {"\n\n[\n  {\n   \"messages\": []\n  },\n]\n", "begins with ["},
        {"\xff\xfe{", "UTF-16"},
        {"\x01\x02", "not text"},
    };
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        CHECK_STATUS(test, TMB_BAD_INPUT, read_text(setting, kinds[i][0], &dataset));
        CHECK(test, strstr(tmb_last_error(), kinds[i][1]) && !strchr(tmb_last_error(), '\n'));
        dataset_finish(&dataset);
    }
    CHECK_STATUS(test, TMB_BAD_INPUT, dataset_read(&dataset, &folder, 1));
    CHECK_STATUS(test, TMB_BAD_INPUT, dataset_read(&dataset, &missing, 1));
    dataset_finish(&dataset);
}

/* A line of 10 MB: read, encoded, in seconds and without trouble. */
static void test_long_line(Test *test, const Setting *setting)
{
    Text text = {0};
    Dataset dataset;
    Tokens tokens = {0};
    size_t bytes = 10u << 20;
    char *filler = mem_new(bytes + 1, 1);
    for (size_t i = 0; i < bytes; i++)
        filler[i] = i % 3 ? 'a' : ' ';
    memset(filler, ' ', bytes / 4);      /* the worst for a pattern: a long run of spaces */
    text_print(&text, "{\"prompt\": \"%s\", \"completion\": \"b\"}\n", filler);
    double start = os_seconds();
    if (CHECK_OK(test, read_text(setting, text.data, &dataset)) &&
        CHECK_OK(test, example_encode(&dataset.examples[0], setting->tokenizer, setting->chat,
                                      false, &tokens)))
        CHECK(test, tokens.count > bytes && tokens.supervised[tokens.count - 2]);
    CHECK(test, os_seconds() - start < 60);
    tokens_finish(&tokens);
    dataset_finish(&dataset);
    text_finish(&text);
    free(filler);
}

static void test_supervision(Test *test, const Setting *setting)
{
    Dataset dataset;
    Tokens all[2], prompt = {0}, rejected = {0};
    if (!CHECK_OK(test, read_text(setting,
            "{\"prompt\": \"\\n <|im_end|>\", \"chosen\": \" x\\n\", \"rejected\": \"\"}\n"
            "{\"prompt\": \"y\", \"completion\": \"\"}\n", &dataset)) ||
        !CHECK_OK(test, dataset_encode(&dataset, setting->tokenizer, setting->chat, all)))
        return;
    const Example *example = &dataset.examples[0];
    CHECK_OK(test, chat_template_encode(setting->chat, setting->tokenizer, example->messages, 1,
                                        true, &prompt));
    /* <|im_start|>user\n + "\n <|im_end|>" as text + <|im_end|>\n<|im_start|>assistant\n */
    CHECK(test, prompt.count == 1 + 5 + 12 + 2 + 1 + 10);
    CHECK(test, all[0].count == prompt.count + 3 + 2);
    for (size_t i = 0; i < prompt.count && i < all[0].count; i++)
        CHECK(test, prompt.ids[i] == all[0].ids[i] && !all[0].supervised[i]);
    const uint32_t *reply = all[0].ids + prompt.count;
    const uint8_t *learned = all[0].supervised + prompt.count;
    CHECK(test, reply[0] == ' ' && reply[1] == 'x' && reply[2] == '\n' && reply[3] == 257);
    CHECK(test, learned[0] && learned[1] && learned[2] && learned[3] && !learned[4]);
    CHECK_OK(test, example_encode(example, setting->tokenizer, setting->chat, true, &rejected));
    CHECK(test, rejected.count == prompt.count + 2 && rejected.ids[prompt.count] == 257);
    CHECK_STATUS(test, TMB_BAD_INPUT, example_encode(&dataset.examples[1], setting->tokenizer,
                                                     setting->chat, true, &rejected));
    tokens_finish(&all[0]);
    tokens_finish(&all[1]);
    tokens_finish(&prompt);
    tokens_finish(&rejected);
    dataset_finish(&dataset);
}

/* Mails of Windows: what is learnt is what letters in use look like. */
static void test_line_ends(Test *test, const Setting *setting)
{
    Dataset dataset;
    if (!CHECK_OK(test, read_text(setting,
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\\r\\nb\\rc\\r\\n\"}, {\"role\": "
            "\"assistant\", \"content\": \"\\r\\nd\"}]}\n"
            "{\"prompt\": \"a\\r\\n\", \"chosen\": \"b\\r\\n\", \"rejected\": \"\\r\\r\\n\"}\n",
            &dataset)))
        return;
    CHECK_STRING(test, "a\nb\rc\n", dataset.examples[0].messages[0].content);
    CHECK_STRING(test, "\nd", dataset.examples[0].messages[1].content);
    CHECK_STRING(test, "a\n", dataset.examples[1].messages[0].content);
    CHECK_STRING(test, "b\n", dataset.examples[1].messages[1].content);
    CHECK_STRING(test, "\r\n", dataset.examples[1].rejected);
    dataset_finish(&dataset);
}

static void test_show_and_check(Test *test, const Setting *setting)
{
    Dataset dataset;
    Text text = {0};
    DataReport report;
    if (!CHECK_OK(test, read_text(setting,
            "{\"prompt\": \"a\\u001b[2J\", \"completion\": \"Gr\\u00fc\\u00dfe\"}\n"
            "{\"prompt\": \"b\", \"completion\": \" \"}\n"
            "{\"prompt\": \"b\", \"completion\": \" \"}\n"
            "{\"prompt\": \"c\", \"completion\": \"0123456789012345678901234567890123456789\"}\n",
            &dataset)))
        return;
    CHECK_OK(test, dataset_show(&dataset, setting->tokenizer, setting->chat, 1, DATA_BRACKETED, &text));
    const char *line = text.data ? strchr(text.data, '\n') : NULL;
    CHECK(test, strstr(text.data, "data.jsonl: line 1: 33 tokens, 8 supervised\n") != NULL);
    CHECK_STRING(test, "\n<|im_start|>user\na\xe2\x90\x9b[2J<|im_end|>\n<|im_start|>assistant\n"
                       "[[Gr\xc3\xbc\xc3\x9f" "e<|im_end|>]]\n", line);
    text_clear(&text);
    CHECK_OK(test, dataset_show(&dataset, setting->tokenizer, setting->chat, 0, DATA_COLOURED, &text));
    CHECK(test, strstr(text.data, "\x1b[32m <|im_end|>\x1b[0m") && !strstr(text.data, "[["));
    text_clear(&text);
    CHECK_OK(test, dataset_show(&dataset, setting->tokenizer, setting->chat, 0, DATA_JSON, &text));
    CHECK(test, strstr(text.data, "data.jsonl\",\"line\":1,\"weight\":1,\"supervised\":8,\"tokens\":[{\"id\":"));
    CHECK(test, strstr(text.data, "\"text\":\"\\u001b\",\"supervised\":false}"));
    CHECK(test, strstr(text.data, "\"text\":\"\",\"supervised\":true},{") &&         /* half an umlaut */
                strstr(text.data, "\"text\":\"\xc3\xbc\",\"supervised\":true},{"));
    CHECK(test, strstr(text.data, "\"text\":\"<|im_end|>\",\"supervised\":true}") &&
                strstr(text.data, "}]}\n{\"file\":"));
    log_lines = 0;
    CHECK_OK(test, dataset_check(&dataset, setting->tokenizer, setting->chat, 32, &report));
    CHECK(test, report.examples == 4 && report.duplicates == 1 && report.empty_replies == 2);
    CHECK(test, report.supervised == 8 + 2 + 2 + 41 && report.longest_line == 4);
    CHECK(test, report.truncated == 1 && log_lines == 4);
    text_finish(&text);
    dataset_finish(&dataset);
}

static void test_plain_text(Test *test, const Setting *setting)
{
    Tokens tokens = {0};
    CHECK_OK(test, os_write_file(setting->file, "ab\n\xff\n", 5));
    CHECK_OK(test, text_encode_file(setting->tokenizer, setting->file, true, true, &tokens));
    CHECK(test, tokens.count == 5 && !tokens.supervised[0] && tokens.supervised[1]);
    CHECK(test, tokens.ids[3] == 255 && tokens.supervised[4]);
    tokens_finish(&tokens);
    CHECK_OK(test, os_write_file(setting->file, "a\0\xff\xfe" "b", 5));
    CHECK_OK(test, text_encode_file(setting->tokenizer, setting->file, false, false, &tokens));
    CHECK(test, tokens.count == 5 && tokens.ids[1] == 0 && tokens.ids[3] == 0xfe);
    tokens_finish(&tokens);
    CHECK_OK(test, os_write_file(setting->file, "a", 1));
    CHECK_STATUS(test, TMB_BAD_INPUT,
                 text_encode_file(setting->tokenizer, setting->file, false, false, &tokens));
    tokens_finish(&tokens);
}

int main(int argc, char **argv)
{
    Test test = {.name = "dataset"};
    const char *folder = argc > 1 ? argv[1] : ".";
    Setting setting = {.model = os_join(folder, "bytes.gguf"),
                       .file = os_join(folder, "data.jsonl")};
    log_set_sink(count_log, NULL);
    if (CHECK_OK(&test, byte_model_load(setting.model, &setting.tokenizer, &setting.chat))) {
        test_formats(&test, &setting);
        test_bad_lines(&test, &setting);
        test_other_formats(&test, &setting);
        test_many_bad_lines(&test, &setting);
        test_bad_files(&test, &setting, folder);
        test_long_line(&test, &setting);
        test_supervision(&test, &setting);
        test_line_ends(&test, &setting);
    test_show_and_check(&test, &setting);
        test_plain_text(&test, &setting);
    }
    chat_template_destroy(&setting.chat);
    tokenizer_destroy(&setting.tokenizer);
    free(setting.model);
    free(setting.file);
    return test_end(&test);
}
