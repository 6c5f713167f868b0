#include "check/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/os.h"
#include "check/cases.h"
#include "check/tune.h"
#include "matmul.push.h"

/* Cases beyond that are left out: their reference alone would take seconds. */
#define PROBE_FLOPS 6e7
/* Faster by less than that is not worth another rounding. */
#define PROBE_GAIN 0.95
/* For racing the tunings of one row; eight rows stay below ten seconds. */
#define PROBE_TUNE_SECONDS 1.0

/* ---- the child ------------------------------------------------------------- */

static tmb_status check_all(Gpu *gpu, const KernelRow *row, const KernelTuning *asked, Text *problems)
{
    Rig rig = {.gpu = gpu};
    tmb_status status = TMB_OK;
    for (uint32_t c = 0; c < row->case_count && status == TMB_OK && !problems->bytes; c++) {
        const KernelCase *one = &row->cases[c];
        if (!check_obstacle(row, one, gpu_caps(gpu)) && (!row->flops || row->flops(one->push) <= PROBE_FLOPS))
            status = check_row(&rig, row, asked, one, problems);
    }
    rig_finish(&rig);
    return status;
}

/* Products as a step of training has them, with tiles enough to keep a large device busy (fewer
 * make kernel_fit choose smaller ones by itself); for other families their case with the most
 * arithmetic. */
static KernelCase timed_case(const KernelRow *row, MatmulPush *push)
{
    const KernelCase *most = &row->cases[0];
    if (!strncmp(row->family, "matmul_", 7)) {
        bool k_first = row->family[7] == 't', n_last = row->family[8] == 'n';
        *push = (MatmulPush){.m = 1024, .n = 2048, .k = 2048, .alpha = 1, .c_stride = 2048};
        push->a_stride = k_first ? push->m : push->k;
        push->b_stride = n_last ? push->n : push->k;
        return (KernelCase){.name = "timed", .push = push};
    }
    for (uint32_t c = 1; c < row->case_count; c++)
        if (row->flops && row->flops(row->cases[c].push) > row->flops(most->push))
            most = &row->cases[c];
    return *most;
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

static tmb_status race(Gpu *gpu, const KernelRow *row, int *index, char line[PROBE_LINE])
{
    MatmulPush push;
    double seconds, other;
    int others_index;
    const KernelCase one = timed_case(row, &push);
    const KernelRow *rival = rival_of(gpu_caps(gpu), row, one.push);
    if (!rival)
        return fail(TMB_FAILED, "there is no other row to compare %s with", row->name);
    TRY(tune_row(gpu, rival, &one, 0, &others_index, &other));
    TRY(tune_row(gpu, row, &one, PROBE_TUNE_SECONDS, index, &seconds));
    snprintf(line, PROBE_LINE, "right %.9g %.9g %d %s", seconds, other, *index, rival->name);
    return TMB_OK;
}

void probe_row(Gpu *gpu, const KernelRow *row, char line[PROBE_LINE])
{
    Text problems = {0};
    int index = TUNE_DEFAULT;
    tmb_status status = race(gpu, row, &index, line);
    if (status == TMB_OK)
        status = check_all(gpu, row, NULL, &problems);
    if (status == TMB_OK && !problems.bytes && index != TUNE_DEFAULT)
        status = check_all(gpu, row, &row->tunings[index], &problems);
    if (status == TMB_OK && problems.bytes) {
        const char *first = problems.data + strspn(problems.data, " ");
        snprintf(line, PROBE_LINE, "wrong %.*s", (int)strcspn(first, "\n"), first);
    }
    if (status != TMB_OK)
        snprintf(line, PROBE_LINE, "failed %s", tmb_last_error());
    text_finish(&problems);
}

/* ---- the parent ------------------------------------------------------------ */

static void raced(const char *name, const char *line, KernelPolicy *policy)
{
    const KernelRow *row = kernel_by_name(name);
    char rival[POLICY_NAME], why[POLICY_WHY];
    double seconds = 0, other = 0;
    int index = TUNE_DEFAULT;
    if (sscanf(line, "right %lf %lf %d %47s", &seconds, &other, &index, rival) != 4 ||
        !(seconds > 0) || !(other > 0) || (index >= 0 && (!row || (uint32_t)index >= row->tuning_count))) {
        policy_set_verdict(policy, name, FINDING_FAILED, "the process that tried it said nothing");
        return;
    }
    bool faster = seconds < PROBE_GAIN * other;
    snprintf(why, sizeof why, "right, %.3f ms against %.3f ms of %s", 1e3 * seconds, 1e3 * other,
             rival);
    policy_set_verdict(policy, name, faster ? FINDING_FASTER : FINDING_SLOWER, why);
    if (index >= 0)
        policy_set_tuning(policy, name, &row->tunings[index]);
}

void probe_verdict(const char *row, int exit_code, const char *line, double seconds,
                   KernelPolicy *policy)
{
    char why[POLICY_WHY];
    if (exit_code == OS_TIMED_OUT) {
        snprintf(why, sizeof why, "not done after %.0f s", seconds);
        policy_set_verdict(policy, row, FINDING_TIMED_OUT, why);
    } else if (exit_code > 4 || exit_code < 0) {   /* beyond the exit codes of timbre */
        snprintf(why, sizeof why, "the process that tried it ended with %d", exit_code);
        policy_set_verdict(policy, row, FINDING_CRASHED, why);
    } else if (!strncmp(line, "wrong ", 6) || !strncmp(line, "failed ", 7)) {
        snprintf(why, sizeof why, "%.*s", (int)strcspn(strchr(line, ' ') + 1, "\r\n"),
                 strchr(line, ' ') + 1);
        policy_set_verdict(policy, row, *line == 'w' ? FINDING_WRONG : FINDING_FAILED, why);
    } else {
        raced(row, line, policy);
    }
}

void probe_in_child(const ProbeHelper *helper, const char *row, KernelPolicy *policy)
{
    const char *const argv[] = {helper->program, helper->command, row,
                                helper->device ? helper->device : "",
                                helper->caps ? helper->caps : "", NULL};
    char *output = NULL;
    int exit_code = -1;
    if (os_run(argv, helper->seconds, &output, &exit_code) != TMB_OK)
        policy_set_verdict(policy, row, FINDING_FAILED, tmb_last_error());
    else
        probe_verdict(row, exit_code, output ? output : "", helper->seconds, policy);
    free(output);
}

bool probe_applies(const GpuCaps *caps, const KernelRow *row)
{
    const char *why;
    size_t bytes;
    KernelTuning tuning;
    bool marked = row->probe || (row->tune && !(caps->bits & GPU_CAP_CPU) && caps->kind != GPU_CPU);
    return marked && !(row->needs & ~caps->bits) && kernel_spirv(row->name, &bytes, &why) &&
           kernel_fit(caps, row, NULL, row->cases[0].push, &tuning);
}

/* ---- what is remembered ---------------------------------------------------- */

/* One file for each device, driver and set of capabilities: a row that won the race of --caps none
 * had weaker rivals than it has otherwise. */
static char *policy_path(const GpuCaps *caps)
{
    char name[96] = "kernels-";
    char *folder = os_cache_directory();
    size_t used = strlen(name);
    if (!folder)
        return NULL;
    for (size_t i = 0; i < sizeof caps->device_uuid; i++)
        used += (size_t)snprintf(name + used, sizeof name - used, "%02x", caps->device_uuid[i]);
    for (size_t i = 0; i < 8; i++)
        used += (size_t)snprintf(name + used, sizeof name - used, "%02x", caps->driver_uuid[i]);
    snprintf(name + used, sizeof name - used, "-%x.json", (unsigned)caps->bits);
    char *path = os_join(folder, name);
    free(folder);
    return path;
}

void probe_recall(const char *path, const char *made_by, KernelPolicy *policy)
{
    char *text = NULL;
    size_t bytes;
    *policy = (KernelPolicy){0};
    if (path && os_exists(path) && os_read_file(path, &text, &bytes) == TMB_OK) {
        bool good = policy_read(text, policy);
        if (strcmp(policy->made_by, made_by))
            log_info("%s was made by %s and is not used", path, *policy->made_by ? policy->made_by : "nobody");
        else if (!good)
            log_warning("%s holds what this build never writes and is not used; kernels are tried again", path);
        if (!good || strcmp(policy->made_by, made_by))
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

void probe_device(Gpu *gpu, const ProbeHelper *helper, const char *version)
{
    const GpuCaps *caps = gpu_caps(gpu);
    KernelPolicy *policy = NULL;
    char *path = NULL, made_by[sizeof policy->made_by];
    bool grew = false;
    snprintf(made_by, sizeof made_by, "timbre %s, %s", version, caps->driver);
    for (size_t i = 0; i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        if (!probe_applies(caps, row))
            continue;
        if (!policy) {
            policy = MEM_NEW(KernelPolicy);
            path = policy_path(caps);
            probe_recall(helper->again ? NULL : path, made_by, policy);
        }
        if (!helper->program || policy_verdict(policy, row->name))
            continue;
        probe_in_child(helper, row->name, policy);
        const KernelVerdict *verdict = policy_verdict(policy, row->name);
        grew = true;
        if (verdict && row->probe)
            log_info("kernel %s is %s: %s (%s)", row->name,
                     verdict->finding == FINDING_FASTER ? "used" : "not used",
                     finding_name(verdict->finding), verdict->why);
        else if (verdict && verdict->finding > FINDING_SLOWER)
            log_warning("kernel %s: its tunings could not be compared: %s (%s)", row->name,
                        finding_name(verdict->finding), verdict->why);
    }
    if (grew)
        probe_remember(path, policy);
    if (policy)
        gpu_set_policy(gpu, policy);
    free(path);
}
