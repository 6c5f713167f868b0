/* The operating system: files that appear whole or not at all, locks, children, names
 * beyond ASCII. Everything happens in a folder of its own. */
#include <stdlib.h>

#include "test.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/sha256.h"

static const char folder[] = "Grüße & Mails (test_files)";

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void check_contents(Test *test, const char *path, const char *expected)
{
    char *text = NULL;
    size_t bytes = 0;
    if (CHECK_OK(test, os_read_file(path, &text, &bytes))) {
        CHECK_STRING(test, expected, text);
        CHECK(test, bytes == strlen(expected));
    }
    free(text);
}

static size_t names_in_folder(Test *test)
{
    char **names = NULL;
    size_t count = 0;
    CHECK_OK(test, os_list(folder, &names, &count));
    os_list_free(&names, count);
    return count;
}

static void start_over(Test *test)
{
    CHECK_OK(test, os_remove_tree(folder));
    CHECK_OK(test, os_make_directories(folder));
}

static void folders_and_names(Test *test)
{
    start_over(test);
    CHECK_OK(test, os_make_directories(in_folder("a/b//c")));
    CHECK_OK(test, os_make_directories(in_folder("a/b/c")));
    CHECK(test, os_is_directory(in_folder("a/b/c")));
    CHECK_OK(test, os_write_file(in_folder("a/ü.txt"), "x", 1));
    CHECK_OK(test, os_write_file(in_folder("a/A.txt"), "", 0));
    char **names = NULL;
    size_t count = 0;
    REQUIRE_OK(test, os_list(in_folder("a"), &names, &count));
    REQUIRE(test, count == 3);
    CHECK_STRING(test, "A.txt", names[0]);
    CHECK_STRING(test, "b", names[1]);
    CHECK_STRING(test, "ü.txt", names[2]);
    os_list_free(&names, count);
    CHECK_STATUS(test, TMB_IO, os_make_directories(in_folder("a/A.txt/no")));
    CHECK(test, os_file_bytes(in_folder("a/ü.txt")) == 1 && os_exists(in_folder("a/A.txt")));
    CHECK(test, os_free_disk(folder) > 0 && os_free_disk(in_folder("missing")) == UINT64_MAX);
    CHECK(test, os_file_bytes(in_folder("missing")) == 0 && !os_exists(in_folder("missing")));
    CHECK_OK(test, os_rename(in_folder("a/ü.txt"), "Grüße & Mails (test_files)/moved"));
    CHECK(test, os_exists(in_folder("moved")));
    CHECK_OK(test, os_remove(in_folder("missing")));
    CHECK_STATUS(test, TMB_BAD_INPUT, os_list(in_folder("missing"), &names, &count));
    CHECK_OK(test, os_remove_tree(folder));
    CHECK(test, !os_exists(folder));
}

static void paths_join(Test *test)
{
    char *path = os_join("run", "adapter");
    CHECK_STRING(test, "run/adapter", path);
    free(path);
    path = os_join("run/", "/absolute");
    CHECK_STRING(test, "/absolute", path);
    free(path);
    path = os_join("", "name");
    CHECK_STRING(test, "name", path);
    free(path);
}

static void maps_and_reads(Test *test)
{
    start_over(test);
    enum { BYTES = 300000 };
    unsigned char *data = mem_new(BYTES, 1);
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (unsigned char)(i * 31 >> 3);
    REQUIRE_OK(test, os_write_file(in_folder("data"), data, BYTES));
    OsMap map;
    REQUIRE_OK(test, os_map(in_folder("data"), &map));
    CHECK(test, map.bytes == BYTES && memcmp(map.data, data, BYTES) == 0);
    os_map_drop(&map, 5000, 200000);
    CHECK(test, memcmp(map.data, data, BYTES) == 0);
    os_unmap(&map);
    unsigned char digest[SHA256_BYTES];
    char text_of_file[SHA256_TEXT], text_of_data[SHA256_TEXT];
    Sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, data, BYTES);
    sha256_final(&hash, digest);
    sha256_text(digest, text_of_data);
    CHECK_OK(test, sha256_file(in_folder("data"), text_of_file));
    CHECK_STRING(test, text_of_data, text_of_file);
    free(data);
    REQUIRE_OK(test, os_write_file(in_folder("empty"), "", 0));
    CHECK_OK(test, os_map(in_folder("empty"), &map));
    CHECK(test, map.data == NULL && map.bytes == 0);
    CHECK_STATUS(test, TMB_BAD_INPUT, os_map(folder, &map));
    CHECK_STATUS(test, TMB_BAD_INPUT, os_map(in_folder("missing"), &map));
    CHECK_SAYS(test, "missing");
    char *text;
    size_t bytes;
    CHECK_STATUS(test, TMB_BAD_INPUT, os_read_file(folder, &text, &bytes));
    CHECK_STATUS(test, TMB_BAD_INPUT, os_read_file(in_folder("missing"), &text, &bytes));
}

static void replacing_is_all_or_nothing(Test *test)
{
    start_over(test);
    const char *path = in_folder("target");
    REQUIRE_OK(test, os_write_file(path, "old", 3));
    OsReplace *file = NULL, *second = NULL;
    REQUIRE_OK(test, os_replace_begin(path, &file));
    CHECK_OK(test, os_replace_write(file, "ne", 2));
    check_contents(test, path, "old");
    CHECK_STATUS(test, TMB_BUSY, os_replace_begin(path, &second));
    CHECK_OK(test, os_replace_write(file, "w", 1));
    CHECK_OK(test, os_replace_commit(&file));
    CHECK(test, file == NULL);
    check_contents(test, path, "new");
    REQUIRE_OK(test, os_replace_begin(path, &file));
    CHECK_OK(test, os_replace_write(file, "never", 5));
    os_replace_abort(&file);
    check_contents(test, path, "new");
    CHECK(test, names_in_folder(test) == 1);
    CHECK_STATUS(test, TMB_IO, os_replace_begin(in_folder("no/such/folder"), &file));
    CHECK_STATUS(test, TMB_IO, os_replace_begin(folder, &file));
}

static void a_crash_anywhere_leaves_old_or_new(Test *test)
{
    start_over(test);
    const char *setting = getenv("TIMBRE_TEST_CRASH_CHILD"), *path = in_folder("target");
    if (!setting) {
        test_skip(test, "TIMBRE_TEST_CRASH_CHILD is not set; meson test sets it");
        return;
    }
    char *child = mem_string(setting);   /* changing the environment may move it */
    const char *const command[] = {child, path, NULL};
    int crashes = 0, code = 137;
    for (int at = 1; code == 137 && at < 20; at++) {
        REQUIRE_OK(test, os_write_file(path, "old contents", 12));
        char number[16], *text = NULL;
        size_t bytes;
        snprintf(number, sizeof number, "%d", at);
        os_set_environment("TIMBRE_CRASH_AT", number);
        tmb_status status = os_run(command, 20, NULL, &code);
        os_set_environment("TIMBRE_CRASH_AT", NULL);
        REQUIRE_OK(test, status);
        CHECK(test, code == 137 || code == 0);
        crashes += code == 137;
        REQUIRE_OK(test, os_read_file(path, &text, &bytes));
        CHECK(test, strcmp(text, "old contents") == 0 || strcmp(text, "new contents") == 0);
        CHECK(test, code != 0 || strcmp(text, "new contents") == 0);
        free(text);
    }
    free(child);
    CHECK(test, code == 0 && crashes >= 3);   /* write, flush, rename at least */
    CHECK(test, names_in_folder(test) == 1);      /* the last run took the left partial file over */
}

static void appending_and_truncating(Test *test)
{
    start_over(test);
    const char *path = in_folder("log");
    CHECK_OK(test, os_append(path, "one\n", 4));
    CHECK_OK(test, os_append(path, "two\n", 4));
    check_contents(test, path, "one\ntwo\n");
    CHECK_OK(test, os_truncate(path, 4));
    check_contents(test, path, "one\n");
    CHECK_STATUS(test, TMB_IO, os_append(folder, "x", 1));
}

static void json_files(Test *test)
{
    start_over(test);
    cJSON *tree = cJSON_CreateObject();
    json_add_hex(tree, "state", UINT64_C(0x0123456789abcdef));
    cJSON_AddNumberToObject(tree, "loss", 0.1);
    CHECK_OK(test, json_write_file(in_folder("state.json"), tree));
    cJSON_Delete(tree);
    REQUIRE_OK(test, json_read_file(in_folder("state.json"), &tree));
    JsonAt top = json_at("state.json", tree);
    uint64_t state = 0;
    double loss = 0;
    CHECK_OK(test, json_hex(&top, "state", &state));
    CHECK_OK(test, json_double(&top, "loss", &loss));
    CHECK(test, state == UINT64_C(0x0123456789abcdef) && loss == 0.1);
    cJSON_Delete(tree);
}

static void a_lock_has_one_holder(Test *test)
{
    start_over(test);
    OsLock *first = NULL, *second = NULL;
    REQUIRE_OK(test, os_lock(in_folder("lock"), &first));
    CHECK_STATUS(test, TMB_BUSY, os_lock(in_folder("lock"), &second));
    os_unlock(&first);
    CHECK(test, first == NULL);
    CHECK_OK(test, os_lock(in_folder("lock"), &second));
    os_unlock(&second);
    os_unlock(&second);
}

static void children_run_and_are_stopped(Test *test)
{
#ifdef _WIN32
    const char *const says[] = {"cmd", "/c", "echo hello& exit 3", NULL};
    const char *const sleeps[] = {"ping", "-n", "30", "127.0.0.1", NULL};
    /* ping itself may keep its lines until it ends */
    const char *const talks[] = {"cmd", "/c", "for /l %i in (1,1,3) do @(echo %i& ping -n 2 127.0.0.1 >NUL)", NULL};
#else
    const char *const says[] = {"sh", "-c", "echo hello; exit 3", NULL};
    const char *const sleeps[] = {"sleep", "30", NULL};
    const char *const talks[] = {"sh", "-c", "for i in 1 2 3 4 5; do sleep 0.4; echo $i; done", NULL};
#endif
    const char *const missing[] = {"no-such-program-here", NULL};
    char *output = NULL;
    int code = 0;
    REQUIRE_OK(test, os_run(says, 20, &output, &code));
    CHECK(test, code == 3 && output && strncmp(output, "hello", 5) == 0);
    free(output);
    double start = os_seconds();
    REQUIRE_OK(test, os_run(sleeps, 0.3, NULL, &code));
    CHECK(test, code == 124 && os_seconds() - start < 10);
    /* silence counts from the last word, not from the beginning */
    REQUIRE_OK(test, os_run_watched(sleeps, 20, 0.3, NULL, &code));
    CHECK(test, code == OS_SILENT);
    REQUIRE_OK(test, os_run_watched(talks, 20, 1.5, NULL, &code));
    CHECK(test, code == 0);
    CHECK_STATUS(test, TMB_FAILED, os_run(missing, 5, NULL, &code));
    CHECK_SAYS(test, "no-such-program-here");
}

static void this_process_knows_itself(Test *test)
{
    char *path = os_executable();
    REQUIRE(test, path != NULL);
    CHECK(test, strstr(path, "test_base_files") && os_exists(path));
    free(path);
    CHECK(test, os_cpu_count() >= 1 && os_terminal_columns() > 0);
    CHECK(test, os_peak_rss() > 100000 && os_free_memory() > 1000000);
    CHECK(test, os_unix_time() > 1700000000);
    double before = os_seconds();
    CHECK(test, os_seconds() >= before);
    CHECK(test, !os_interrupted());
    CHECK_OK(test, os_remove_tree(folder));
}

int main(void)
{
    Test test = {.name = "base_files"};
    folders_and_names(&test);
    paths_join(&test);
    maps_and_reads(&test);
    replacing_is_all_or_nothing(&test);
    a_crash_anywhere_leaves_old_or_new(&test);
    appending_and_truncating(&test);
    json_files(&test);
    a_lock_has_one_holder(&test);
    children_run_and_are_stopped(&test);
    this_process_knows_itself(&test);
    return test_end(&test);
}
