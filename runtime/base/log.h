#ifndef BASE_LOG_H
#define BASE_LOG_H
/* Messages for people, on standard error: standard output belongs to results. One
 * progress line is redrawn in place on a terminal; in a log it becomes plain lines,
 * at most one every LOG_PROGRESS_SECONDS. This default log is the one global. */

#include "base/status.h"

typedef enum LogLevel {
    LOG_ERROR,      /* the command fails */
    LOG_WARNING,    /* it goes on, but somebody should know */
    LOG_INFO,       /* what is being done and chosen, the default */
    LOG_DEBUG       /* everything else */
} LogLevel;

enum { LOG_PROGRESS_SECONDS = 10 };

/* Messages above this level are dropped; --quiet is LOG_WARNING and also hides progress. */
void log_set_level(LogLevel level);
LogLevel log_level(void);
/* Takes finished messages instead of standard error; NULL restores it. The text has no
 * line end. Progress is then reported at LOG_INFO. */
void log_set_sink(void (*sink)(void *context, LogLevel level, const char *text), void *context);

void log_message(LogLevel level, const char *format, ...) TMB_PRINTF(2, 3);
#define log_error(...) log_message(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, __VA_ARGS__)

/* Shows the line in place of the one before, cut to the terminal's width. */
void log_progress(const char *format, ...) TMB_PRINTF(1, 2);
/* Ends the progress line: the last one stays on the screen, and in a log is written even
 * if less than LOG_PROGRESS_SECONDS have gone by. */
void log_progress_end(void);

#endif
