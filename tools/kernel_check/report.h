#ifndef KERNEL_CHECK_REPORT_H
#define KERNEL_CHECK_REPORT_H
/* Counts, lines for people, and the JSON file. */

#include "check/check.h"
#include "options.h"

typedef struct cJSON cJSON;

typedef struct Tally {
    unsigned passed, failed, skipped;
    double worst;            /* largest share of the tolerance */
} Tally;

typedef struct Report {
    const Options *options;
    Tally total;
    Tally *rows;             /* [kernel_count()] */
    cJSON *json;             /* array of results, NULL unless asked for */
} Report;

void report_init(Report *report, const Options *options);
/* One check of one row, case and tuning on one device. */
void report_check(Report *report, const char *device, const KernelRow *row, const char *case_name,
                  const char *tuning, Verdict verdict, const Worst *worst, const char *problems);
/* One measurement. */
void report_bench(Report *report, const char *device, const KernelRow *row, const char *case_name,
                  const char *tuning, double seconds, double flops, double bytes,
                  double roof_share);
/* One line with the tally of a row. */
void report_row(const Report *report, const KernelRow *row);
/* Prints the closing line and writes the file; the exit code. */
int report_end(Report *report);

#endif
