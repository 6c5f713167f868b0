#include "check/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "check/cases.h"
#include "check/tune.h"
#include "kernels/tunings.h"

/* Faster by less than that is not worth another rounding. */
#define PROBE_GAIN 0.95
/* Less time than that is not worth another process. */
#define PROBE_LEAST_SECONDS 0.5

const KernelShape probe_usual_shape = {.rows = 512, .hidden = 2048, .ffn = 5632, .heads = 32,
                                       .kv_heads = 4, .head_dim = 64, .vocab = 32000,
                                       .types = 1u << DTYPE_Q8_0 | 1u << DTYPE_Q4_K | 1u << DTYPE_Q6_K};

static void sizes_text(const KernelShape *s, char separator, char *out, size_t capacity)
{
    snprintf(out, capacity, "%u%c%u%c%u%c%u%c%u%c%u%c%u", s->rows, separator, s->hidden, separator,
             s->ffn, separator, s->heads, separator, s->kv_heads, separator, s->head_dim, separator,
             s->vocab);
}

/* Adds the type of this name; false: there is none. */
static bool read_type(const char *name, size_t length, uint32_t *types)
{
    for (Dtype dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        const char *known = dtype_info(dtype)->name;
        if (dtype_info(dtype)->block > 1 && strlen(known) == length && !memcmp(known, name, length)) {
            *types |= 1u << dtype;
            return true;
        }
    }
    return false;
}

static bool read_types(const char *text, uint32_t *types)
{
    bool good = true;
    for (*types = 0; good && *text; text += strspn(text, "+")) {
        size_t length = strcspn(text, "+");
        good = read_type(text, length, types);
        text += length;
    }
    return good;
}

bool probe_shape_read(const char *text, KernelShape *out)
{
    int used = 0;
    out->types = probe_usual_shape.types;
    return sscanf(text, "%u,%u,%u,%u,%u,%u,%u%n", &out->rows, &out->hidden, &out->ffn, &out->heads,
                  &out->kv_heads, &out->head_dim, &out->vocab, &used) == 7 &&
           (!text[used] || (text[used] == ',' && read_types(text + used + 1, &out->types))) &&
           out->rows && out->hidden && out->ffn && out->kv_heads && out->head_dim && out->vocab &&
           out->heads && out->heads % out->kv_heads == 0;
}

/* What probe_shape_read reads. */
static void shape_text(const KernelShape *s, Text *out)
{
    char sizes[96];
    bool first = true;
    sizes_text(s, ',', sizes, sizeof sizes);
    text_print(out, "%s,", sizes);
    for (Dtype dtype = 0; dtype < DTYPE_COUNT; dtype++)
        if (s->types >> dtype & 1u) {
            text_print(out, "%s%s", first ? "" : "+", dtype_info(dtype)->name);
            first = false;
        }
}

/* ---- the parent ------------------------------------------------------------ */

static void tell_times(const ProbeHelper *helper, const KernelRow *row, const char *times)
{
    int index, used;
    double seconds;
    while (helper->timed && sscanf(times, " %d:%lf%n", &index, &seconds, &used) == 2) {
        if (index >= TUNE_DEFAULT && index < (int)row->tuning_count)
            helper->timed(helper->context, row, index, seconds);
        times += used;
    }
}

static void raced(const ProbeHelper *helper, const KernelRow *row, const char *line,
                  KernelPolicy *policy)
{
    char rival[POLICY_NAME], why[POLICY_WHY];
    double seconds = 0, other = 0;
    int index = TUNE_DEFAULT, used = 0;
    if (sscanf(line, "right %lf %lf %d %47s%n", &seconds, &other, &index, rival, &used) != 4 ||
        !(seconds > 0) || !(other > 0) || (index >= 0 && (uint32_t)index >= row->tuning_count)) {
        policy_set_verdict(policy, row->name, FINDING_FAILED, "the process that tried it said nothing");
        return;
    }
    bool faster = seconds < PROBE_GAIN * other;
    if (strcmp(rival, row->name))
        snprintf(why, sizeof why, "right, %.3f ms against %.3f ms of %s", 1e3 * seconds, 1e3 * other,
                 rival);
    else if (index == TUNE_DEFAULT)
        snprintf(why, sizeof why, "measured here: the first choice, %.3f ms, is the fastest", 1e3 * seconds);
    else
        snprintf(why, sizeof why, "measured here: %.3f ms against %.3f ms of the first choice",
                 1e3 * seconds, 1e3 * other);
    policy_set_verdict(policy, row->name, faster ? FINDING_FASTER : FINDING_SLOWER, why);
    if (index >= 0)
        policy_set_tuning(policy, row->name, &row->tunings[index]);
    tell_times(helper, row, line + used);
}

/* abort() ends with that on Windows, in a driver's own C library too; bad input, which is 3 elsewhere,
 * is nothing that a child could have. */
enum { ABORTED_ON_WINDOWS = 3 };

/* The process was ended, or ended itself, before it was done. */
static bool is_abrupt(int exit_code)
{
    /* beyond the exit codes of timbre */
    return exit_code > 4 || exit_code < 0 || exit_code == ABORTED_ON_WINDOWS;
}

void probe_verdict(const ProbeHelper *helper, const KernelRow *row, int exit_code, const char *line,
                   KernelPolicy *policy)
{
    char why[POLICY_WHY];
    if (!strcmp(line, "later"))
        return;
    if (!strncmp(line, "wrong ", 6) || !strncmp(line, "failed ", 7)) {
        snprintf(why, sizeof why, "%s", strchr(line, ' ') + 1);
        policy_set_verdict(policy, row->name, *line == 'w' ? FINDING_WRONG : FINDING_FAILED, why);
    } else if (*line) {
        raced(helper, row, line, policy);
    } else if (exit_code == OS_SILENT) {
        snprintf(why, sizeof why, "not done after %.3g s", helper->row_seconds);
        policy_set_verdict(policy, row->name, FINDING_TIMED_OUT, why);
    } else if (is_abrupt(exit_code)) {
        snprintf(why, sizeof why, "the process that tried it ended with %d", exit_code);
        policy_set_verdict(policy, row->name, FINDING_CRASHED, why);
    } else {
        raced(helper, row, line, policy);
    }
}

/* What follows the row's name in its line, "" when there is none. A line without its end is of a
 * process that was stopped in the middle of it. */
static const char *line_of(const char *output, const char *name, char line[PROBE_LINE])
{
    const size_t length = strlen(name);
    line[0] = '\0';
    while (output && *output) {
        const char *end = strchr(output, '\n');
        if (end && !strncmp(output, name, length) && output[length] == ' ')
            snprintf(line, PROBE_LINE, "%.*s", (int)(strcspn(output, "\r\n") - length - 1),
                     output + length + 1);
        output = end ? end + 1 : "";
    }
    return line;
}

/* What a child told about the rows it was started with; `rest` gets those that had no turn. */
static void read_lines(const ProbeHelper *helper, const char *rows, const char *output, int exit_code,
                       KernelPolicy *policy, Text *rest)
{
    char name[POLICY_NAME], line[PROBE_LINE];
    bool ended = exit_code == OS_TIMED_OUT;
    while (*rows) {
        rows = probe_next_name(rows, name);
        const KernelRow *row = kernel_by_name(name);
        if (!row)
            continue;
        if (*line_of(output, name, line)) {
            probe_verdict(helper, row, exit_code, line, policy);
        } else if (ended) {
            text_print(rest, "%s%s", rest->bytes ? "," : "", name);
        } else {
            probe_verdict(helper, row, exit_code, line, policy);
            ended = is_abrupt(exit_code);
        }
    }
}

static void run_child(const ProbeHelper *helper, const char *rows, double seconds, KernelPolicy *policy,
                      Text *rest)
{
    char most[32], name[POLICY_NAME];
    Text shape = {0};
    shape_text(helper->shape ? helper->shape : &probe_usual_shape, &shape);
    snprintf(most, sizeof most, "%.3f", seconds);
    const char *const argv[] = {helper->program, helper->command, rows,
                                helper->device ? helper->device : "",
                                helper->caps ? helper->caps : "", shape.data, most, NULL};
    char *output = NULL;
    int exit_code = -1;
    bool ran = os_run_watched(argv, seconds, helper->row_seconds, &output, &exit_code) == TMB_OK;
    if (ran)
        read_lines(helper, rows, output, os_interrupted() ? OS_TIMED_OUT : exit_code, policy, rest);
    while (!ran && *rows) {
        rows = probe_next_name(rows, name);
        policy_set_verdict(policy, name, FINDING_FAILED, tmb_last_error());
    }
    text_finish(&shape);
    free(output);
}

void probe_in_child(const ProbeHelper *helper, const char *rows, KernelPolicy *policy)
{
    const double end = os_seconds() + helper->seconds;
    Text left = {0};
    text_print(&left, "%s", rows);
    while (left.bytes && !os_interrupted() && os_seconds() + PROBE_LEAST_SECONDS < end) {
        Text rest = {0};
        run_child(helper, left.data, end - os_seconds(), policy, &rest);
        text_finish(&left);
        left = rest;
    }
    text_finish(&left);
}

/* The first choice of the row's family and types here, among those that need no probe. */
static const KernelRow *chosen(const GpuCaps *caps, const KernelRow *row, const void *push)
{
    Dtype dtypes[GPU_MAX_BIND];
    GpuCaps plain = *caps;
    plain.policy = NULL;
    for (uint32_t i = 0; i < kernel_bind_count(row); i++)
        dtypes[i] = row->bind[i].dtype;
    return kernel_choose(row->family, dtypes, &plain, push);
}

static bool is_on_units(const GpuCaps *caps, const char *family, const void *push)
{
    const KernelRow *row = kernel_choose(family, NULL, caps, push);
    return row && row->needs & GPU_CAP_COOPMAT;
}

/* Of rows that stand in for others: the model has weights of its type, and the others are what graphs
 * use, on matrix units where both products with f16 operands are (frozen_half), else in f32. */
static bool would_stand_in(const GpuCaps *caps, const KernelRow *row, const KernelShape *shape,
                           const void *push)
{
    const bool units = is_on_units(caps, "matmul_nt_half", push) && is_on_units(caps, "matmul_nn_half", push);
    KernelTuning tuning;
    return shape->types >> row->bind[1].dtype & 1u && units == ((row->needs & GPU_CAP_COOPMAT) != 0) &&
           units == is_on_units(caps, row->instead[1], push) && kernel_fit(caps, row, NULL, push, &tuning);
}

bool probe_applies(const GpuCaps *caps, const KernelRow *row, const KernelShape *shape, bool again)
{
    const char *why;
    size_t bytes;
    KernelTuning tuning;
    uint32_t push[GPU_MAX_PUSH / 4];
    if (!(row->probe || row->tune) || row->needs & ~caps->bits)
        return false;
    if (!kernel_spirv(row->name, &bytes, &why))
        return false;
    if (row->needs & GPU_CAP_COOPMAT && !row->instead[0])
        return kernel_fit(caps, row, NULL, row->cases[0].push, &tuning);
    if ((caps->bits & GPU_CAP_CPU || caps->kind == GPU_CPU) && (!again || row->instead[0]))
        return false;
    const KernelCase one = probe_case(row, shape, push);
    if (row->instead[0])
        return would_stand_in(caps, row, shape, one.push);
    if (check_obstacle(row, &one, caps))
        return false;
    const KernelRow *first = chosen(caps, row, one.push);
    return first && (row->probe ? first->rank > row->rank : first == row);
}

const char *probe_needless(const GpuCaps *caps, const KernelRow *row)
{
    const bool cpu = caps->bits & GPU_CAP_CPU || caps->kind == GPU_CPU;
    if (row->instead[0] && cpu)
        return "expanded weights and the rows for processors are several times faster on a CPU driver";
    if (row->needs & GPU_CAP_COOPMAT && cpu)
        return "a CPU driver plays matrix units in plain code, several times slower than the rows "
               "for processors";
    return NULL;
}

/* ---- what is remembered ---------------------------------------------------- */

/* One file for each device, driver, set of capabilities and size of model: a row that won the race
 * of --caps none had weaker rivals than it has otherwise. */
char *probe_path(const GpuCaps *caps, const KernelShape *shape)
{
    char name[208] = "kernels-", sizes[96];
    char *folder = os_cache_directory();
    size_t used = strlen(name);
    if (!folder)
        return NULL;
    for (size_t i = 0; i < sizeof caps->device_uuid; i++)
        used += (size_t)snprintf(name + used, sizeof name - used, "%02x", caps->device_uuid[i]);
    for (size_t i = 0; i < 8; i++)
        used += (size_t)snprintf(name + used, sizeof name - used, "%02x", caps->driver_uuid[i]);
    shape = shape ? shape : &probe_usual_shape;
    sizes_text(shape, 'x', sizes, sizeof sizes);
    snprintf(name + used, sizeof name - used, "-%x-%s-%x.json", (unsigned)caps->bits, sizes,
             (unsigned)shape->types);
    char *path = os_join(folder, name);
    free(folder);
    return path;
}

static uint64_t digest_words(uint64_t digest, const uint32_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        digest = (digest ^ words[i]) * 1099511628211u;
    return digest;
}

/* Names this build's kernels, their tunings and where the race begins (FNV-1a): findings hold as
 * long as they are the same, whatever else changes. */
static uint64_t kernels_digest(void)
{
    uint64_t digest = 14695981039346656037u;
    for (size_t i = 0; i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        const char *why;
        size_t bytes = 0;
        const uint32_t *words = kernel_spirv(row->name, &bytes, &why);
        digest = digest_words(digest, words, words ? bytes / 4 : 0);
        digest = digest_words(digest, row->tuning.spec, GPU_MAX_SPEC);
        for (uint32_t t = 0; t < row->tuning_count; t++)
            digest = digest_words(digest, row->tunings[t].spec, GPU_MAX_SPEC);
    }
    for (size_t i = 0; i < tuning_line_count; i++)
        digest = digest_words(digest, tuning_lines[i].tuning.spec, GPU_MAX_SPEC);
    return digest;
}

void probe_recall(const char *path, const char *made_by, KernelPolicy *policy)
{
    char *text = NULL;
    size_t bytes;
    *policy = (KernelPolicy){0};
    if (path && os_exists(path) && os_read_file(path, &text, &bytes) == TMB_OK) {
        /* findings about other kernels, of an earlier build, are no news to anybody */
        bool good = policy_read(text, policy), ours = !strcmp(policy->made_by, made_by);
        if (ours && !good)
            log_warning("%s holds what this build never writes and is not used; kernels are tried again", path);
        if (!good || !ours)
            *policy = (KernelPolicy){0};
    }
    snprintf(policy->made_by, sizeof policy->made_by, "%s", made_by);
    free(text);
}

void probe_remember(const char *path, const KernelPolicy *policy)
{
    char *text = policy_text(policy);
    if (path && text && os_write_file(path, text, strlen(text)) != TMB_OK)
        log_warning("what was found out about kernels is not remembered: %s", tmb_last_error());
    free(text);
}

static void tell(const KernelRow *row, const KernelVerdict *verdict)
{
    if (!verdict || verdict->finding == FINDING_LATER || verdict->finding == FINDING_NOT_TRIED)
        return;
    if (row->probe)
        log_info("kernel %s is %s: %s (%s)", row->name,
                 verdict->finding == FINDING_FASTER ? "used" : "not used",
                 finding_name(verdict->finding), verdict->why);
    else if (verdict->finding > FINDING_SLOWER)
        log_warning("kernel %s: its tunings could not be compared: %s (%s)", row->name,
                    finding_name(verdict->finding), verdict->why);
}

/* What the row has to do with the time of a training step: its arithmetic at the model's sizes. All
 * linears of a layer take the work of the feed-forward product about four times; the gradients of
 * weights are for full training alone; the head comes once, not in each layer. Matrix units, which
 * gain most, come before what they replace. */
static double worth(const KernelRow *row, const KernelShape *shape)
{
    static const struct { const char *family; double times; } parts[] = {
        {"matmul_tn", 0.02}, {"matmul_", 4}, {"cross_entropy", 0.05},
    };
    uint32_t push[GPU_MAX_PUSH / 4];
    double flops = row->flops ? row->flops(probe_case(row, shape, push).push) : 0;
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!strncmp(row->family, parts[i].family, strlen(parts[i].family))) {
            flops *= parts[i].times;
            break;
        }
    return row->needs & GPU_CAP_COOPMAT ? 2 * flops : flops;
}

static void pass_over_needless(const GpuCaps *caps, const KernelShape *shape, KernelPolicy *policy)
{
    for (size_t i = 0; i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        const char *needless = probe_needless(caps, row);
        if (needless && !policy_verdict(policy, row->name) && probe_applies(caps, row, shape, false))
            policy_set_verdict(policy, row->name, FINDING_NOT_TRIED, needless);
    }
}

/* What there is to try, by worth; what an earlier run had no time for comes first. Rows that stand in for
 * others, or the rest, at most `most`. */
static size_t list_rows(const ProbeHelper *helper, const GpuCaps *caps, const KernelPolicy *policy,
                        bool instead, const KernelRow **out, size_t most)
{
    const KernelShape *shape = helper->shape ? helper->shape : &probe_usual_shape;
    double worths[POLICY_VERDICTS];
    size_t count = 0;
    for (size_t i = 0; i < kernel_count() && count < most; i++) {
        const KernelRow *row = kernel_at(i);
        const KernelVerdict *verdict = policy_verdict(policy, row->name);
        const bool later = verdict && verdict->finding == FINDING_LATER;
        if ((row->instead[0] != NULL) != instead || (helper->probes_only && !row->probe) ||
            !probe_applies(caps, row, shape, helper->again || later) ||
            (helper->wanted && !helper->wanted(helper->context, row)) ||
            (verdict && !later && !helper->again))
            continue;
        const double value = worth(row, shape) * (later ? 1e9 : 1);
        size_t at = count++;
        for (; at > 0 && worths[at - 1] < value; at--) {
            worths[at] = worths[at - 1];
            out[at] = out[at - 1];
        }
        worths[at] = value;
        out[at] = row;
    }
    return count;
}

static void try_until(const ProbeHelper *helper, const char *rows, double end, KernelPolicy *policy)
{
    ProbeHelper left = *helper;
    left.seconds = end - os_seconds();
    probe_in_child(&left, rows, policy);
}

static void try_one_by_one(const ProbeHelper *helper, const char *rows, double end, KernelPolicy *policy)
{
    char name[POLICY_NAME];
    while (rows && *rows) {
        rows = probe_next_name(rows, name);
        try_until(helper, name, end, policy);
    }
}

/* Matrix units have a process each, because they have hung drivers; the others share one, and so do
 * those that stand in for others: they are tried where the plain ones were right. */
static void try_rows(const ProbeHelper *helper, const GpuCaps *caps, const KernelRow *const *rows,
                     size_t count, KernelPolicy *policy)
{
    const double end = os_seconds() + helper->seconds;
    Text alone = {0}, shared = {0}, needless = {0};
    for (size_t i = 0; i < count; i++) {
        const bool alone_there = rows[i]->needs & GPU_CAP_COOPMAT && !rows[i]->instead[0];
        Text *list = !alone_there ? &shared : probe_needless(caps, rows[i]) ? &needless : &alone;
        text_print(list, "%s%s", list->bytes ? "," : "", rows[i]->name);
        policy_forget(policy, rows[i]->name);
    }
    try_one_by_one(helper, alone.data, end, policy);
    if (shared.bytes)
        try_until(helper, shared.data, end, policy);
    try_one_by_one(helper, needless.data, end, policy);
    text_finish(&alone);
    text_finish(&shared);
    text_finish(&needless);
}

static const char slow_once[] = "not done in its time; the next run tries it once more";

static bool was_slow(const KernelPolicy *policy, const KernelRow *row)
{
    const KernelVerdict *verdict = policy_verdict(policy, row->name);
    return verdict && verdict->finding == FINDING_LATER && !strcmp(verdict->why, slow_once);
}

/* Rows that were not reached are for the next run; so is, once, one that is here for its tunings and took
 * too long: the machine may have been busy. Returns how many. */
static size_t leave_the_rest(const GpuCaps *caps, const KernelRow *const *rows, size_t count,
                             const KernelPolicy *before, KernelPolicy *policy)
{
    size_t later = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = rows[i]->name;
        const KernelVerdict *verdict = policy_verdict(policy, name);
        const bool slow = verdict && verdict->finding == FINDING_TIMED_OUT && !rows[i]->probe &&
                          !was_slow(before, rows[i]);
        if (verdict && !slow)
            continue;
        if (probe_needless(caps, rows[i])) {
            policy_set_verdict(policy, name, FINDING_NOT_TRIED, probe_needless(caps, rows[i]));
            continue;
        }
        policy_set_verdict(policy, name, FINDING_LATER,
                           slow ? slow_once : "there was no time for it; the next run tries it");
        later++;
    }
    return later;
}

static void tell_all(const KernelRow *const *rows, size_t count, size_t later, double seconds,
                     const KernelPolicy *policy)
{
    size_t tuned = 0;
    for (size_t i = 0; i < count; i++) {
        const KernelVerdict *verdict = policy_verdict(policy, rows[i]->name);
        tell(rows[i], verdict);
        tuned += verdict && verdict->finding <= FINDING_SLOWER;
    }
    if (os_interrupted())
        return;
    if (later)
        log_info("%zu of %zu kernels tuned for this device in %.1f s; the rest next time", tuned, tuned + later,
                 seconds);
    else if (tuned)
        log_info("%zu kernel%s tuned for this device, once, in %.1f s", tuned, tuned > 1 ? "s" : "", seconds);
}

/* Rows that stand in for others come last: only then is known what they would replace. */
static size_t find_out(const ProbeHelper *helper, const GpuCaps *caps, KernelPolicy *policy,
                       const KernelRow *rows[POLICY_VERDICTS])
{
    const double end = os_seconds() + helper->seconds;
    ProbeHelper left = *helper;
    GpuCaps known = *caps;
    const size_t count = list_rows(helper, caps, policy, false, rows, POLICY_VERDICTS);
    try_rows(helper, caps, rows, count, policy);
    known.policy = policy;
    const size_t more = list_rows(helper, &known, policy, true, rows + count, POLICY_VERDICTS - count);
    left.seconds = end - os_seconds();
    try_rows(&left, caps, rows + count, more, policy);
    return count + more;
}

/* Whether the file could be written; that it is being written now is no reason against it. */
static bool is_writable(const char *path)
{
    OsReplace *file = NULL;
    if (!path)
        return false;
    const tmb_status status = os_replace_begin(path, &file);
    if (file)
        os_replace_abort(&file);
    return status == TMB_OK || status == TMB_BUSY;
}

/* There is something to race and no place for what is found: asked before, so that no command spends its
 * first seconds on what the next one has to find out again. */
static bool is_in_vain(const ProbeHelper *helper, const GpuCaps *caps, const KernelPolicy *policy, const char *path)
{
    const KernelRow *rows[POLICY_VERDICTS];
    return helper->program && !helper->again && !os_interrupted() &&
           list_rows(helper, caps, policy, false, rows, POLICY_VERDICTS) && !is_writable(path);
}

static void tell_in_vain(const char *path, size_t count, double seconds)
{
    log_warning("%s%swhat is found out about kernels is not remembered: %zu were tried in %.1f s, and will be by "
                "every command; tunings were not compared. It needs a cache folder that can be written "
                "($XDG_CACHE_HOME, on Windows %%LOCALAPPDATA%%)", path ? path : "", path ? ": " : "", count, seconds);
}

void probe_device(Gpu *gpu, const ProbeHelper *given)
{
    ProbeHelper asked = *given;
    const ProbeHelper *helper = &asked;
    const GpuCaps *caps = gpu_caps(gpu);
    KernelPolicy *policy = MEM_NEW(KernelPolicy);
    char *path = probe_path(caps, helper->shape), made_by[sizeof policy->made_by];
    snprintf(made_by, sizeof made_by, "kernels %016llx, %s", (unsigned long long)kernels_digest(),
             caps->driver);
    probe_recall(path, made_by, policy);
    const KernelShape *shape = helper->shape ? helper->shape : &probe_usual_shape;
    const KernelRow *rows[POLICY_VERDICTS];
    if (!helper->again)
        pass_over_needless(caps, shape, policy);
    const double begin = os_seconds();
    KernelPolicy *before = MEM_NEW(KernelPolicy);
    *before = *policy;
    const bool in_vain = is_in_vain(helper, caps, policy, path);
    asked.probes_only |= in_vain;
    const size_t count = helper->program && !os_interrupted() ? find_out(helper, caps, policy, rows) : 0;
    if (in_vain)
        tell_in_vain(path, count, os_seconds() - begin);
    else if (count) {
        const size_t later = leave_the_rest(caps, rows, count, before, policy);
        tell_all(rows, count, later, os_seconds() - begin, policy);
        probe_remember(path, policy);
    }
    free(before);
    gpu_set_policy(gpu, policy);
    free(path);
}
