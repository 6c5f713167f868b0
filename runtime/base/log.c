#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct Log {
    LogLevel level;
    void (*sink)(void *context, LogLevel level, const char *text);
    void *context;
} Log;

static Log log_default = {.level = LOG_INFO};

void log_set_level(LogLevel level)
{
    log_default.level = level;
}

void log_set_sink(void (*sink)(void *context, LogLevel level, const char *text), void *context)
{
    log_default.sink = sink;
    log_default.context = context;
}

static void write_line(LogLevel level, const char *text)
{
    static const char *const prefixes[] = {"error: ", "warning: ", "", ""};
    Log *log = &log_default;
    if (log->sink) {
        log->sink(log->context, level, text);
        return;
    }
    fprintf(stderr, "%s%s\n", prefixes[level], text);
    fflush(stderr);
}

void log_message(LogLevel level, const char *format, ...)
{
    if (level > log_default.level)
        return;
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_line(level, text);
}
