/* kernel-check: every kernel row and case on every device, against the row's reference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/os.h"
#include "check/bench.h"
#include "check/check.h"
#include "check/reflect.h"
#include "compile.h"
#include "gpu/snapshot.h"
#include "report.h"
#include "shader.h"

enum { MAX_DEVICES = 16 };

typedef struct Devices {
    Rig rig[MAX_DEVICES];
    size_t count;
} Devices;

typedef struct Session {
    const Options *options;
    Devices *devices;
    Report *report;
    uint32_t *shader_words;      /* of --shader, NULL: the embedded ones */
    size_t shader_bytes;
} Session;

/* The checkout, for shader sources; the launcher knows it. */
static const char *checkout(void)
{
    const char *root = getenv("TIMBRE_ROOT");
    return root && *root ? root : ".";
}

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
    if (!session->shader_words)
        return kernel_pipeline(gpu, row, tuning, out);
    return kernel_pipeline_of(gpu, row, tuning, session->options->shader, session->shader_words,
                              session->shader_bytes, out);
}

static tmb_status open_devices(const Options *options, Devices *devices)
{
    GpuListing *list = NULL;
    size_t count = 0;
    GpuParams params = {.device = options->device, .caps = options->caps,
                        .validate = options->validate};
    *devices = (Devices){.count = 0};
    if (options->device) {
        devices->count = 1;
        return gpu_open(&params, &devices->rig[0].gpu);
    }
    TRY(gpu_list(&list, &count));
    tmb_status status = TMB_OK;
    for (size_t i = 0; i < count && devices->count < MAX_DEVICES && status == TMB_OK; i++) {
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        params.device = index;
        if (list[i].problem[0])
            printf("%s: not usable: %s\n", list[i].caps.name, list[i].problem);
        else
            status = gpu_open(&params, &devices->rig[devices->count++].gpu);
    }
    free(list);
    return status;
}

/* Prints what runs here; for measuring, finds out what it can do at most. */
static tmb_status introduce(const Options *options, Rig *rig)
{
    const GpuCaps *caps = gpu_caps(rig->gpu);
    printf("device: %s, %s, seed %llu\n", caps->name, caps->driver,
           (unsigned long long)options->seed);
    if (!options->bench)
        return TMB_OK;
    TRY(kernel_roof(rig->gpu, &rig->roof));
    printf("roof: %.1f GFLOP/s in registers, %.1f GB/s copied\n",
           rig->roof.flops_per_second * 1e-9, rig->roof.bytes_per_second * 1e-9);
    TRY(kernel_roof_matrix(rig->gpu, &rig->matrix_flops));
    if (rig->matrix_flops > 0)
        printf("roof: %.1f GFLOP/s on matrix units, f16 operands and f32 sums\n",
               rig->matrix_flops * 1e-9);
    return TMB_OK;
}

static void close_devices(Devices *devices)
{
    for (size_t i = 0; i < devices->count; i++) {
        if (devices->rig[i].gpu)
            rig_finish(&devices->rig[i]);
        gpu_close(&devices->rig[i].gpu);
    }
}

/* The constants as --tuning takes them. */
static void tuning_text(const KernelRow *row, const KernelTuning *tuning, char *out, size_t bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < row->spec_count && used + 12 < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%u", i ? "," : "", tuning->spec[i]);
}

static void skip(const Session *session, const char *device, const KernelRow *row,
                 const char *case_name, const char *why)
{
    report_check(session->report, device, row, case_name, "", VERDICT_SKIPPED, &(Worst){0}, why);
}

static void check_one(const Session *session, Rig *rig, const KernelRow *row, const KernelCase *one,
                      const KernelTuning *base, bool asked, const Truth *truth)
{
    const char *device = gpu_caps(rig->gpu)->name;
    KernelTuning tuning;
    char text[96];
    Text problems = {0};
    Worst worst = {0};
    GpuPipeline *pipeline = NULL;
    const double flops = row->flops ? row->flops(one->push) : 0;
    double seconds = 0, bytes = 0;
    KernelRoof roof = rig->roof;
    if (row->needs & GPU_CAP_COOPMAT && rig->matrix_flops > 0)
        roof.flops_per_second = rig->matrix_flops;
    if (!kernel_fit(gpu_caps(rig->gpu), row, asked ? base : NULL, one->push, &tuning)) {
        skip(session, device, row, one->name, "no such tuning fits the device");
        return;
    }
    tuning_text(row, &tuning, text, sizeof text);
    tmb_status status = pipeline_of(session, rig->gpu, row, &tuning, &pipeline);
    if (status == TMB_OK && truth)
        status = check_run(rig, row, one, &tuning, pipeline, truth, &worst, &problems);
    else if (status == TMB_OK)
        status = bench_run(rig->gpu, row, one, &tuning, pipeline, session->options->seed, &seconds,
                           &bytes);
    if (status != TMB_OK)
        text_print(&problems, "    %s\n", tmb_last_error());
    if (problems.bytes || truth)
        report_check(session->report, device, row, one->name, text,
                     problems.bytes ? VERDICT_FAILED : VERDICT_PASSED, &worst,
                     problems.bytes ? problems.data : "");
    else
        report_bench(session->report, device, row, one->name, text, seconds, flops, bytes,
                     kernel_roof_share(&roof, flops, bytes, seconds));
    text_finish(&problems);
}

static void check_tunings(const Session *session, const KernelRow *row, const KernelCase *one,
                          Rig *rig, const Truth *truth)
{
    const Options *options = session->options;
    KernelTuning given = row->tuning;
    if (options->tuning && options_words("--tuning", options->tuning, given.spec, row->spec_count) !=
                               TMB_OK) {
        report_check(session->report, gpu_caps(rig->gpu)->name, row, one->name, "", VERDICT_FAILED,
                     &(Worst){0}, tmb_last_error());
        return;
    }
    check_one(session, rig, row, one, &given, options->tuning != NULL, truth);
    for (uint32_t t = 0; options->all_tunings && t < row->tuning_count; t++)
        if (memcmp(&row->tunings[t], &given, sizeof given))
            check_one(session, rig, row, one, &row->tunings[t], true, truth);
}

/* Rows that share reference, cases and types share the truth of a case. */
static bool same_truth(const KernelRow *a, const KernelRow *b)
{
    bool same = a->reference == b->reference && a->cases == b->cases && a->extent == b->extent &&
                kernel_bind_count(a) == kernel_bind_count(b);
    for (uint32_t i = 0; same && i < kernel_bind_count(a); i++)
        same = a->bind[i].dtype == b->bind[i].dtype && a->bind[i].access == b->bind[i].access;
    return same;
}

/* Why this row cannot run this case here, or NULL. */
static const char *obstacle(const Session *session, const KernelRow *row, const KernelCase *one,
                            Gpu *gpu)
{
    size_t bytes;
    const char *why = NULL;
    if (!spirv_of(session, row, &bytes, &why))
        return why;
    if (row->needs & ~gpu_caps(gpu)->bits)
        return "the device lacks what the row needs";
    if (row->suits && !row->suits(one->push))
        return "the row is not meant for these sizes";
    uint64_t elements[GPU_MAX_BIND] = {0};
    row->extent(one->push, elements);
    for (uint32_t i = 0; i < kernel_bind_count(row); i++) {
        bool halves = row->bind[i].dtype == DTYPE_F16 || row->bind[i].dtype == DTYPE_BF16;
        if (elements[i] * (halves ? 2 : 4) > gpu_caps(gpu)->storage_range)
            return "a binding is larger than the device's range";
    }
    return NULL;
}

static void check_case(const Session *session, size_t first, const KernelCase *one)
{
    const KernelRow *lead = kernel_at(first);
    bool have_truth = false;
    Truth truth = {0};
    for (size_t i = first; i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        if (!same_truth(lead, row) || !glob_match(session->options->kernel, row->name))
            continue;
        for (size_t d = 0; d < session->devices->count; d++) {
            Rig *rig = &session->devices->rig[d];
            const char *why = obstacle(session, row, one, rig->gpu);
            if (!why && !have_truth && !session->options->bench) {
                have_truth = truth_create(row, one, session->options->seed, &truth) == TMB_OK;
                why = have_truth ? NULL : tmb_last_error();
            }
            if (why)
                skip(session, gpu_caps(rig->gpu)->name, row, one->name, why);
            else
                check_tunings(session, row, one, rig, have_truth ? &truth : NULL);
        }
    }
    truth_finish(&truth);
}

static void check_reflection(const Session *session, const KernelRow *row)
{
    size_t bytes;
    const char *why;
    uint32_t local[3] = {0};
    Text problems = {0};
    const uint32_t *words = spirv_of(session, row, &bytes, &why);
    if (!words) {
        skip(session, "", row, "interface", why);
        return;
    }
    unsigned found = reflect_check(row, words, bytes, &row->tuning, local, &problems);
    for (uint32_t t = 0; !found && t < row->tuning_count; t++)
        found = reflect_check(row, words, bytes, &row->tunings[t], local, &problems);
    report_check(session->report, "every device", row, "interface", "",
                 found ? VERDICT_FAILED : VERDICT_PASSED, &(Worst){0}, found ? problems.data : "");
    text_finish(&problems);
}

/* The case with the words of --push in place of its own; push holds the bytes. */
static tmb_status overridden(const Options *options, const KernelRow *row, const KernelCase *one,
                             uint32_t push[GPU_MAX_PUSH / 4], KernelCase *out)
{
    *out = *one;
    if (!options->push)
        return TMB_OK;
    memcpy(push, one->push, row->push_bytes);
    out->push = push;
    return options_words("--push", options->push, push, row->push_bytes / 4);
}

static tmb_status check_group(const Session *session, size_t first)
{
    const Options *options = session->options;
    const KernelRow *row = kernel_at(first);
    for (uint32_t c = 0; c < row->case_count; c++) {
        uint32_t push[GPU_MAX_PUSH / 4];
        KernelCase one;
        if (!glob_match(options->case_name, row->cases[c].name))
            continue;
        TRY(overridden(options, row, &row->cases[c], push, &one));
        check_case(session, first, &one);
    }
    return TMB_OK;
}

/* An earlier row with the same truth has done this one's cases with its own. */
static bool is_led(const Options *options, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (same_truth(kernel_at(i), kernel_at(index)) &&
            glob_match(options->kernel, kernel_at(i)->name))
            return true;
    return false;
}

static tmb_status check_all(const Session *session)
{
    const Options *options = session->options;
    for (size_t i = 0; i < kernel_count(); i++) {
        if (!glob_match(options->kernel, kernel_at(i)->name) || is_led(options, i))
            continue;
        TRY(check_group(session, i));
        for (size_t j = i; j < kernel_count() && !options->bench; j++) {
            const KernelRow *row = kernel_at(j);
            if (!same_truth(kernel_at(i), row) || !glob_match(options->kernel, row->name))
                continue;
            if (glob_match(options->case_name, "interface"))
                check_reflection(session, row);
            report_row(session->report, row);
        }
    }
    return TMB_OK;
}

static void list_all(const Options *options)
{
    for (size_t i = 0; i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        size_t bytes;
        const char *why;
        if (!glob_match(options->kernel, row->name))
            continue;
        bool built = kernel_spirv(row->name, &bytes, &why) != NULL;
        printf("%-28s family %-20s rank %3u needs 0x%03x, %u tunings%s%s\n", row->name, row->family,
               row->rank, row->needs, row->tuning_count ? row->tuning_count : 1, built ? "" : ": ",
               built ? "" : why);
        for (uint32_t c = 0; c < row->case_count; c++)
            printf("    %s\n", row->cases[c].name);
    }
}

static tmb_status compile_shader(const Options *options, Session *session)
{
    const KernelRow *row = kernel_by_name(options->as);
    if (!row)
        return fail(TMB_USAGE, "--as %s: there is no such kernel; see --list", options->as);
    return shader_compile(options->shader, row, checkout(), &session->shader_words,
                          &session->shader_bytes);
}

static int contract(const char *name)
{
    const KernelRow *row = kernel_by_name(name);
    if (row)
        shader_contract(row, checkout());
    else
        fprintf(stderr, "kernel-check: --contract %s: there is no such kernel; see --list\n", name);
    return row ? 0 : 2;
}

static int write_snapshots(const char *path)
{
    GpuSnapshot *list = NULL;
    size_t count = 0;
    tmb_status status = gpu_snapshots(&list, &count);
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(array, snapshot_to_json(&list[i]));
    if (status == TMB_OK)
        status = json_write_file(path, array);
    if (status != TMB_OK)
        fprintf(stderr, "kernel-check: %s\n", tmb_last_error());
    cJSON_Delete(array);
    free(list);
    return tmb_exit_code(status);
}

static int run(Options *options)
{
    Devices devices = {0};
    Report report;
    Session session = {.options = options, .devices = &devices, .report = &report};
    report_init(&report, options);
    tmb_status status = TMB_OK;
    if (options->shader)
        status = compile_shader(options, &session);
    if (status == TMB_OK)
        status = open_devices(options, &devices);
    if (status == TMB_NO_DEVICE && !options->device) {
        printf("skipped: %s\n0 passed, 0 failed, 1 skipped\n", tmb_last_error());
        return 77;
    }
    for (size_t i = 0; i < devices.count && status == TMB_OK; i++)
        status = introduce(options, &devices.rig[i]);
    options->many_devices = devices.count > 1;
    if (status == TMB_OK)
        status = check_all(&session);
    if (status == TMB_OK && !report.total.passed && !report.total.failed && !report.total.skipped)
        status = fail(TMB_USAGE, "no kernel and case match --kernel '%s' --case '%s'; see --list",
                      options->kernel, options->case_name);
    close_devices(&devices);
    free(session.shader_words);
    if (status != TMB_OK) {
        fprintf(stderr, "kernel-check: %s\n", tmb_last_error());
        return tmb_exit_code(status);
    }
    return report_end(&report);
}

int main(int argc, char **argv)
{
    Options options;
    os_arguments(&argc, &argv);
    if (options_read(argc, argv, &options) != TMB_OK) {
        fprintf(stderr, "kernel-check: %s\n", tmb_last_error());
        return tmb_exit_code(TMB_USAGE);
    }
    if (options.help)
        options_help();
    else if (options.list)
        list_all(&options);
    else if (options.contract)
        return contract(options.contract);
    else if (options.compile_here)
        return compile_here(&options);
    else if (options.compile_for)
        return compile_for(&options);
    else if (options.snapshot)
        return write_snapshots(options.snapshot);
    else
        return run(&options);
    return 0;
}
