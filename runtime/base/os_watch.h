#ifndef BASE_OS_WATCH_H
#define BASE_OS_WATCH_H
/* For os_*_process.c: when a child has had its time. */

#include <stddef.h>

typedef struct OsWatch {
    double end, silence;     /* in os_seconds(), and a duration; 0: no limit */
    double last;             /* when something was printed */
    size_t bytes;            /* that had been printed by then */
} OsWatch;

OsWatch os_watch_begin(double seconds, double silence);
/* OS_TIMED_OUT or OS_SILENT when the child is to be ended, otherwise 0. */
int os_watch_over(OsWatch *watch, size_t bytes);

#endif
