#ifndef KERNEL_CHECK_REPORT_H
#define KERNEL_CHECK_REPORT_H
/* Every result, the lines about them for people, and the files for programs. */

#include "base/os.h"
#include "check/bench.h"
#include "check/check.h"
#include "check/instead.h"
#include "options.h"

/* Between the name of a device and its number, where others have the same name. */
#define DEVICE_BEHIND " (device "

/* One check, or one measurement, of a row's case under a tuning on a device. */
typedef struct Entry {
    const KernelRow *row;
    const char *device, *case_name;
    char tuning[96];             /* as --tuning takes it */
    Verdict verdict;
    Worst worst;
    const char *problems;        /* lines; why, when skipped; "" */
    double seconds;              /* that the check took */
    bool measured;               /* the rest is filled in */
    BenchResult bench;
    double flops, roof_share;
    const char *why;             /* this tuning, where it was not asked for, or NULL */
    const BenchResult *before;   /* of --baseline, or NULL … */
    const char *before_tuning;   /* … and under which other tuning; NULL: under the same */
    char instead[INSTEAD_NAME];  /* the two rows that this one stands in for, "" when there are none … */
    double instead_seconds;      /* … and what they take together */
    size_t lead, sequence;       /* the report's: the first kernel of the same truth, and when it came */
} Entry;

typedef struct Tally {
    unsigned passed, failed, skipped;
    double worst;                /* largest share of the tolerance */
} Tally;

/* Any thread may add to it. */
typedef struct Report {
    const Options *options;
    OsMutex *lock;               /* of all that changes */
    Entry *entries;              /* problems are the report's own copies */
    size_t count, capacity;
    unsigned failed;             /* of the entries */
    unsigned rows;               /* selected by --kernel */
    bool terminal, colour, line_open;
    double begin;                /* os_seconds at the start */
} Report;

void report_init(Report *report, const Options *options);
/* What is being done, on a terminal, in a line that the next one replaces. */
void report_progress(Report *report, const KernelRow *row, const char *case_name);
/* Copies the entry and prints it when it failed, was measured, or with --verbose. */
void report_add(Report *report, const Entry *entry);
/* One line with the tally of a row. */
void report_row(Report *report, const KernelRow *row);
/* Prints the summary and writes the files; the exit code. All threads must be done. */
int report_end(Report *report);
/* Writes the files of what is known after Ctrl-C or a failure; the exit code, given. */
int report_abandon(Report *report, int code);
void report_finish(Report *report);

/* The files of --json and --junit. */
TMB_MUST_USE tmb_status report_write_json(const Report *report, const char *path);
TMB_MUST_USE tmb_status report_write_junit(const Report *report, const char *path);

#endif
