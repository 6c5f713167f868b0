#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/cases.h"

/* Rows shown one by one on a terminal; of more only those that failed. */
enum { ROWS_ON_SCREEN = 20, NAMES_IN_LINE = 3 };

void report_init(Report *report, const Options *options)
{
    const char *plain = getenv("NO_COLOR"), *term = getenv("TERM");
    *report = (Report){.options = options, .lock = os_mutex_create(), .begin = os_seconds(),
                       .terminal = os_is_terminal(stdout)};
    report->colour = report->terminal && !(plain && *plain) && !(term && !strcmp(term, "dumb"));
    for (size_t i = 0; i < kernel_count(); i++)
        report->rows += glob_match(options->kernel, kernel_at(i)->name);
}

static const char *paint(const Report *report, const char *sequence)
{
    return report->colour ? sequence : "";
}
#define RED(report) paint(report, "\033[1;31m")
#define GREEN(report) paint(report, "\033[32m")
#define YELLOW(report) paint(report, "\033[33m")
#define FAINT(report) paint(report, "\033[2m")
#define PLAIN(report) paint(report, "\033[0m")

static void close_line(Report *report)
{
    if (report->line_open)
        printf("\r\033[K");
    report->line_open = false;
}

void report_progress(Report *report, const KernelRow *row, const char *case_name)
{
    if (!report->terminal)
        return;
    char line[160];
    size_t index = 0, columns = os_terminal_columns();
    for (size_t i = 0; kernel_at(i) != row; i++)
        index += glob_match(report->options->kernel, kernel_at(i)->name);
    snprintf(line, sizeof line, "[%zu/%u] %s, %s  %.0f s", index + 1, report->rows, row->name, case_name,
             os_seconds() - report->begin);
    os_mutex_lock(report->lock);
    close_line(report);
    printf("%s%.*s%s", FAINT(report), (int)(columns > 1 ? columns - 1 : 1), line, PLAIN(report));
    report->line_open = true;
    fflush(stdout);
    os_mutex_unlock(report->lock);
}

static void count(Tally *tally, const Entry *entry)
{
    unsigned *const counts[] = {&tally->passed, &tally->failed, &tally->skipped};
    ++*counts[entry->verdict];
    tally->worst = entry->worst.share > tally->worst ? entry->worst.share : tally->worst;
}

static Tally tally_of(const Report *report, const KernelRow *row, const char *device)
{
    Tally tally = {0};
    for (size_t i = 0; i < report->count; i++)
        if ((!row || report->entries[i].row == row) &&
            (!device || !strcmp(report->entries[i].device, device)))
            count(&tally, &report->entries[i]);
    return tally;
}

static void print_row(Report *report, const KernelRow *row)
{
    const Tally tally = tally_of(report, row, NULL);
    if (!tally.passed && !tally.failed && !tally.skipped)   /* --case chose none of its cases */
        return;
    if (report->terminal && report->rows > ROWS_ON_SCREEN && !tally.failed && !report->options->verbose)
        return;
    close_line(report);
    printf("%-28s %s%3u passed%s, %s%u failed%s, %u skipped, worst error %3.0f %% of the tolerance\n",
           row->name, tally.passed ? GREEN(report) : "", tally.passed, PLAIN(report),
           tally.failed ? RED(report) : "", tally.failed, PLAIN(report), tally.skipped,
           100 * tally.worst);
    fflush(stdout);
}

void report_row(Report *report, const KernelRow *row)
{
    os_mutex_lock(report->lock);
    print_row(report, row);
    os_mutex_unlock(report->lock);
}

static void print_device(const Options *options, const char *device)
{
    const char *number = strstr(device, DEVICE_BEHIND);
    if (options->device)
        printf(" --device '%s'", options->device);
    else if (number && options->many_devices)
        printf(" --device %d", atoi(number + strlen(DEVICE_BEHIND)));
    else if (options->many_devices && device[0])
        printf(" --device '%s'", device);
}

/* The shortest command that shows a failure again. */
static void print_again(const Report *report, const Entry *entry)
{
    const Options *options = report->options;
    printf("    again: tools/kernel-check");
    if (options->shader)
        printf(" --shader '%s' --as", options->shader);
    else
        printf(" --kernel");
    printf(" %s --case '%s'", entry->row->name, entry->case_name);
    if (options->bench)
        printf(" --bench");
    if (options->baseline)
        printf(" --baseline '%s'", options->baseline);
    if (options->sizes)
        printf(" --sizes %s", options->sizes);
    if (options->seed != 1)
        printf(" --seed %llu", (unsigned long long)options->seed);
    print_device(options, entry->device);
    if (entry->tuning[0] && (!entry->before_tuning || options->tuning))   /* else it would match nothing */
        printf(" --tuning %s", entry->tuning);
    if (options->caps)
        printf(" --caps %s", options->caps);
    if (options->push)
        printf(" --push %s", options->push);
    for (uint32_t i = 0; i < options->define.count; i++)
        printf(" --define '%s'", options->define.item[i]);
    puts(options->validate ? " --validate" : "");
}

static void print_measured(const Report *report, const Entry *entry)
{
    const double seconds = entry->bench.seconds;
    printf("  %-24s %-16s %-22s %10.1f us ±%4.1f %% %9.2f GFLOP/s %8.2f GB/s %5.1f %% of roof",
           entry->row->name, entry->case_name, entry->tuning, seconds * 1e6,
           100 * bench_noise(&entry->bench), entry->flops / seconds * 1e-9,
           entry->bench.bytes / seconds * 1e-9, 100 * entry->roof_share);
    if (entry->before)
        printf("  %s%+.1f %%%s", entry->verdict == VERDICT_FAILED ? RED(report) : "",
               100 * (seconds / entry->before->seconds - 1), PLAIN(report));
    puts("");
    if (entry->before_tuning)
        printf("    the baseline ran with %s\n", entry->before_tuning);
    if (entry->why && entry->row->tuning_count > 1)
        printf("    %s chosen: %s\n", entry->tuning, entry->why);
    if (entry->instead[0])
        printf("    %.2f x the time of %s (%.1f us)\n", seconds / entry->instead_seconds, entry->instead,
               entry->instead_seconds * 1e6);
}

static void print_entry(Report *report, const Entry *entry)
{
    const Worst *worst = &entry->worst;
    const bool verbose = report->options->verbose;
    if (!verbose && !entry->measured && entry->verdict != VERDICT_FAILED)
        return;
    close_line(report);
    if (entry->measured)
        print_measured(report, entry);
    else if (entry->verdict == VERDICT_SKIPPED)
        printf("  %-24s %-16s %sskipped%s: %s\n", entry->row->name, entry->case_name, YELLOW(report),
               PLAIN(report), entry->problems);
    else if (entry->verdict == VERDICT_PASSED)
        printf("  %-24s %-16s [%s] worst %s[%llu]: got %.9g, want %.9g, %.2g ulp, %.0f %% of the "
               "tolerance\n", entry->row->name, entry->case_name, entry->tuning,
               worst->bind ? worst->bind : "-", (unsigned long long)worst->index, worst->got,
               worst->want, worst->ulp, 100 * worst->share);
    if (entry->verdict == VERDICT_FAILED) {
        printf("  %sFAILED%s %s %s", RED(report), PLAIN(report), entry->row->name, entry->case_name);
        if (entry->device[0])   /* else no device was asked */
            printf(" [%s] on %s", entry->tuning, entry->device);
        printf("\n%s", entry->problems);
        print_again(report, entry);
    }
    fflush(stdout);
}

static size_t lead_of(const KernelRow *row)
{
    size_t lead = 0;
    while (!check_same_truth(kernel_at(lead), row))
        lead++;
    return lead;
}

void report_add(Report *report, const Entry *entry)
{
    os_mutex_lock(report->lock);
    if (report->count == report->capacity) {
        report->capacity = report->capacity ? 2 * report->capacity : 256;
        report->entries = mem_grow(report->entries, report->capacity, sizeof *report->entries);
    }
    Entry *own = &report->entries[report->count++];
    *own = *entry;
    own->problems = mem_string(entry->problems ? entry->problems : "");
    own->lead = lead_of(entry->row);
    own->sequence = report->count;
    report->failed += entry->verdict == VERDICT_FAILED;
    print_entry(report, own);
    os_mutex_unlock(report->lock);
}

/* In the order of the kernels, whatever the threads took first. */
static int by_kernel(const void *a, const void *b)
{
    const Entry *one = a, *other = b;
    if (one->lead != other->lead)
        return one->lead < other->lead ? -1 : 1;
    return one->sequence < other->sequence ? -1 : one->sequence > other->sequence;
}

static const char *why_not_built(const Report *report, size_t index)
{
    const char *why = NULL;
    size_t bytes;
    if (glob_match(report->options->kernel, kernel_at(index)->name))
        (void)kernel_spirv(kernel_at(index)->name, &bytes, &why);
    return why;
}

/* The kernels that this build could not compile, by reason, a few of them by name. */
static void print_not_built(const Report *report)
{
    for (size_t i = 0; i < kernel_count(); i++) {
        const char *why = why_not_built(report, i);
        unsigned same = 0, earlier = 0;
        for (size_t j = 0; why && j < kernel_count(); j++) {
            const char *other = why_not_built(report, j);
            same += other && !strcmp(why, other);
            earlier += j < i && other && !strcmp(why, other);
        }
        if (!why || earlier)
            continue;
        printf("  %s%u kernel%s %s%s (tools/compilers-setup fetches a newer one): ", YELLOW(report), same,
               same == 1 ? "" : "s", why, PLAIN(report));
        unsigned named = 0;
        for (size_t j = i; j < kernel_count() && named < NAMES_IN_LINE; j++) {
            const char *other = why_not_built(report, j);
            if (other && !strcmp(why, other))
                printf("%s%s", named++ ? ", " : "", kernel_at(j)->name);
        }
        puts(named < same ? ", … (--version names all)" : "");
    }
}

/* Why cases were skipped, each reason once with how often. */
static void print_skipped(const Report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const char *why = report->entries[i].problems;
        unsigned earlier = 0, same = 0;
        if (report->entries[i].verdict != VERDICT_SKIPPED || strstr(why, "not built"))
            continue;
        for (size_t j = 0; j < report->count; j++)
            if (report->entries[j].verdict == VERDICT_SKIPPED && !strcmp(report->entries[j].problems, why)) {
                earlier += j < i;
                same++;
            }
        if (!earlier)
            printf("  %u skipped: %s\n", same, why);
    }
}

static void print_devices(const Report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const char *device = report->entries[i].device;
        bool earlier = !device[0];
        for (size_t j = 0; j < i && !earlier; j++)
            earlier = !strcmp(report->entries[j].device, device);
        if (earlier)
            continue;
        const Tally tally = tally_of(report, NULL, device);
        printf("  %s: %u passed, %u failed, %u skipped\n", device, tally.passed, tally.failed, tally.skipped);
    }
}

static void print_failed_rows(const Report *report)
{
    unsigned shown = 0;
    for (size_t i = 0; i < kernel_count() && shown < ROWS_ON_SCREEN; i++) {
        const Tally tally = tally_of(report, kernel_at(i), NULL);
        if (tally.failed) {
            printf("%s%s%s", shown ? ", " : "  failed: ", RED(report), kernel_at(i)->name);
            printf("%s", PLAIN(report));
            shown++;
        }
    }
    if (shown)
        puts(shown == ROWS_ON_SCREEN ? ", …" : "");
}

static void print_summary(const Report *report)
{
    const Entry *tightest = NULL;
    const double seconds = os_seconds() - report->begin;
    for (size_t i = 0; i < report->count; i++) {
        const Entry *entry = &report->entries[i];
        if (entry->verdict == VERDICT_PASSED && (!tightest || entry->worst.share > tightest->worst.share))
            tightest = entry;
    }
    printf("\n%u kernel%s, seed %llu, %d min %02d s\n", report->rows, report->rows == 1 ? "" : "s",
           (unsigned long long)report->options->seed, (int)(seconds / 60), (int)seconds % 60);
    print_devices(report);
    if (tightest && tightest->worst.share > 0)
        printf("  closest to its tolerance: %s, %s, %.0f %%\n", tightest->row->name, tightest->case_name,
               100 * tightest->worst.share);
    print_skipped(report);
    print_not_built(report);
    print_failed_rows(report);
}

static tmb_status write_files(Report *report)
{
    const Options *options = report->options;
    close_line(report);
    if (report->count)
        qsort(report->entries, report->count, sizeof *report->entries, by_kernel);
    if (options->json)
        TRY(report_write_json(report, options->json));
    return options->junit ? report_write_junit(report, options->junit) : TMB_OK;
}

int report_abandon(Report *report, int code)
{
    char why[1024];
    snprintf(why, sizeof why, "%s", tmb_last_error());
    if (report->count && write_files(report) != TMB_OK)
        printf("%s\n", tmb_last_error());
    (void)fail(TMB_FAILED, "%s", why);   /* the caller's sentence */
    return code;
}

/* Whether devices were asked and could do nothing; a shader's interface needs none. */
static bool nothing_ran(const Report *report)
{
    bool passed = false, skipped = false;
    for (size_t i = 0; i < report->count; i++) {
        const Entry *entry = &report->entries[i];
        passed |= entry->verdict == VERDICT_PASSED && entry->device[0];
        skipped |= entry->verdict == VERDICT_SKIPPED && entry->device[0];
    }
    return skipped && !passed;
}

int report_end(Report *report)
{
    tmb_status status = write_files(report);
    Tally total = tally_of(report, NULL, NULL);
    print_summary(report);
    if (status != TMB_OK) {
        printf("%s\n", tmb_last_error());
        total.failed++;
    }
    printf("%s%u passed, %u failed, %u skipped%s\n", total.failed ? RED(report) : GREEN(report), total.passed,
           total.failed, total.skipped, PLAIN(report));
    return total.failed ? 1 : nothing_ran(report) || (!total.passed && total.skipped) ? 77 : 0;
}

void report_finish(Report *report)
{
    for (size_t i = 0; i < report->count; i++)
        free((void *)(uintptr_t)report->entries[i].problems);
    free(report->entries);
    os_mutex_destroy(&report->lock);
}
