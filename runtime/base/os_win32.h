#ifndef BASE_OS_WIN32_H
#define BASE_OS_WIN32_H
/* Shared by the os_win32_*.c files only: UTF-8 in, UTF-16 to the system. */

#include <wchar.h>

#include "base/status.h"

/* malloc'd; invalid UTF-8 becomes U+FFFD, which no file has in its name. */
wchar_t *win32_wide(const char *text);
/* Like win32_wide, and long absolute paths get the prefix that lifts the 260 limit. */
wchar_t *win32_path(const char *path);
char *win32_utf8(const wchar_t *text);
/* "path: what: the system's reason", from GetLastError(). */
tmb_status win32_fail(tmb_status status, const char *path, const char *what);

#endif
