/* Memory, text and JSON. */
#include <stdlib.h>

#include "test.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

static void memory_overflow_is_refused(Test *test)
{
    void *memory = mem_try(SIZE_MAX / 2, 4);
    CHECK(test, memory == NULL);
    free(memory);
}

static void arena_is_aligned_and_zeroed(Test *test)
{
    Arena arena = {0};
    for (size_t bytes = 1; bytes < 200000; bytes = bytes * 3 + 1) {
        unsigned char *memory = arena_new(&arena, bytes, 1);
        CHECK(test, (uintptr_t)memory % 16 == 0);
        for (size_t i = 0; i < bytes; i++)
            if (memory[i]) {
                CHECK(test, memory[i] == 0);
                break;
            }
        memset(memory, 0xff, bytes);
    }
    CHECK_STRING(test, "layer-12", arena_format(&arena, "%s-%d", "layer", 12));
    arena_finish(&arena);
    CHECK(test, arena.last == NULL);
}

static void text_grows(Test *test)
{
    Text text = {0};
    for (int i = 0; i < 1000; i++)
        text_print(&text, "%03d,", i);
    CHECK(test, text.bytes == 4000 && strlen(text.data) == 4000);
    CHECK(test, strncmp(text.data + 3996, "999,", 5) == 0);
    text_finish(&text);
    CHECK(test, text.data == NULL && text.bytes == 0);
}

static void terminals_are_safe(Test *test)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"Gr\xc3\xbc\xc3\x9f" "e\n\t\xf0\x9f\x8f\x94 \xe6\x97\xa5", "Gr\xc3\xbc\xc3\x9f" "e\n\t\xf0\x9f\x8f\x94 \xe6\x97\xa5"},
        {"a\x1b[31mb\a\r", "a\xe2\x90\x9b[31mb\xe2\x90\x87\xe2\x90\x8d"},
        {"\x7f\xc2\x9b" "5n\xc2\xa0", "\xe2\x90\xa1\xef\xbf\xbd" "5n\xc2\xa0"},
        {"\x9b" "5n\xc3(\xf0\x9f", "\xef\xbf\xbd" "5n\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Text text = {0};
        text_append_visible(&text, cases[i].text, strlen(cases[i].text));
        CHECK_STRING(test, cases[i].shown, text.data);
        text_finish(&text);
    }
    Text text = {0};
    text_append_valid(&text, "\x1b\xc2\x9b\x9b", 4);
    CHECK_STRING(test, "\x1b\xc2\x9b\xef\xbf\xbd", text.data);
    text_finish(&text);
}

static cJSON *parse(const char *text)
{
    cJSON *tree = NULL;
    return json_parse("t.json", text, strlen(text), &tree) == TMB_OK ? tree : NULL;
}

static void json_reads_every_type(Test *test)
{
    cJSON *tree = parse("\xef\xbb\xbf{\"a\": {\"n\": 7, \"list\": [1.5, 2]}, \"s\": \"x\", "
                        "\"yes\": true, \"none\": null, \"big\": \"ffffffffffffffff\"}\r\n");
    REQUIRE(test, tree != NULL);
    JsonAt top = json_at("t.json", tree), inner, list, element;
    uint32_t number = 0;
    uint64_t wide = 0;
    double real = 0;
    bool flag = false;
    const char *text = NULL;
    CHECK_OK(test, json_object(&top, "a", &inner));
    CHECK_OK(test, json_u32(&inner, "n", &number));
    CHECK(test, number == 7);
    CHECK_OK(test, json_array(&inner, "list", &list));
    CHECK(test, json_count(&list) == 2);
    element = json_element(&list, 0);
    CHECK_OK(test, json_as_double(&element, &real));
    CHECK(test, real == 1.5);
    CHECK_OK(test, json_string(&top, "s", &text));
    CHECK_STRING(test, "x", text);
    CHECK_OK(test, json_bool(&top, "yes", &flag));
    CHECK(test, flag);
    CHECK_OK(test, json_hex(&top, "big", &wide));
    CHECK(test, wide == UINT64_MAX);
    CHECK_OK(test, json_string_or(&top, "none", "fallback", &text));
    CHECK_STRING(test, "fallback", text);
    cJSON_Delete(tree);
}

/* Whichever was meant, other readers may take the other. */
static void json_refuses_repeated_keys(Test *test)
{
    static const char *const bad[] = {
        "{\"k\": 1, \"k\": 1}", "{\"k\": 1, \"l\": 2, \"m\": 3, \"k\": null}",
        "[0, {\"a\": [{\"k\": {}, \"k\": []}]}]", "{\"a\": {\"k\": 1, \"\\u006b\": 2}}",
    };
    cJSON *tree = NULL;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CHECK_STATUS(test, TMB_BAD_INPUT, json_parse("t.json", bad[i], strlen(bad[i]), &tree));
        CHECK_SAYS(test, "t.json: the key \"k\" stands twice");
        CHECK(test, !tree);
    }
    tree = parse("{\"k\": {\"k\": 1}, \"K\": [{\"k\": 1}, {\"k\": 2}], \"\": 0}");
    CHECK(test, tree != NULL);
    cJSON_Delete(tree);
}

static void json_names_the_offending_key(Test *test)
{
    cJSON *tree = parse("{\"o\": {\"lr\": \"fast\", \"n\": -1, \"list\": [1, 2.5]}}");
    REQUIRE(test, tree != NULL);
    JsonAt top = json_at("t.json", tree), o, list;
    double real;
    bool flag;
    uint32_t number;
    uint64_t wide;
    REQUIRE_OK(test, json_object(&top, "o", &o));
    CHECK_STATUS(test, TMB_BAD_INPUT, json_double(&o, "lr", &real));
    CHECK_STRING(test, "t.json: o.lr is a string, a number is needed", tmb_last_error());
    CHECK_STATUS(test, TMB_BAD_INPUT, json_bool_or(&o, "lr", true, &flag));
    CHECK_STATUS(test, TMB_BAD_INPUT, json_u32(&o, "n", &number));
    CHECK_SAYS(test, "o.n is -1");
    CHECK_STATUS(test, TMB_BAD_INPUT, json_u32(&o, "gone", &number));
    CHECK_SAYS(test, "o.gone is missing");
    REQUIRE_OK(test, json_array(&o, "list", &list));
    JsonAt second = json_element(&list, 1);
    CHECK_STATUS(test, TMB_BAD_INPUT, json_as_u64(&second, &wide));
    CHECK_SAYS(test, "o.list[1] is 2.5");
    JsonAt third = json_element(&list, 2);
    CHECK_STATUS(test, TMB_BAD_INPUT, json_as_u64(&third, &wide));
    CHECK_STATUS(test, TMB_BAD_INPUT, json_string(&list, "key of an array", &(const char *){NULL}));
    cJSON_Delete(tree);
}

static void json_refuses_what_is_not_json(Test *test)
{
    static const char *const bad[] = {"", "{", "{\"a\": }", "{} x", "[1,]", "nul", "{\"a\" 1}"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        cJSON *tree = NULL;
        CHECK_STATUS(test, TMB_BAD_INPUT, json_parse("t.json", bad[i], strlen(bad[i]), &tree));
        CHECK(test, tree == NULL);
    }
    CHECK(test, parse("{\n  \"a\": 1,\n  oops\n}") == NULL);
    CHECK_SAYS(test, "line 3");
    char deep[4000];
    memset(deep, '[', sizeof deep);
    cJSON *tree = NULL;
    CHECK_STATUS(test, TMB_BAD_INPUT, json_parse("t.json", deep, sizeof deep, &tree));
}

static void gather(void *context, LogLevel level, const char *text)
{
    text_print(context, "%d:%s;", (int)level, text);
}

static void messages_above_the_level_are_dropped(Test *test)
{
    Text seen = {0};
    log_set_sink(gather, &seen);
    log_info("one %d", 1);
    log_debug("hidden");
    log_set_level(LOG_WARNING);
    log_info("hidden");
    log_warning("two");
    log_set_level(LOG_INFO);
    log_set_sink(NULL, NULL);
    CHECK_STRING(test, "2:one 1;1:two;", seen.data);
    text_finish(&seen);
}

int main(void)
{
    Test test = {.name = "base_text"};
    memory_overflow_is_refused(&test);
    arena_is_aligned_and_zeroed(&test);
    text_grows(&test);
    terminals_are_safe(&test);
    json_reads_every_type(&test);
    json_refuses_repeated_keys(&test);
    json_names_the_offending_key(&test);
    json_refuses_what_is_not_json(&test);
    messages_above_the_level_are_dropped(&test);
    return test_end(&test);
}
