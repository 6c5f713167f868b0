#ifndef BASE_LOG_H
#define BASE_LOG_H
/* Messages for people, on standard error: standard output belongs to results. This
 * default log is the one global. */

#include "base/status.h"

typedef enum LogLevel {
    LOG_ERROR,      /* the command fails */
    LOG_WARNING,    /* it goes on, but somebody should know */
    LOG_INFO,       /* what is being done and chosen, the default */
    LOG_DEBUG       /* everything else */
} LogLevel;

/* Messages above this level are dropped; --quiet is LOG_WARNING. */
void log_set_level(LogLevel level);
/* Takes finished messages instead of standard error; NULL restores it. The text has no
 * line end. */
void log_set_sink(void (*sink)(void *context, LogLevel level, const char *text), void *context);

void log_message(LogLevel level, const char *format, ...) TMB_PRINTF(2, 3);
#define log_error(...) log_message(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, __VA_ARGS__)

#endif
