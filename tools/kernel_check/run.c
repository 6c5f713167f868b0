#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "check/cases.h"
#include "check/reflect.h"
#include "chosen.h"
#include "devices.h"
#include "base/os.h"
#include "report.h"
#include "retune.h"
#include "shader.h"

enum { BENCH_AGAIN = 2, ERROR_BYTES = 2048 };
#define NOT_RACED 1e9   /* seconds */

/* A thread with devices of its own: two of them keep a CPU driver's compiler and our references,
 * which use one core each, at work side by side. */
typedef struct Worker {
    Devices devices;
    tmb_status status;
    char error[ERROR_BYTES];     /* the last one is known to its own thread only */
} Worker;

typedef struct Session {
    const Options *options;
    Worker *workers;
    unsigned worker_count;
    OsMutex *lock;               /* of what follows, up to the blank line */
    size_t next;                 /* kernel that nobody has taken yet */
    bool stop;                   /* one of them failed */

    Report report;               /* has a lock of its own */
    Baseline *baseline;
    uint32_t *shader_words;      /* of --shader, NULL: the embedded ones */
    size_t shader_bytes;
    bool disagrees;              /* it does not fit the row's interface, so it is not run */
} Session;

static const uint32_t *spirv_of(const Session *session, const KernelRow *row, size_t *bytes,
                                const char **why)
{
    if (!session->shader_words)
        return kernel_spirv(row->name, bytes, why);
    *bytes = session->shader_bytes;
    return session->shader_words;
}

static tmb_status pipeline_of(const Session *session, Gpu *gpu, const KernelRow *row,
                              const KernelTuning *tuning, GpuPipeline **out)
{
    const char *why;
    size_t bytes;
    const uint32_t *words = spirv_of(session, row, &bytes, &why);
    if (words)
        TRY(reflect_fits(row, words, bytes, tuning, gpu_caps(gpu)));
    if (!session->shader_words)
        return kernel_pipeline(gpu, row, tuning, out);
    return kernel_pipeline_of(gpu, row, tuning, session->options->shader, session->shader_words,
                              session->shader_bytes, out);
}

/* Nothing more is to be done: Ctrl-C, a failure with --first, or a shader that a driver must not see. */
static bool is_over(const Session *session)
{
    return os_interrupted() || session->disagrees || (session->options->first && session->report.failed);
}

/* A case that seems slower than the baseline is measured again before it is called so. */
static tmb_status measure(const Session *session, Rig *rig, const KernelCase *one,
                          const KernelTuning *tuning, GpuPipeline *pipeline, Entry *entry)
{
    const Options *options = session->options;
    tmb_status status = bench_run(rig->gpu, entry->row, one, tuning, pipeline, options->seed,
                                  &entry->bench);
    entry->measured = status == TMB_OK;
    entry->flops = entry->row->flops ? entry->row->flops(one->push) : 0;
    baseline_find(session->baseline, options->tuning || options->spec.count || options->all_tunings, entry);
    for (int i = 0; i < BENCH_AGAIN && status == TMB_OK && entry->before &&
                    bench_is_slower(entry->before, &entry->bench); i++) {
        BenchResult again;
        status = bench_run(rig->gpu, entry->row, one, tuning, pipeline, options->seed, &again);
        if (status == TMB_OK && again.seconds < entry->bench.seconds)
            entry->bench = again;
    }
    if (status == TMB_OK && entry->row->instead[0])
        status = instead_bench(rig->gpu, entry->row, one, options->seed, entry->instead,
                               &entry->instead_seconds);
    KernelRoof roof = rig->roof;
    if (entry->row->needs & GPU_CAP_COOPMAT && rig->matrix_flops > 0)
        roof.flops_per_second = rig->matrix_flops;
    entry->roof_share = kernel_roof_share(&roof, entry->flops, entry->bench.bytes,
                                          entry->bench.seconds);
    return status;
}

static void add_plain(Session *session, const char *device, const KernelRow *row,
                      const char *case_name, Verdict verdict, const char *problems)
{
    report_add(&session->report, &(Entry){.row = row, .device = device, .case_name = case_name,
                                          .verdict = verdict, .problems = problems});
}

/* What a tiling that was asked for must fit. Matrix units that a CPU driver plays have no registers to
 * run out of, so tilings of other devices can be checked there; but its compiler takes 8 s for this
 * many sums a lane and 50 s for the double (llvmpipe of Mesa 26.1.6). */
static GpuCaps asked_caps(const GpuCaps *caps, const KernelRow *row)
{
    GpuCaps roomy = *caps;
    if (caps->kind == GPU_CPU && row->needs & GPU_CAP_COOPMAT)
        roomy.lane_sums = 256;
    return roomy;
}

/* A lost device answers nothing any more, so that all later cases would fail for this one's sake. */
static tmb_status renew(Rig *rig, tmb_status status)
{
    if (status != TMB_DEVICE_LOST)
        return TMB_OK;
    rig_finish(rig);
    return gpu_reopen(rig->gpu);
}

/* Under the constants asked for, or with NULL the best that are known. Fails when the device is lost
 * for good. */
static tmb_status check_one(Session *session, Rig *rig, const KernelRow *row, const KernelCase *one,
                      const KernelTuning *asked, const Truths *truths)
{
    KernelTuning tuning;
    Entry entry = {.row = row, .device = rig->label, .case_name = one->name};
    Text problems = {0};
    GpuPipeline *pipeline = NULL;
    const double begin = os_seconds();
    const GpuCaps *own = gpu_caps(rig->gpu), caps = asked ? asked_caps(own, row) : *own;
    if (!kernel_fit(&caps, row, asked, one->push, &tuning)) {
        add_plain(session, entry.device, row, one->name, VERDICT_SKIPPED, "no such tuning fits the device");
        return TMB_OK;
    }
    chosen_tuning_text(row, &tuning, entry.tuning, sizeof entry.tuning);
    entry.why = asked ? NULL : kernel_fit_why(gpu_caps(rig->gpu), row);
    report_progress(&session->report, row, one->name);
    tmb_status status = pipeline_of(session, rig->gpu, row, &tuning, &pipeline);
    const bool compiled = status == TMB_OK;
    if (compiled && truths)
        status = check_case(rig, row, one, &tuning, pipeline, truths, &entry.worst, &problems);
    else if (compiled)
        status = measure(session, rig, one, &tuning, pipeline, &entry);
    /* what does not fit says nothing about the kernel; what a driver says of a pipeline does */
    const bool no_room = compiled && (status == TMB_OUT_OF_DEVICE || status == TMB_OUT_OF_HOST);
    if (status != TMB_OK)
        text_print(&problems, no_room ? "%s" : "    %s\n", tmb_last_error());
    else if (entry.before && bench_is_slower(entry.before, &entry.bench))
        text_print(&problems, "    slower than the baseline: %.1f us, it was %.1f\n",
                   entry.bench.seconds * 1e6, entry.before->seconds * 1e6);
    entry.verdict = no_room ? VERDICT_SKIPPED : problems.bytes ? VERDICT_FAILED : VERDICT_PASSED;
    entry.problems = problems.bytes ? problems.data : "";
    entry.seconds = os_seconds() - begin;
    report_add(&session->report, &entry);
    text_finish(&problems);
    return renew(rig, status);
}

static tmb_status check_tunings(Session *session, const KernelRow *row, const KernelCase *one,
                                Rig *rig, const Truths *truths)
{
    const Options *options = session->options;
    KernelTuning given;
    TRY(chosen_tuning(options, row, &given));
    const bool chosen = options->tuning || options->spec.count;
    const KernelTuning *fold = chosen || options->all_tunings || !truths ? NULL : check_fold_tuning(row, one);
    TRY(check_one(session, rig, row, one, chosen ? &given : NULL, truths));
    if (fold && !is_over(session))
        TRY(check_one(session, rig, row, one, fold, truths));
    for (uint32_t t = 0; options->all_tunings && t < row->tuning_count && !is_over(session); t++)
        if (memcmp(&row->tunings[t], &given, sizeof given))
            TRY(check_one(session, rig, row, one, &row->tunings[t], truths));
    return TMB_OK;
}

static const char *obstacle(const Session *session, const KernelRow *row, const KernelCase *one,
                            Gpu *gpu)
{
    size_t bytes;
    const char *why = NULL;
    if (!spirv_of(session, row, &bytes, &why))
        return why;
    why = check_obstacle(row, one, gpu_caps(gpu));
    if (!why && row->slow_on_cpu && gpu_caps(gpu)->kind == GPU_CPU &&
        check_groups(row, one, NULL) > 10000 && !strcmp(session->options->case_name, "*"))
        why = "takes a CPU driver minutes; name the case with --case";
    return why;
}

static tmb_status check_shared(Session *session, Worker *worker, size_t first, const KernelCase *one)
{
    const KernelRow *lead = kernel_at(first);
    const bool bench = session->options->bench;
    Truths truths = {.count = 0};
    tmb_status status = TMB_OK;
    for (size_t i = first; i < kernel_count() && status == TMB_OK; i++) {
        const KernelRow *row = kernel_at(i);
        if (!check_same_truth(lead, row) || !glob_match(session->options->kernel, row->name))
            continue;
        for (size_t d = 0; d < worker->devices.count && status == TMB_OK && !is_over(session); d++) {
            Rig *rig = &worker->devices.rig[d];
            const char *why = obstacle(session, row, one, rig->gpu);
            if (!why && !truths.count && !bench &&
                truths_create(row, one, session->options->seed, &truths) != TMB_OK)
                why = tmb_last_error();
            if (why)
                add_plain(session, rig->label, row, one->name, VERDICT_SKIPPED, why);
            else
                status = check_tunings(session, row, one, rig, bench ? NULL : &truths);
        }
    }
    truths_finish(&truths);
    return status;
}

static bool wants_interface(const Options *options)
{
    return !options->bench && glob_match(options->case_name, "interface");
}

static void check_interface(Session *session, const KernelRow *row)
{
    size_t bytes;
    const char *why;
    Text problems = {0};
    const uint32_t *words = spirv_of(session, row, &bytes, &why);
    if (!words) {
        add_plain(session, "", row, "interface", VERDICT_SKIPPED, why);
        return;
    }
    ReflectFound found = reflect_check(row, words, bytes, &row->tuning, &problems);
    for (uint32_t t = 0; !found.unusable && !found.rules && t < row->tuning_count; t++)
        found = reflect_check(row, words, bytes, &row->tunings[t], &problems);
    session->disagrees = found.unusable && session->shader_words;
    if (!chosen_is_folded(row))
        text_print(&problems, "    %s: no case goes beyond 65,535 groups under any tuning; add one\n",
                   row->name);
    if (!check_has_extremes(row))
        text_print(&problems, "    %s: no case that it takes is small enough for extreme inputs; add one\n",
                   row->name);
    const char *repeated = check_repeated_case(row);
    if (repeated)
        text_print(&problems, "    %s: two cases are called '%s'\n", row->name, repeated);
    /* a developer's shader is always looked at; where it was not asked for, only what is wrong is told */
    if (problems.bytes || wants_interface(session->options))
        add_plain(session, "", row, "interface", problems.bytes ? VERDICT_FAILED : VERDICT_PASSED,
                  problems.bytes ? problems.data : "");
    text_finish(&problems);
}

/* With the words of --push in place of the case's. */
static tmb_status check_with(Session *session, Worker *worker, size_t first, KernelCase one)
{
    uint32_t push[GPU_MAX_PUSH / 4];
    TRY(chosen_push(session->options, kernel_at(first), &one, push, &one));
    return check_shared(session, worker, first, &one);
}

static tmb_status check_group(Session *session, Worker *worker, size_t first)
{
    const Options *options = session->options;
    const KernelRow *row = kernel_at(first);
    const bool one_case = options->bench && !strcmp(options->case_name, "*");
    if (one_case)
        return check_with(session, worker, first, chosen_measured(row, &worker->devices));
    for (uint32_t c = 0; c < row->case_count && !is_over(session); c++)
        if (glob_match(options->case_name, row->cases[c].name))
            TRY(check_with(session, worker, first, row->cases[c]));
    /* minutes for the references of all, so only when it is asked for */
    if (row->large && strcmp(options->case_name, "*") && glob_match(options->case_name, "large"))
        TRY(check_with(session, worker, first, chosen_large(row)));
    return TMB_OK;
}

/* A kernel and all that share its truth. */
static tmb_status check_led(Session *session, Worker *worker, size_t lead)
{
    const Options *options = session->options;
    const KernelRow *row = kernel_at(lead);
    for (size_t j = lead; j < kernel_count() && wants_interface(options) && !options->shader; j++)
        if (check_same_truth(row, kernel_at(j)) && !is_over(session) &&
            glob_match(options->kernel, kernel_at(j)->name))
            check_interface(session, kernel_at(j));
    TRY(check_group(session, worker, lead));
    for (size_t j = lead; j < kernel_count() && !options->bench; j++)
        if (check_same_truth(row, kernel_at(j)) && glob_match(options->kernel, kernel_at(j)->name))
            report_row(&session->report, kernel_at(j));
    return TMB_OK;
}

/* The next kernel that leads others, for one worker alone; false when there is no more. */
static bool take(Session *session, size_t *lead)
{
    os_mutex_lock(session->lock);
    while (session->next < kernel_count() && !chosen_is_lead(session->options, session->next))
        session->next++;
    const bool found = session->next < kernel_count() && !session->stop;
    *lead = session->next++;
    os_mutex_unlock(session->lock);
    return found;
}

static void work(void *context, unsigned index)
{
    Session *session = context;
    Worker *worker = &session->workers[index];
    size_t lead;
    while (worker->status == TMB_OK && take(session, &lead))
        worker->status = check_led(session, worker, lead);
    if (worker->status == TMB_OK)
        return;
    snprintf(worker->error, sizeof worker->error, "%s", tmb_last_error());
    os_mutex_lock(session->lock);
    session->stop = true;
    os_mutex_unlock(session->lock);
}

static tmb_status check_all(Session *session)
{
    os_together(session->worker_count, work, session);
    for (unsigned i = 0; i < session->worker_count; i++)
        if (session->workers[i].status != TMB_OK)
            return fail(session->workers[i].status, "%s", session->workers[i].error);
    return TMB_OK;
}

/* One row's fastest of two measurements; the embedded shader when `built_in`. */
static tmb_status race_one(const Session *session, Rig *rig, const KernelRow *row, bool built_in,
                           const KernelCase *one, double *seconds)
{
    GpuPipeline *pipeline = NULL;
    BenchResult result;
    KernelTuning given, fitted;
    const bool chosen = session->options->tuning || session->options->spec.count;
    TRY(chosen_tuning(session->options, row, &given));
    if (!kernel_fit(gpu_caps(rig->gpu), row, built_in || !chosen ? NULL : &given, one->push, &fitted))
        return TMB_OK;
    if (built_in)
        TRY(kernel_pipeline(rig->gpu, row, &fitted, &pipeline));
    else
        TRY(pipeline_of(session, rig->gpu, row, &fitted, &pipeline));
    TRY(bench_run(rig->gpu, row, one, &fitted, pipeline, session->options->seed, &result));
    *seconds = result.seconds < *seconds ? result.seconds : *seconds;
    return TMB_OK;
}

/* The developer's shader against the one that would be chosen here, in turns. */
static tmb_status race(Session *session, Rig *rig)
{
    const KernelRow *row = kernel_by_name(session->options->as);
    const KernelCase measured = chosen_measured(row, &session->workers[0].devices), *one = &measured;
    const KernelRow *best;
    Dtype dtypes[GPU_MAX_BIND];
    double mine = NOT_RACED, other = NOT_RACED;
    for (uint32_t i = 0; i < kernel_bind_count(row); i++)
        dtypes[i] = row->bind[i].dtype;
    best = kernel_choose(row->family, dtypes, gpu_caps(rig->gpu), one->push);
    if (!best || check_obstacle(row, one, gpu_caps(rig->gpu)))
        return TMB_OK;
    for (int turn = 0; turn < 2; turn++) {
        TRY(race_one(session, rig, row, false, one, &mine));
        TRY(race_one(session, rig, best, true, one, &other));
    }
    if (mine == NOT_RACED || other == NOT_RACED) {
        printf("no race on %s, case %s: no such tuning fits the device\n", rig->label, one->name);
        return TMB_OK;
    }
    printf("race on %s, case %s: yours %.1f us, the built-in best (%s) %.1f us: %.2f x %s\n",
           rig->label, one->name, mine * 1e6, best->name, other * 1e6,
           mine < other ? other / mine : mine / other, mine < other ? "as fast" : "as slow");
    return TMB_OK;
}

/* One worker with the devices asked for, and more where these allow and there is something to do for
 * them; what cannot be opened once more is done without. */
static tmb_status open_workers(Session *session)
{
    const Options *options = session->options;
    unsigned jobs = 0, leads = 0;
    session->workers = MEM_NEW_ARRAY(Worker, DEVICES_MAX_JOBS);
    session->worker_count = 1;
    TRY(devices_open(options, &session->workers[0].devices));
    for (size_t i = 0; i < kernel_count(); i++)
        leads += chosen_is_lead(options, i);
    jobs = devices_jobs(options, &session->workers[0].devices);
    jobs = jobs < leads ? jobs : leads;
    while (session->worker_count < jobs) {
        Devices *own = &session->workers[session->worker_count].devices;
        if (devices_open_again(options, &session->workers[0].devices, own) != TMB_OK) {
            devices_close(own);
            break;
        }
        session->worker_count++;
    }
    return TMB_OK;
}

static tmb_status prepare(Session *session, const char *root)
{
    Options const *options = session->options;
    const KernelRow *row = options->as ? kernel_by_name(options->as) : NULL;
    const char *near = options->as ? options_nearest(options->as) : NULL;
    if (options->as && !row)
        return fail(TMB_USAGE, "--as %s: there is no such kernel; %s%s%s", options->as,
                    near ? "did you mean " : "see --list", near ? near : "", near ? "?" : "");
    TRY(chosen_any(options));
    if (options->baseline)
        TRY(baseline_open(options->baseline, &session->baseline));
    if (options->shader)
        TRY(shader_compile(options, row, root, &session->shader_words, &session->shader_bytes));
    return open_workers(session);
}

static tmb_status run(Session *session)
{
    Devices *devices = &session->workers[0].devices;
    Report *report = &session->report;
    TRY(devices_introduce(session->options, devices));
    for (size_t i = 0; i < devices->count && session->options->retune; i++)
        TRY(retune_device(session->options, devices->rig[i].gpu));
    if (session->options->retune)
        return TMB_OK;
    /* before a driver sees it, whatever --case and --bench say */
    if (session->options->shader)
        check_interface(session, kernel_by_name(session->options->as));
    if (!is_over(session))
        TRY(check_all(session));
    if (!report->count && !os_interrupted())
        return fail(TMB_USAGE, "no case of these kernels matches --case '%s'; see --list",
                    session->options->case_name);
    for (size_t i = 0; i < devices->count; i++)
        if (session->options->shader && !session->options->bench && !report->failed && !os_interrupted())
            TRY(race(session, &devices->rig[i]));
    if (session->baseline)
        baseline_print(report);
    if (session->baseline && !os_interrupted())
        TRY(baseline_matches(report));
    return os_interrupted() ? fail(TMB_INTERRUPTED, "interrupted") : TMB_OK;
}

int run_selected(Options *options, const char *root)
{
    Session session = {.options = options, .lock = os_mutex_create()};
    report_init(&session.report, options);
    tmb_status status = prepare(&session, root);
    int code = 77;
    bool no_device = status == TMB_NO_DEVICE && !options->device;
    options->many_devices = status == TMB_OK && session.workers[0].devices.count > 1;
    if (status == TMB_OK)
        status = run(&session);
    if (no_device)
        printf("skipped: %s\n0 passed, 0 failed, 1 skipped\n", tmb_last_error());
    else if (status == TMB_OK)
        code = options->retune ? 0 : report_end(&session.report);
    else
        code = report_abandon(&session.report, options_exit_code(status));
    if (status != TMB_OK && !no_device)
        fprintf(stderr, "kernel-check: %s\n", tmb_last_error());
    for (unsigned i = 0; i < session.worker_count; i++)
        devices_close(&session.workers[i].devices);
    free(session.workers);
    os_mutex_destroy(&session.lock);
    baseline_close(&session.baseline);
    report_finish(&session.report);
    free(session.shader_words);
    return code;
}
