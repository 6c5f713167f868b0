/* The parts of os.h that need no system call of their own. */
#include "base/os.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os_watch.h"

static tmb_status read_stream(FILE *file, const char *path, char **data, size_t *bytes)
{
    size_t used = 0, capacity = 64 * 1024;
    char *text = mem_new(capacity, 1);
    for (;;) {
        size_t got = fread(text + used, 1, capacity - 1 - used, file);
        used += got;
        if (got == 0 || feof(file))     /* a terminal would ask for a second Ctrl-D */
            break;
        if (used + 1 == capacity) {
            char *larger = capacity < SIZE_MAX / 2 ? realloc(text, capacity * 2) : NULL;
            if (!larger) {
                free(text);
                return fail(TMB_OUT_OF_HOST, "%s: more than %zu MiB, which does not fit in memory",
                            path, capacity >> 20);
            }
            text = larger;
            capacity *= 2;
        }
    }
    if (ferror(file)) {
        int reason = errno;
        free(text);
        return fail(TMB_IO, "%s: cannot be read: %s", path, strerror(reason));
    }
    text[used] = '\0';
    *data = text;
    *bytes = used;
    return TMB_OK;
}

tmb_status os_read_file(const char *path, char **data, size_t *bytes)
{
    *data = NULL;
    *bytes = 0;
    if (strcmp(path, "-") == 0)
        return read_stream(stdin, "standard input", data, bytes);
    if (os_is_directory(path))
        return fail(TMB_BAD_INPUT, "%s: is a folder, a file is needed", path);
    FILE *file = os_fopen(path, "rb");
    if (!file)
        return fail(TMB_BAD_INPUT, "%s: cannot be opened: %s", path, strerror(errno));
    tmb_status status = read_stream(file, path, data, bytes);
    fclose(file);
    return status;
}

tmb_status os_write_file(const char *path, const void *data, size_t bytes)
{
    OsReplace *file = NULL;
    tmb_status status = os_replace_begin(path, &file);
    if (status != TMB_OK)
        return status;
    TRY_OR(done, status, os_replace_write(file, data, bytes));
    status = os_replace_commit(&file);
done:
    os_replace_abort(&file);
    return status;
}

tmb_status os_remove_tree(const char *path)
{
    /* a link to a folder is removed as a link, so nothing outside is ever touched */
    if (os_remove(path) == TMB_OK)
        return TMB_OK;
    char **names = NULL;
    size_t count = 0;
    tmb_status status = os_list(path, &names, &count);
    for (size_t i = 0; i < count && status == TMB_OK; i++) {
        char *inner = os_join(path, names[i]);
        status = os_remove_tree(inner);
        free(inner);
    }
    os_list_free(&names, count);
    return status == TMB_OK ? os_remove(path) : status;
}

static bool is_separator(char letter)
{
#ifdef _WIN32
    return letter == '/' || letter == '\\';
#else
    return letter == '/';
#endif
}

static bool is_absolute(const char *path)
{
#ifdef _WIN32
    if (path[0] && path[1] == ':')
        return true;
#endif
    return is_separator(path[0]);
}

char *os_join(const char *base, const char *part)
{
    size_t bytes = strlen(base);
    if (bytes == 0 || is_absolute(part))
        return mem_string(part);
    Text path = {0};
    text_append(&path, base, bytes);
    if (!is_separator(base[bytes - 1]))
        text_append(&path, "/", 1);
    text_append(&path, part, strlen(part));
    return path.data;
}

void os_list_free(char ***names, size_t count)
{
    for (size_t i = 0; *names && i < count; i++)
        free((*names)[i]);
    free(*names);
    *names = NULL;
}

void os_crash_point(void)
{
    /* per process by definition, and only ever set by tests */
    static long remaining = -1;
    if (remaining < 0) {
        const char *setting = getenv("TIMBRE_CRASH_AT");
        remaining = setting ? strtol(setting, NULL, 10) : 0;
        if (remaining < 0)
            remaining = 0;
    }
    if (remaining > 0 && --remaining == 0)
        _Exit(137);
}

/* ---- child processes ---------------------------------------------------- */

OsWatch os_watch_begin(double seconds, double silence)
{
    const double now = os_seconds();
    return (OsWatch){.end = seconds > 0 ? now + seconds : 0, .silence = silence, .last = now};
}

int os_watch_over(OsWatch *watch, size_t bytes)
{
    const double now = os_seconds();
    if (bytes != watch->bytes) {
        watch->bytes = bytes;
        watch->last = now;
    }
    if (watch->end > 0 && now > watch->end)
        return OS_TIMED_OUT;
    return watch->silence > 0 && now - watch->last > watch->silence ? OS_SILENT : 0;
}

tmb_status os_run(const char *const argv[], double seconds, char **output, int *exit_code)
{
    return os_run_watched(argv, seconds, 0, output, exit_code);
}
