#include "retune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "check/probe.h"
#include "check/tune.h"
#include "kernels/tunings.h"

static const char command[] = "probe-kernel";

enum { MOST_TIMES = 512 };

/* What the racing processes told, in their order. */
typedef struct Times {
    const Options *options;
    struct { const KernelRow *row; int index; double seconds; } time[MOST_TIMES];
    size_t count;
} Times;

static bool is_wanted(void *context, const KernelRow *row)
{
    const Times *times = context;
    return glob_match(times->options->kernel, row->name);
}

static void keep(void *context, const KernelRow *row, int index, double seconds)
{
    Times *times = context;
    if (times->count == MOST_TIMES)
        return;
    times->time[times->count].row = row;
    times->time[times->count].index = index;
    times->time[times->count++].seconds = seconds;
}

static tmb_status shape_of(const Options *options, KernelShape *out)
{
    *out = probe_usual_shape;
    if (options->sizes && !probe_shape_read(options->sizes, out))
        return fail(TMB_USAGE, "--sizes %s: seven numbers are wanted: rows, hidden, feed-forward, heads, "
                               "kv heads, head size, vocabulary; then types of weights, if any (Q4_K+Q6_K)", options->sizes);
    return TMB_OK;
}

static void print_tuning(const GpuCaps *caps, const KernelRow *row, int index)
{
    const TuningLine *line = tuning_line(caps, row);
    const KernelTuning *tuning = index >= 0 ? &row->tunings[index] : line ? &line->tuning : &row->tuning;
    char text[120] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < row->spec_count && used < sizeof text - 12; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%u", i ? "," : "", tuning->spec[i]);
    printf("%-38s", text);
}

static bool is_choice(const KernelPolicy *policy, const KernelRow *row, int index)
{
    const KernelTuning *tuning = policy_tuning(policy, row->name);
    if (!tuning || index < 0)
        return !tuning && index < 0;
    return !memcmp(tuning->spec, row->tunings[index].spec, row->spec_count * sizeof *tuning->spec);
}

static void print_times(const Times *times, const GpuCaps *caps)
{
    printf("%-26s %-38s %12s\n", "kernel", "tuning", "time");
    for (size_t i = 0; i < times->count; i++) {
        const KernelRow *row = times->time[i].row;
        int index = times->time[i].index;
        printf("%-26s ", !i || times->time[i - 1].row != row ? row->name : "");
        print_tuning(caps, row, index);
        printf(" %9.3f ms%s%s\n", 1e3 * times->time[i].seconds, index < 0 ? "  first choice" : "",
               is_choice(caps->policy, row, index) ? "  chosen" : "");
    }
}

/* What ended otherwise than with times, and the rows that had to be faster than another one. */
static unsigned print_verdicts(const Times *times, const GpuCaps *caps)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < caps->policy->verdict_count; i++) {
        const KernelVerdict *verdict = &caps->policy->verdict[i];
        const KernelRow *row = kernel_by_name(verdict->row);
        if (!glob_match(times->options->kernel, verdict->row))
            continue;
        count++;
        if (row->probe || verdict->finding > FINDING_SLOWER)
            printf("%s: %s: %s (%s)\n", verdict->row, kernel_trusted(caps, row) ? "used" : "not used",
                   finding_name(verdict->finding), verdict->why);
    }
    return count;
}

tmb_status retune_device(const Options *options, Gpu *gpu)
{
    Times times = {.options = options};
    KernelShape shape;
    TRY(shape_of(options, &shape));
    char *program = os_executable(), *path = probe_path(gpu_caps(gpu), &shape);
    const double begin = os_seconds();
    /* this one, not the one that would be chosen: all devices have their turn */
    char device[16];
    snprintf(device, sizeof device, "%u", (unsigned)gpu_index(gpu));
    probe_device(gpu, &(ProbeHelper){.program = program, .command = command, .device = device,
                                     .caps = options->caps, .shape = &shape, .seconds = PROBE_SECONDS,
                                     .row_seconds = PROBE_ROW_SECONDS, .again = true, .wanted = is_wanted,
                                     .timed = keep, .context = &times});
    const GpuCaps *caps = gpu_caps(gpu);
    printf("%s, %s, up to %u rows, hidden %u, feed-forward %u, %u heads of %u, %u for keys\n", caps->name,
           caps->driver, shape.rows, shape.hidden, shape.ffn, shape.heads, shape.head_dim, shape.kv_heads);
    if (times.count)
        print_times(&times, caps);
    unsigned tried = print_verdicts(&times, caps);
    if (tried)
        printf("%u kernels in %.1f s; %s%s\n", tried, os_seconds() - begin,
               path ? "remembered in " : "remembered nowhere, there is no cache folder", path ? path : "");
    free(program);
    free(path);
    return tried ? TMB_OK : fail(TMB_USAGE, "no kernel that matches --kernel '%s' has tunings to race here",
                                 options->kernel);
}

void retune_recall(const Options *options, Gpu *gpu)
{
    KernelShape shape;
    if (shape_of(options, &shape) == TMB_OK)
        probe_device(gpu, &(ProbeHelper){.shape = &shape});
}

static void print_line(const char *text)
{
    puts(text);
    fflush(stdout);
}

static tmb_status race_here(char **words)
{
    const GpuParams params = {.device = words[1][0] ? words[1] : NULL, .caps = words[2][0] ? words[2] : NULL};
    const double end = probe_end(words[4]);
    KernelShape shape;
    Gpu *gpu;
    if (!probe_shape_read(words[3], &shape))
        return fail(TMB_USAGE, "'%s' are no sizes of a model", words[3]);
    tmb_status status = gpu_open(&params, &gpu);
    if (status != TMB_OK) {
        probe_rows_failed(words[0], print_line);
        return status;
    }
    status = probe_rows(gpu, words[0], &shape, end, print_line);
    gpu_close(&gpu);
    return status;
}

bool retune_child(int argc, char **argv, int *code)
{
    if (argc != 7 || strcmp(argv[1], command))
        return false;
    tmb_status status = race_here(argv + 2);
    if (status != TMB_OK)
        fprintf(stderr, "kernel-check: %s\n", tmb_last_error());
    *code = tmb_exit_code(status);
    return true;
}
