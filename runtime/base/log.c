#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"

typedef struct Log {
    LogLevel level;
    void (*sink)(void *context, LogLevel level, const char *text);
    void *context;
    bool drawn;             /* a progress line stands on the terminal */
    double last_progress;   /* os_seconds of the last plain progress line */
    Text waiting;           /* a progress line not yet written to the log */
} Log;

static Log log_default = {.level = LOG_INFO};

void log_set_level(LogLevel level)
{
    log_default.level = level;
}

LogLevel log_level(void)
{
    return log_default.level;
}

void log_set_sink(void (*sink)(void *context, LogLevel level, const char *text), void *context)
{
    log_default.sink = sink;
    log_default.context = context;
}

static void text_print_list(Text *text, const char *format, va_list arguments)
{
    char line[2048];
    vsnprintf(line, sizeof line, format, arguments);
    text_append(text, line, strlen(line));
}

static void write_line(LogLevel level, const char *text)
{
    static const char *const prefixes[] = {"error: ", "warning: ", "", ""};
    Log *log = &log_default;
    if (log->sink) {
        log->sink(log->context, level, text);
        return;
    }
    if (log->drawn)
        fputs("\r\033[K", stderr);
    log->drawn = false;
    fprintf(stderr, "%s%s\n", prefixes[level], text);
    fflush(stderr);
}

void log_message(LogLevel level, const char *format, ...)
{
    if (level > log_default.level)
        return;
    Text text = {0};
    va_list arguments;
    va_start(arguments, format);
    text_print_list(&text, format, arguments);
    va_end(arguments);
    write_line(level, text.data);
    text_finish(&text);
}

/* Bytes of the first `columns` characters of UTF-8 text, a character a column. */
static size_t bytes_of_columns(const char *text, unsigned columns)
{
    size_t bytes = 0;
    for (unsigned column = 0; text[bytes]; column++) {
        if (column == columns)
            return bytes;
        do
            bytes++;
        while (((unsigned char)text[bytes] & 0xc0) == 0x80);
    }
    return bytes;
}

void log_progress(const char *format, ...)
{
    Log *log = &log_default;
    if (log->level < LOG_INFO)
        return;
    text_clear(&log->waiting);
    va_list arguments;
    va_start(arguments, format);
    text_print_list(&log->waiting, format, arguments);
    va_end(arguments);
    if (!log->sink && os_is_terminal(stderr)) {
        unsigned columns = os_terminal_columns();
        fprintf(stderr, "\r\033[K%.*s",
                (int)bytes_of_columns(log->waiting.data, columns > 1 ? columns - 1 : 1),
                log->waiting.data);
        fflush(stderr);
        log->drawn = true;
        return;
    }
    double now = os_seconds();
    if (log->last_progress == 0 || now - log->last_progress >= LOG_PROGRESS_SECONDS) {
        log->last_progress = now;
        write_line(LOG_INFO, log->waiting.data);
        text_clear(&log->waiting);
    }
}

void log_progress_end(void)
{
    Log *log = &log_default;
    if (log->drawn)
        fputc('\n', stderr);
    else if (log->waiting.bytes)
        write_line(LOG_INFO, log->waiting.data);
    log->drawn = false;
    log->last_progress = 0;
    text_finish(&log->waiting);
}
