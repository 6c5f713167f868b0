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

/* Cases beyond that are left out: their reference alone would take seconds. Rows that are trusted
 * anyway, and here for their tunings, have the small ones. */
#define PROBE_FLOPS 6e7
#define TUNED_FLOPS 4e6
/* Faster by less than that is not worth another rounding. */
#define PROBE_GAIN 0.95
#define TUNE_GAIN 0.97
/* For racing the tunings of one row; all rows stay below ten seconds. */
#define PROBE_TUNE_SECONDS 1.0
#define PROBE_ALL_SECONDS 6.0

const KernelShape probe_usual_shape = {.rows = 512, .hidden = 2048, .ffn = 5632, .heads = 32,
                                       .kv_heads = 4, .head_dim = 64, .vocab = 32000};

static void shape_text(const KernelShape *s, char separator, char *out, size_t capacity)
{
    snprintf(out, capacity, "%u%c%u%c%u%c%u%c%u%c%u%c%u", s->rows, separator, s->hidden, separator,
             s->ffn, separator, s->heads, separator, s->kv_heads, separator, s->head_dim, separator,
             s->vocab);
}

bool probe_shape_read(const char *text, KernelShape *out)
{
    char rest;
    return sscanf(text, "%u,%u,%u,%u,%u,%u,%u%c", &out->rows, &out->hidden, &out->ffn, &out->heads,
                  &out->kv_heads, &out->head_dim, &out->vocab, &rest) == 7 &&
           out->rows && out->hidden && out->ffn && out->kv_heads && out->head_dim && out->vocab &&
           out->heads && out->heads % out->kv_heads == 0;
}

/* The case that stands for training, at the sizes of the model; for rows that do not name one,
 * that with the most arithmetic. `push` keeps its words. */
static KernelCase timed_case(const KernelRow *row, const KernelShape *shape,
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

/* ---- the child ------------------------------------------------------------- */

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

/* What would be used without this row: products with operands in f16 stand in for the same ones
 * in f32. */
static const KernelRow *rival_of(const GpuCaps *caps, const KernelRow *row, const void *push)
{
    char family[POLICY_NAME];
    snprintf(family, sizeof family, "%s", row->family);
    char *half = strstr(family, "_half");
    if (half)
        *half = '\0';
    return kernel_choose(family, NULL, caps, push);
}

static tmb_status race(Gpu *gpu, const KernelRow *row, const KernelShape *shape, int *index,
                       char line[PROBE_LINE])
{
    uint32_t push[GPU_MAX_PUSH / 4];
    TuneResult own, others;
    const KernelCase one = timed_case(row, shape, push);
    const KernelRow *rival = rival_of(gpu_caps(gpu), row, one.push);
    if (!rival || (row->suits && !row->suits(one.push)))
        return fail(TMB_FAILED, "there is nothing to compare %s with at these sizes", row->name);
    TRY(tune_row(gpu, row, &one, PROBE_TUNE_SECONDS, &own));
    if (rival != row)
        TRY(tune_row(gpu, rival, &one, 0, &others));
    const double first = own.time[0].seconds, other = rival == row ? first : others.best.seconds;
    if (own.best.seconds > TUNE_GAIN * first)
        own.best = own.time[0];
    *index = own.best.index;
    int used = snprintf(line, PROBE_LINE, "%s right %.9g %.9g %d %s", row->name, own.best.seconds, other,
                        *index, rival->name);
    for (uint32_t i = 0; i < own.count && used < PROBE_LINE - 24; i++)
        used += snprintf(line + used, (size_t)(PROBE_LINE - used), " %d:%.6g", own.time[i].index,
                         own.time[i].seconds);
    return TMB_OK;
}

void probe_row(Gpu *gpu, const KernelRow *row, const KernelShape *shape, char line[PROBE_LINE])
{
    Text problems = {0};
    int index = TUNE_DEFAULT;
    const double most = row->probe ? PROBE_FLOPS : TUNED_FLOPS;
    tmb_status status = race(gpu, row, shape, &index, line);
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

/* The first name of a list separated by commas, and the rest of the list. */
static const char *next_name(const char *names, char name[POLICY_NAME])
{
    size_t length = strcspn(names, ",");
    snprintf(name, POLICY_NAME, "%.*s", (int)length, names);
    return names + length + strspn(names + length, ",");
}

tmb_status probe_rows(Gpu *gpu, const char *names, const KernelShape *shape,
                      void (*line)(const char *text))
{
    const double begin = os_seconds();
    char name[POLICY_NAME], text[PROBE_LINE];
    KernelShape sizes = *shape;
    if (gpu_caps(gpu)->kind == GPU_CPU && sizes.rows > PROBE_CPU_ROWS)
        sizes.rows = PROBE_CPU_ROWS;
    while (*names) {
        names = next_name(names, name);
        const KernelRow *row = kernel_by_name(name);
        if (!row)
            return fail(TMB_USAGE, "there is no kernel %s", name);
        if (!row->probe && os_seconds() - begin > PROBE_ALL_SECONDS)
            snprintf(text, sizeof text, "%s later", name);
        else
            probe_row(gpu, row, &sizes, text);
        line(text);
    }
    return TMB_OK;
}

void probe_rows_failed(const char *names, void (*line)(const char *text))
{
    char name[POLICY_NAME], text[PROBE_LINE];
    while (*names) {
        names = next_name(names, name);
        snprintf(text, sizeof text, "%s failed %s", name, tmb_last_error());
        line(text);
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

/* The process was ended, or ended itself, before it was done. */
static bool is_abrupt(int exit_code)
{
    return exit_code > 4 || exit_code < 0;   /* beyond the exit codes of timbre */
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
    } else if (exit_code == OS_TIMED_OUT) {
        snprintf(why, sizeof why, "not done after %.0f s", helper->seconds);
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

void probe_in_child(const ProbeHelper *helper, const char *rows, KernelPolicy *policy)
{
    char shape[96], name[POLICY_NAME], line[PROBE_LINE];
    shape_text(helper->shape ? helper->shape : &probe_usual_shape, ',', shape, sizeof shape);
    const char *const argv[] = {helper->program, helper->command, rows,
                                helper->device ? helper->device : "",
                                helper->caps ? helper->caps : "", shape, NULL};
    char *output = NULL;
    int exit_code = -1;
    bool ran = os_run(argv, helper->seconds, &output, &exit_code) == TMB_OK, ended = false;
    while (*rows) {
        rows = next_name(rows, name);
        const KernelRow *row = kernel_by_name(name);
        if (!row)
            continue;
        if (!ran) {
            policy_set_verdict(policy, name, FINDING_FAILED, tmb_last_error());
        } else if (*line_of(output, name, line)) {
            probe_verdict(helper, row, exit_code, line, policy);
        } else if (!ended && !os_interrupted()) {
            probe_verdict(helper, row, exit_code, line, policy);
            ended = is_abrupt(exit_code);    /* those after it had no turn */
        }
    }
    free(output);
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
    if (row->needs & GPU_CAP_COOPMAT)
        return kernel_fit(caps, row, NULL, row->cases[0].push, &tuning);
    if ((caps->bits & GPU_CAP_CPU || caps->kind == GPU_CPU) && !again)
        return false;
    const KernelCase one = timed_case(row, shape, push);
    if (check_obstacle(row, &one, caps))
        return false;
    const KernelRow *first = chosen(caps, row, one.push);
    return first && (row->probe ? first->rank > row->rank : first == row);
}

const char *probe_needless(const GpuCaps *caps, const KernelRow *row)
{
    if (row->needs & GPU_CAP_COOPMAT && (caps->bits & GPU_CAP_CPU || caps->kind == GPU_CPU))
        return "a CPU driver plays matrix units in plain code, several times slower than the rows "
               "for processors";
    return NULL;
}

/* ---- what is remembered ---------------------------------------------------- */

/* One file for each device, driver, set of capabilities and size of model: a row that won the race
 * of --caps none had weaker rivals than it has otherwise. */
char *probe_path(const GpuCaps *caps, const KernelShape *shape)
{
    char name[192] = "kernels-", sizes[96];
    char *folder = os_cache_directory();
    size_t used = strlen(name);
    if (!folder)
        return NULL;
    for (size_t i = 0; i < sizeof caps->device_uuid; i++)
        used += (size_t)snprintf(name + used, sizeof name - used, "%02x", caps->device_uuid[i]);
    for (size_t i = 0; i < 8; i++)
        used += (size_t)snprintf(name + used, sizeof name - used, "%02x", caps->driver_uuid[i]);
    shape_text(shape ? shape : &probe_usual_shape, 'x', sizes, sizeof sizes);
    snprintf(name + used, sizeof name - used, "-%x-%s.json", (unsigned)caps->bits, sizes);
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
    if (verdict && row->probe)
        log_info("kernel %s is %s: %s (%s)", row->name,
                 verdict->finding == FINDING_FASTER ? "used" : "not used",
                 finding_name(verdict->finding), verdict->why);
    else if (verdict && verdict->finding > FINDING_SLOWER)
        log_warning("kernel %s: its tunings could not be compared: %s (%s)", row->name,
                    finding_name(verdict->finding), verdict->why);
}

/* Matrix units have a process each, because they have hung drivers; the others share one. */
static bool try_rows(const ProbeHelper *helper, const GpuCaps *caps, KernelPolicy *policy)
{
    const KernelShape *shape = helper->shape ? helper->shape : &probe_usual_shape;
    const KernelRow *tried[POLICY_VERDICTS];
    Text shared = {0};
    size_t count = 0;
    for (size_t i = 0; i < kernel_count() && count < POLICY_VERDICTS; i++) {
        const KernelRow *row = kernel_at(i);
        if (!probe_applies(caps, row, shape, helper->again) ||
            (helper->wanted && !helper->wanted(helper->context, row)))
            continue;
        if (helper->again)
            policy_forget(policy, row->name);
        const char *needless = helper->again ? NULL : probe_needless(caps, row);
        if (needless && !policy_verdict(policy, row->name))
            policy_set_verdict(policy, row->name, FINDING_NOT_TRIED, needless);
        if (!helper->program || os_interrupted() || policy_verdict(policy, row->name))
            continue;
        tried[count++] = row;
        if (row->needs & GPU_CAP_COOPMAT)
            probe_in_child(helper, row->name, policy);
        else
            text_print(&shared, "%s%s", shared.bytes ? "," : "", row->name);
    }
    const double begin = os_seconds();
    if (shared.bytes)
        probe_in_child(helper, shared.data, policy);
    if (shared.bytes && !os_interrupted())
        log_info("tunings of kernels were compared on this device, once, in %.1f s", os_seconds() - begin);
    for (size_t i = 0; i < count; i++)
        tell(tried[i], policy_verdict(policy, tried[i]->name));
    text_finish(&shared);
    return count > 0;
}

void probe_device(Gpu *gpu, const ProbeHelper *helper)
{
    const GpuCaps *caps = gpu_caps(gpu);
    KernelPolicy *policy = MEM_NEW(KernelPolicy);
    char *path = probe_path(caps, helper->shape), made_by[sizeof policy->made_by];
    snprintf(made_by, sizeof made_by, "kernels %016llx, %s", (unsigned long long)kernels_digest(),
             caps->driver);
    probe_recall(path, made_by, policy);
    if (try_rows(helper, caps, policy))
        probe_remember(path, policy);
    gpu_set_policy(gpu, policy);
    free(path);
}
