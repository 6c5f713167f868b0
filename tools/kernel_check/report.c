#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

void report_init(Report *report, const Options *options)
{
    *report = (Report){.options = options, .json = options->json ? cJSON_CreateArray() : NULL,
                       .rows = MEM_NEW_ARRAY(Tally, kernel_count())};
}

static Tally *tally_of(const Report *report, const KernelRow *row)
{
    size_t index = 0;
    while (kernel_at(index) != row)
        index++;
    return &report->rows[index];
}

static void count(Tally *tally, Verdict verdict, double share)
{
    unsigned *const counts[] = {&tally->passed, &tally->failed, &tally->skipped};
    ++*counts[verdict];
    tally->worst = share > tally->worst ? share : tally->worst;
}

void report_row(const Report *report, const KernelRow *row)
{
    const Tally *tally = tally_of(report, row);
    printf("%-28s %3u passed, %u failed, %u skipped, worst error %3.0f %% of the tolerance\n",
           row->name, tally->passed, tally->failed, tally->skipped, 100 * tally->worst);
    fflush(stdout);
}

static cJSON *entry(Report *report, const char *device, const KernelRow *row,
                    const char *case_name, const char *tuning)
{
    if (!report->json)
        return NULL;
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToArray(report->json, object);
    cJSON_AddStringToObject(object, "device", device);
    cJSON_AddStringToObject(object, "kernel", row->name);
    cJSON_AddStringToObject(object, "case", case_name);
    cJSON_AddStringToObject(object, "tuning", tuning);
    return object;
}

/* What is wrong, and the shortest command that shows it again. */
static void print_failure(const Options *options, const char *device, const KernelRow *row,
                          const char *case_name, const char *tuning, const char *problems)
{
    printf("  FAILED %s %s [%s] on %s\n%s", row->name, case_name, tuning, device, problems);
    printf("    again: tools/kernel-check");
    if (options->shader)
        printf(" --shader '%s' --as", options->shader);
    else
        printf(" --kernel");
    printf(" %s --case '%s'", row->name, case_name);
    if (options->seed != 1)
        printf(" --seed %llu", (unsigned long long)options->seed);
    if (options->many_devices || options->device)
        printf(" --device '%s'", device);
    if (tuning[0])
        printf(" --tuning %s", tuning);
    if (options->caps)
        printf(" --caps %s", options->caps);
    if (options->push)
        printf(" --push %s", options->push);
    puts(options->validate ? " --validate" : "");
}

void report_check(Report *report, const char *device, const KernelRow *row, const char *case_name,
                  const char *tuning, Verdict verdict, const Worst *worst, const char *problems)
{
    static const char *const names[] = {"passed", "failed", "skipped"};
    count(&report->total, verdict, worst->share);
    count(tally_of(report, row), verdict, worst->share);
    cJSON *object = entry(report, device, row, case_name, tuning);
    if (object) {
        cJSON_AddStringToObject(object, "verdict", names[verdict]);
        cJSON_AddNumberToObject(object, "tolerance", row->tolerance);
        if (worst->bind && isfinite(worst->share)) {
            cJSON_AddStringToObject(object, "bind", worst->bind);
            cJSON_AddNumberToObject(object, "share_of_tolerance", worst->share);
            cJSON_AddNumberToObject(object, "ulp", worst->ulp);
        }
        if (problems[0])
            cJSON_AddStringToObject(object, "problems", problems);
    }
    if (verdict == VERDICT_PASSED && report->options->verbose)
        printf("  %-24s %-16s [%s] worst %s[%llu]: got %.9g, want %.9g, %.2g ulp, %.0f %% of the "
               "tolerance\n", row->name, case_name, tuning, worst->bind ? worst->bind : "-",
               (unsigned long long)worst->index, worst->got, worst->want, worst->ulp,
               100 * worst->share);
    else if (verdict == VERDICT_SKIPPED && report->options->verbose)
        printf("  %-24s %-16s skipped: %s\n", row->name, case_name, problems);
    else if (verdict == VERDICT_FAILED)
        print_failure(report->options, device, row, case_name, tuning, problems);
    fflush(stdout);
}

void report_bench(Report *report, const char *device, const KernelRow *row, const char *case_name,
                  const char *tuning, double seconds, double flops, double bytes,
                  double roof_share)
{
    count(&report->total, VERDICT_PASSED, 0);
    printf("  %-24s %-16s %-22s %10.1f us %9.2f GFLOP/s %8.2f GB/s %5.1f %% of roof\n", row->name,
           case_name, tuning, seconds * 1e6, flops / seconds * 1e-9, bytes / seconds * 1e-9,
           100 * roof_share);
    cJSON *object = entry(report, device, row, case_name, tuning);
    if (object) {
        cJSON_AddNumberToObject(object, "seconds", seconds);
        cJSON_AddNumberToObject(object, "flops", flops);
        cJSON_AddNumberToObject(object, "bytes", bytes);
        cJSON_AddNumberToObject(object, "roof_share", roof_share);
    }
    fflush(stdout);
}

/* Rows that this build could not compile, and why; nothing when all are there. */
static void print_not_built(const Options *options)
{
    for (size_t i = 0; i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        const char *why;
        size_t bytes;
        if (glob_match(options->kernel, row->name) && !kernel_spirv(row->name, &bytes, &why))
            printf("%s: %s; tools/compilers-setup fetches a newer one\n", row->name, why);
    }
}

int report_end(Report *report)
{
    Tally *total = &report->total;
    if (report->json && json_write_file(report->options->json, report->json) != TMB_OK) {
        fprintf(stderr, "kernel-check: %s\n", tmb_last_error());
        total->failed++;
    }
    cJSON_Delete(report->json);
    free(report->rows);
    print_not_built(report->options);
    printf("%u passed, %u failed, %u skipped\n", total->passed, total->failed, total->skipped);
    return total->failed ? 1 : !total->passed && total->skipped ? 77 : 0;
}
