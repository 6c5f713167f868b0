/* The process in which kernels are tried: it may end at any moment, so each finding is a line of its
 * own, printed at once. */
#include "check/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "check/cases.h"
#include "check/instead.h"
#include "check/tune.h"

/* Cases beyond that are left out: their reference alone would take seconds. Rows that are trusted
 * anyway, and here for their tunings, have the small ones. */
#define PROBE_FLOPS 6e7
#define TUNED_FLOPS 4e6
/* Faster by less than that is not worth another rounding. */
#define TUNE_GAIN 0.97
/* For racing the tunings of one row. */
#define PROBE_TUNE_SECONDS 1.0
/* One run should take no longer: where the model's sizes would, they are halved until it does not,
 * at most this often. Drivers from the fastest card to a CPU are four orders of magnitude apart. */
#define PROBE_RUN_SECONDS 0.05
enum { PROBE_HALVINGS = 5 };

KernelCase probe_case(const KernelRow *row, const KernelShape *shape,
                      uint32_t push[GPU_MAX_PUSH / 4])
{
    const KernelCase *one = &row->cases[0];
    for (uint32_t c = 0; c < row->case_count; c++)
        if (row->timed ? !strcmp(row->cases[c].name, row->timed)
                       : !row->shape && row->flops && row->flops(row->cases[c].push) > row->flops(one->push))
            one = &row->cases[c];
    memcpy(push, one->push, row->push_bytes);
    if (row->shape)
        row->shape(shape, push);
    return (KernelCase){.name = "timed", .push = push, .input = one->input};
}

static tmb_status check_all(Gpu *gpu, const KernelRow *row, const KernelTuning *asked, double most,
                            Text *problems)
{
    Rig rig = {.gpu = gpu};
    tmb_status status = TMB_OK;
    for (uint32_t c = 0; c < row->case_count && status == TMB_OK && !problems->bytes; c++) {
        const KernelCase *one = &row->cases[c];
        if (!check_obstacle(row, one, gpu_caps(gpu)) && (!row->flops || row->flops(one->push) <= most))
            status = check_row(&rig, row, asked, one, problems);
    }
    rig_finish(&rig);
    return status;
}

/* What would be used without this row: of the same types, as kernels of others read more or less; but
 * products with operands in f16 stand in for the same ones in f32. */
static const KernelRow *rival_of(const GpuCaps *caps, const KernelRow *row, const void *push)
{
    char family[POLICY_NAME];
    Dtype dtypes[GPU_MAX_BIND] = {0};
    snprintf(family, sizeof family, "%s", row->family);
    char *half = strstr(family, "_half");
    if (half)
        *half = '\0';
    for (uint32_t i = 0; i < kernel_bind_count(row); i++)
        dtypes[i] = row->bind[i].dtype;
    const KernelRow *same = half ? NULL : kernel_choose(family, dtypes, caps, push);
    return same ? same : kernel_choose(family, NULL, caps, push);
}

static uint32_t halved(uint32_t size, unsigned times, uint32_t least)
{
    const uint32_t part = size >> times;
    return part >= least ? part - part % least : size < least ? size : least;
}

/* Heads stay, as work grows with the square of the rows there; so do sizes that are multiples of
 * what tiles take. */
static KernelShape smaller(const KernelShape *shape, unsigned times)
{
    KernelShape part = *shape;
    if (times) {
        part.rows = halved(shape->rows, times, 64);
        part.hidden = halved(shape->hidden, times, 64);
        part.ffn = halved(shape->ffn, times, 256);
        part.vocab = halved(shape->vocab, times, 4096);
    }
    return part;
}

/* How often the sizes must be halved for the row: climbs from the smallest while the next step,
 * judged by its arithmetic, fits the time of a run. */
static tmb_status halvings(Gpu *gpu, const KernelRow *row, const KernelShape *shape, double end,
                           unsigned *times)
{
    uint32_t push[GPU_MAX_PUSH / 4];
    *times = row->flops ? PROBE_HALVINGS : 0;
    while (*times) {
        const KernelShape part = smaller(shape, *times), next = smaller(shape, *times - 1);
        double flops = row->flops(probe_case(row, &next, push).push), seconds;
        const KernelCase one = probe_case(row, &part, push);
        flops /= row->flops(one.push);
        if (flops > 1 && (!row->suits || row->suits(one.push))) {
            TRY(tune_time(gpu, row, &one, &seconds));
            if (seconds * flops > PROBE_RUN_SECONDS || os_seconds() > end)
                break;
        }
        --*times;
    }
    return TMB_OK;
}

/* The time of what is used without this row: of the two that it stands in for, or of the rival, which
 * may be the row itself. */
static tmb_status time_rival(Gpu *gpu, const KernelRow *row, const KernelRow *rival, const KernelCase *one,
                             double end, const TuneResult *own, char name[INSTEAD_NAME], double *seconds)
{
    TuneResult others;
    if (!rival)
        return instead_time(gpu, row, one, PROBE_TUNE_SECONDS, end, name, seconds);
    snprintf(name, INSTEAD_NAME, "%s", rival->name);
    *seconds = own->time[0].seconds;
    if (rival != row) {
        TRY(tune_row(gpu, rival, one, 0, end, &others));
        *seconds = others.best.seconds;
    }
    return TMB_OK;
}

static tmb_status race(Gpu *gpu, const KernelRow *row, const KernelShape *shape, double end, int *index,
                       char line[PROBE_LINE])
{
    uint32_t push[GPU_MAX_PUSH / 4];
    unsigned times, others_times = 0;
    char name[INSTEAD_NAME];
    TuneResult own;
    double other;
    const bool scarce = end - os_seconds() < PROBE_SECONDS / 2;
    probe_case(row, shape, push);
    const KernelRow *rival = row->instead[0] ? NULL : rival_of(gpu_caps(gpu), row, push);
    if ((!rival && !row->instead[0]) || (row->suits && !row->suits(push)))
        return fail(TMB_FAILED, "there is nothing to compare %s with at these sizes", row->name);
    TRY(halvings(gpu, row, shape, end, &times));
    if (rival && rival != row)
        TRY(halvings(gpu, rival, shape, end, &others_times));
    const KernelShape part = smaller(shape, times > others_times ? times : others_times);
    const KernelCase one = probe_case(row, &part, push);
    TRY(tune_row(gpu, row, &one, PROBE_TUNE_SECONDS, end, &own));
    TRY(time_rival(gpu, row, rival, &one, end, &own, name, &other));
    if (own.best.seconds > TUNE_GAIN * own.time[0].seconds)
        own.best = own.time[0];
    *index = own.best.index;
    /* nothing to compare with; but what had most of the time will not have more in the next run */
    if (!row->probe && own.count == 1 && own.unfinished && scarce) {
        snprintf(line, PROBE_LINE, "%s later", row->name);
        return TMB_OK;
    }
    int used = snprintf(line, PROBE_LINE, "%s right %.9g %.9g %d %s", row->name, own.best.seconds, other,
                        *index, name);
    for (uint32_t i = 0; i < own.count && used < PROBE_LINE - 24; i++)
        used += snprintf(line + used, (size_t)(PROBE_LINE - used), " %d:%.6g", own.time[i].index,
                         own.time[i].seconds);
    return TMB_OK;
}

void probe_row(Gpu *gpu, const KernelRow *row, const KernelShape *shape, double end, char line[PROBE_LINE])
{
    Text problems = {0};
    int index = TUNE_DEFAULT;
    const double most = row->probe ? PROBE_FLOPS : TUNED_FLOPS;
    tmb_status status = race(gpu, row, shape, end, &index, line);
    if (status == TMB_OK && row->probe)
        status = check_all(gpu, row, NULL, most, &problems);
    if (status == TMB_OK && !problems.bytes && index != TUNE_DEFAULT)
        status = check_all(gpu, row, &row->tunings[index], most, &problems);
    if (status == TMB_OK && problems.bytes) {
        const char *first = problems.data + strspn(problems.data, " ");
        snprintf(line, PROBE_LINE, "%s wrong %.*s", row->name, (int)strcspn(first, "\n"), first);
    }
    if (status != TMB_OK)
        snprintf(line, PROBE_LINE, "%s failed %s", row->name, tmb_last_error());
    text_finish(&problems);
}

const char *probe_next_name(const char *names, char name[POLICY_NAME])
{
    size_t length = strcspn(names, ",");
    snprintf(name, POLICY_NAME, "%.*s", (int)length, names);
    return names + length + strspn(names + length, ",");
}

tmb_status probe_rows(Gpu *gpu, const char *names, const KernelShape *shape, double end,
                      void (*line)(const char *text))
{
    char name[POLICY_NAME], text[PROBE_LINE];
    double begin = os_seconds(), shortest = 0;
    while (*names) {
        names = probe_next_name(names, name);
        const KernelRow *row = kernel_by_name(name);
        if (!row)
            return fail(TMB_USAGE, "there is no kernel %s", name);
        const bool later = begin + shortest / 2 > end;
        if (later)
            snprintf(text, sizeof text, "%s later", name);
        else
            probe_row(gpu, row, shape, end, text);
        line(text);
        const double took = os_seconds() - begin;
        begin += took;
        if (!later && (shortest == 0 || took < shortest))
            shortest = took;
    }
    return TMB_OK;
}

double probe_end(const char *seconds)
{
    return os_seconds() + 0.95 * strtod(seconds, NULL);
}

void probe_rows_failed(const char *names, void (*line)(const char *text))
{
    char name[POLICY_NAME], text[PROBE_LINE];
    while (*names) {
        names = probe_next_name(names, name);
        snprintf(text, sizeof text, "%s failed %s", name, tmb_last_error());
        line(text);
    }
}
