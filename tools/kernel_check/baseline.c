#include "baseline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

typedef struct Line {
    const char *device, *kernel, *case_name, *tuning;   /* in the document */
    BenchResult bench;
} Line;

struct Baseline {
    cJSON *document;
    Line *lines;
    size_t count;
};

static tmb_status read_line(const JsonAt *at, Line *line)
{
    TRY(json_string(at, "device", &line->device));
    TRY(json_string(at, "kernel", &line->kernel));
    TRY(json_string(at, "case", &line->case_name));
    TRY(json_string(at, "tuning", &line->tuning));
    TRY(json_double(at, "seconds", &line->bench.seconds));
    TRY(json_double(at, "low", &line->bench.low));
    return json_double(at, "high", &line->bench.high);
}

static tmb_status read_lines(const char *path, Baseline *baseline)
{
    TRY(json_read_file(path, &baseline->document));
    JsonAt array = json_at(path, baseline->document);
    TRY(json_as_array(&array));
    baseline->lines = MEM_NEW_ARRAY(Line, json_count(&array) + 1);
    for (size_t i = 0; i < json_count(&array); i++) {
        JsonAt element = json_element(&array, i);
        if (json_has(&element, "low"))
            TRY(read_line(&element, &baseline->lines[baseline->count++]));
    }
    if (!baseline->count)
        return fail(TMB_BAD_INPUT, "%s holds no measurements; it must come from --bench --json", path);
    return TMB_OK;
}

tmb_status baseline_open(const char *path, Baseline **out)
{
    *out = MEM_NEW(Baseline);
    tmb_status status = read_lines(path, *out);
    if (status != TMB_OK)
        baseline_close(out);
    return status;
}

void baseline_close(Baseline **baseline)
{
    if (!*baseline)
        return;
    cJSON_Delete((*baseline)->document);
    free((*baseline)->lines);
    free(*baseline);
    *baseline = NULL;
}

void baseline_find(const Baseline *baseline, bool asked, Entry *entry)
{
    const Line *found = NULL;
    bool same = false;
    for (size_t i = 0; baseline && i < baseline->count && !same; i++) {
        const Line *line = &baseline->lines[i];
        if (strcmp(line->kernel, entry->row->name) || strcmp(line->case_name, entry->case_name) ||
            strcmp(line->device, entry->device))
            continue;
        same = !strcmp(line->tuning, entry->tuning);
        found = same || (!asked && !found) ? line : found;
    }
    entry->before = found ? &found->bench : NULL;
    entry->before_tuning = found && !same ? found->tuning : NULL;
}

tmb_status baseline_matches(const Report *report)
{
    size_t measured = 0, known = 0;
    for (size_t i = 0; i < report->count; i++) {
        measured += report->entries[i].measured;
        known += report->entries[i].before != NULL;
    }
    if (!measured || known)
        return TMB_OK;
    return fail(TMB_BAD_INPUT, "none of the %zu measurements is in %s, so nothing was compared; it must hold the "
                "same device, kernels and cases%s", measured, report->options->baseline,
                report->options->tuning || report->options->all_tunings ? ", and tunings" : "");
}

void baseline_print(const Report *report)
{
    unsigned still = 0, missing = 0;
    printf("\n  %-23s %-14s %10s %10s %7s %6s\n", "kernel", "case", "before us", "now us", "change", "noise");
    for (size_t i = 0; i < report->count; i++) {
        const Entry *entry = &report->entries[i];
        if (!entry->measured)
            continue;
        if (!entry->before) {
            missing++;
            continue;
        }
        bool slower = bench_is_slower(entry->before, &entry->bench);
        if (!slower && !bench_is_slower(&entry->bench, entry->before) && !report->options->verbose) {
            still++;
            continue;
        }
        printf("  %-23s %-14s %10.1f %10.1f %+6.1f%% %5.1f%%%s", entry->row->name, entry->case_name,
               entry->before->seconds * 1e6, entry->bench.seconds * 1e6,
               100 * (entry->bench.seconds / entry->before->seconds - 1),
               100 * (bench_noise(entry->before) + bench_noise(&entry->bench)), slower ? " SLOWER" : "");
        if (entry->before_tuning)
            printf("  tuning %s, before %s", entry->tuning, entry->before_tuning);
        puts("");
    }
    if (still)
        printf("  %u others did not change beyond the noise\n", still);
    if (missing)
        printf("  %u others are not in the baseline\n", missing);
}
