#ifndef BASE_OS_H
#define BASE_OS_H
/* Every operating-system call of the project: os_posix_*.c, os_win32_*.c, os_common.c.
 * Paths are UTF-8 everywhere; messages name the path and the system's reason. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

/* ---- files -------------------------------------------------------------- */

typedef struct OsMap {
    const unsigned char *data;
    uint64_t bytes;
    void *handle;            /* private */
} OsMap;
/* Maps a regular file read-only. Empty files give data NULL, bytes 0. A directory
 * or a missing file is TMB_BAD_INPUT. */
TMB_MUST_USE tmb_status os_map(const char *path, OsMap *out);
/* Lets the system drop the pages of this range from memory; they can be read again. */
void os_map_drop(const OsMap *map, uint64_t offset, uint64_t bytes);
void os_unmap(OsMap *map);

/* Reads a whole file (or stdin for "-") into a NUL-terminated malloc'd block. */
TMB_MUST_USE tmb_status os_read_file(const char *path, char **data, size_t *bytes);
FILE *os_fopen(const char *path, const char *mode);

/* A file that appears only when complete: written beside the target as PATH.partial,
 * fsynced, renamed over it, directory fsynced. Abort removes the partial file; one left by
 * a killed process is reused by the next begin. TMB_BUSY while another process writes it. */
typedef struct OsReplace OsReplace;
TMB_MUST_USE tmb_status os_replace_begin(const char *path, OsReplace **out);
TMB_MUST_USE tmb_status os_replace_write(OsReplace *file, const void *data, size_t bytes);
TMB_MUST_USE tmb_status os_replace_commit(OsReplace **file);
void os_replace_abort(OsReplace **file);
TMB_MUST_USE tmb_status os_write_file(const char *path, const void *data, size_t bytes);
/* Appends one record and flushes it to the disk. */
TMB_MUST_USE tmb_status os_append(const char *path, const void *data, size_t bytes);

bool os_exists(const char *path);
bool os_is_directory(const char *path);
uint64_t os_file_bytes(const char *path);                 /* 0 when missing */
/* What may still be written to the disk that holds this folder; UINT64_MAX when unknown. */
uint64_t os_free_disk(const char *folder);
TMB_MUST_USE tmb_status os_make_directories(const char *path);
TMB_MUST_USE tmb_status os_remove(const char *path);      /* missing is ok */
/* A file, or a folder with all that is in it; links are removed, not followed. */
TMB_MUST_USE tmb_status os_remove_tree(const char *path);
TMB_MUST_USE tmb_status os_rename(const char *from, const char *to);
/* Names (not paths) in a directory, sorted; each and the array malloc'd. */
TMB_MUST_USE tmb_status os_list(const char *path, char ***names, size_t *count);
void os_list_free(char ***names, size_t count);
TMB_MUST_USE tmb_status os_truncate(const char *path, uint64_t bytes);

/* An exclusive lock file held until release or the process ends. TMB_BUSY when
 * another process holds it. */
typedef struct OsLock OsLock;
TMB_MUST_USE tmb_status os_lock(const char *path, OsLock **out);
void os_unlock(OsLock **lock);

/* Joins with '/' ; absolute part replaces base. malloc'd. */
char *os_join(const char *base, const char *part);
/* The user's cache folder for Timbre ($XDG_CACHE_HOME/timbre, ~/.cache/timbre,
 * %LOCALAPPDATA%\timbre), created. malloc'd, NULL when there is none. */
char *os_cache_directory(void);

/* ---- process ------------------------------------------------------------ */

double os_seconds(void);                       /* monotonic */
void os_sleep(double seconds);
int64_t os_unix_time(void);                    /* seconds since 1970 */
uint64_t os_peak_rss(void);                    /* bytes */
uint64_t os_free_memory(void);                 /* bytes of main memory available now */
unsigned os_cpu_count(void);
unsigned os_process_id(void);                  /* no other running process has it */
bool os_is_terminal(FILE *stream);
unsigned os_terminal_columns(void);            /* 80 when unknown */
/* For this process and its children; NULL removes it. Call before starting threads. */
void os_set_environment(const char *name, const char *value);
/* First Ctrl-C (or a closed terminal) sets the flag; the second ends the process at once
 * with 130. */
void os_interrupt_install(void);
bool os_interrupted(void);
/* Forgets the first Ctrl-C: what it was meant for has stopped. */
void os_interrupt_clear(void);
/* While on, Ctrl-C also ends a read that waits for the terminal, as the end of input does. */
void os_interrupt_reading(bool on);
/* True when a further line of standard input, a terminal, is there already (pasted text). */
bool os_input_waiting(void);
/* Writing to a pipe that nobody reads becomes an error instead of the process's end. */
void os_ignore_closed_pipe(void);
/* Sets the flag as a first Ctrl-C would; safe in a signal handler. */
void os_interrupt(void);
/* UTF-8 arguments on Windows (and UTF-8 console output); unchanged elsewhere. */
void os_arguments(int *argc, char ***argv);
/* Path of the running executable, malloc'd, NULL when unknown. */
char *os_executable(void);
enum { OS_TIMED_OUT = 124, OS_SILENT = 125 };     /* the first as timeout(1) */
/* Runs a child to its end without a shell; stdout discarded unless output is given.
 * exit_code is the child's, or 128 + signal. TMB_FAILED when it cannot start;
 * after `seconds` (> 0) it is killed and exit_code is OS_TIMED_OUT. */
TMB_MUST_USE tmb_status os_run(const char *const argv[], double seconds, char **output,
                               int *exit_code);
/* The same, and a child that prints nothing for `silence` seconds (> 0) is killed as well, with
 * exit_code OS_SILENT. */
TMB_MUST_USE tmb_status os_run_watched(const char *const argv[], double seconds, double silence,
                                       char **output, int *exit_code);

/* ---- threads ------------------------------------------------------------ */

/* Calls work(context, index) for every index below `count` at the same time, 0 by this thread,
 * and returns when all are done. What gets no thread of its own is done by this one, afterwards. */
void os_together(unsigned count, void (*work)(void *context, unsigned index), void *context);

typedef struct OsMutex OsMutex;      /* held by one thread at a time, not taken twice by one */
OsMutex *os_mutex_create(void);
void os_mutex_destroy(OsMutex **mutex);
void os_mutex_lock(OsMutex *mutex);
void os_mutex_unlock(OsMutex *mutex);

/* ---- fault injection (tests) -------------------------------------------- */

/* TIMBRE_CRASH_AT=n makes the n-th write, fsync or rename of this process its
 * last act, by _exit, as if the power had gone. No effect when unset. */
void os_crash_point(void);

#endif
