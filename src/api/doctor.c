/* tmb_doctor_…: runtime/check over every kernel, within a minute. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/mem.h"
#include "base/os.h"
#include "check/cases.h"
#include "check/probe.h"
#include "timbre/doctor.h"

/* The cheapest ones; kernel-check has time for all. */
enum { CASES_PER_KERNEL = 2, CANDIDATES = 16 };
#define USUAL_SECONDS 45.0

struct tmb_doctor {
    tmb_doctor_row *rows;
    size_t count;
    Arena arena;
    double seconds;
    KernelRoof roof;
    char remedy[24];
};

/* The cheapest case that runs here and costs more than `above`, NULL when there is none. */
static const KernelCase *next_case(const KernelRow *row, const GpuCaps *caps, double above)
{
    const KernelCase *best = NULL;
    for (uint32_t c = 0; c < row->case_count; c++) {
        const KernelCase *one = &row->cases[c];
        if (check_cost(row, one) > above && !check_obstacle(row, one, caps) &&
            (!best || check_cost(row, one) < check_cost(row, best)))
            best = one;
    }
    return best;
}

/* Only numbers make a kernel wrong: without memory, or with a compiler that refuses it, nothing was
 * compared. A lost device ends everything. */
static tmb_status run_kernel(tmb_doctor *doctor, Rig *rig, const KernelRow *row, tmb_doctor_row *out)
{
    Text problems = {0};
    const KernelCase *one = next_case(row, gpu_caps(rig->gpu), -1);
    out->verdict = TMB_KERNEL_RIGHT;
    for (; one && out->cases < CASES_PER_KERNEL && out->verdict == TMB_KERNEL_RIGHT;
         one = next_case(row, gpu_caps(rig->gpu), check_cost(row, one))) {
        out->cases++;
        tmb_status status = check_row(rig, row, NULL, one, &problems);
        if (status == TMB_DEVICE_LOST) {
            const char *why = arena_string(&doctor->arena, tmb_last_error());
            out->verdict = TMB_KERNEL_UNTRIED;
            out->problem = arena_format(&doctor->arena, "case %s:\n    the device broke down: %s\n", one->name, why);
            text_finish(&problems);
            return fail(TMB_DEVICE_LOST, "the device broke down in kernel %s: %s", row->name, why);
        }
        if (problems.bytes)
            out->verdict = TMB_KERNEL_WRONG;
        else if (status != TMB_OK)
            out->verdict = TMB_KERNEL_UNTRIED;
        if (status != TMB_OK)
            text_print(&problems, "    %s\n", tmb_last_error());
        if (problems.bytes)
            out->problem = arena_format(&doctor->arena, "case %s:\n%s", one->name, problems.data);
    }
    text_finish(&problems);
    return TMB_OK;
}

/* Whether nothing uses the row here: those that play matrix units in plain code are for tests, also in the
 * families of the real ones (graphs take these where they were found faster only), and rows that need
 * trust are passed over without it. */
static bool is_never_used(const KernelRow *row, const GpuCaps *caps)
{
    return !kernel_trusted(caps, row) || strstr(row->name, "_emulated");
}

/* The row of its family, of those with the same types, that this device would use. */
static bool is_first_choice(const KernelRow *row, const GpuCaps *caps)
{
    Dtype dtypes[GPU_MAX_BIND];
    const KernelRow *rows[CANDIDATES];
    size_t first = 0;
    for (uint32_t i = 0; i < kernel_bind_count(row); i++)
        dtypes[i] = row->bind[i].dtype;
    const size_t count = kernel_candidates(row->family, dtypes, caps, rows, CANDIDATES);
    while (first < count && !kernel_trusted(caps, rows[first]))
        first++;
    return first < count && rows[first] == row;
}

/* What a process of its own found out about the row, when running it here could end this one or only
 * show again what is known; NULL: nothing speaks against it. */
static const char *why_left_out(tmb_doctor *doctor, const GpuCaps *caps, const KernelRow *row)
{
    const KernelVerdict *known = row->probe ? policy_verdict(caps->policy, row->name) : NULL;
    if (!known || (known->finding != FINDING_WRONG && known->finding != FINDING_CRASHED &&
                   known->finding != FINDING_TIMED_OUT))
        return NULL;
    return arena_format(&doctor->arena, "%s (%s)", finding_name(known->finding), known->why);
}

static void prepare(tmb_doctor *doctor, const GpuCaps *caps)
{
    doctor->count = kernel_count();
    doctor->rows = MEM_NEW_ARRAY(tmb_doctor_row, doctor->count);
    for (size_t i = 0; i < doctor->count; i++) {
        const KernelRow *row = kernel_at(i);
        const char *why = "", *needless = probe_needless(caps, row);
        const char *left_out = why_left_out(doctor, caps, row);
        size_t bytes;
        tmb_doctor_row *out = &doctor->rows[i];
        *out = (tmb_doctor_row){.kernel = row->name, .family = row->family,
                                .never_used = is_never_used(row, caps),
                                .verdict = TMB_KERNEL_NOT_REACHED, .problem = "time was up"};
        if (!kernel_spirv(row->name, &bytes, &why)) {
            out->verdict = TMB_KERNEL_NOT_BUILT;
            out->problem = why;
        } else if (left_out) {
            out->verdict = TMB_KERNEL_LEFT_OUT;
            out->problem = left_out;
        } else if (!next_case(row, caps, -1)) {
            out->verdict = TMB_KERNEL_NOT_NEEDED;
            out->problem = "made for hardware that this device does not have";
        } else if (needless) {
            out->verdict = TMB_KERNEL_NOT_NEEDED;
            out->problem = needless;
        } else {
            out->in_use = !out->never_used && is_first_choice(row, caps);
        }
    }
}

static bool misleads(const tmb_doctor_row *row)
{
    return row->verdict == TMB_KERNEL_WRONG && !row->never_used;
}

/* Strikes the capabilities of wrong kernels that are used until none is left that could be chosen. */
static void find_remedy(tmb_doctor *doctor, const GpuCaps *caps)
{
    uint32_t strike = 0;
    bool wrong = false, possible = true;
    for (size_t i = 0; i < doctor->count; i++)
        if (misleads(&doctor->rows[i])) {
            wrong = true;
            strike |= kernel_at(i)->needs;
        }
    for (size_t i = 0; i < doctor->count; i++)
        if (misleads(&doctor->rows[i])) {
            doctor->rows[i].avoidable = (kernel_at(i)->needs & strike) != 0;
            possible = possible && doctor->rows[i].avoidable;
        }
    if (wrong && possible)
        snprintf(doctor->remedy, sizeof doctor->remedy, "0x%x", caps->bits & ~strike);
}

static tmb_status run_pass(tmb_doctor *doctor, const tmb_doctor_params *params, Rig *rig, bool choices,
                           double begin)
{
    const double limit = params->seconds > 0 ? params->seconds : USUAL_SECONDS;
    unsigned done = 0;
    for (size_t i = 0; i < doctor->count; i++) {
        tmb_doctor_row *out = &doctor->rows[i];
        done += out->verdict != TMB_KERNEL_NOT_REACHED;
    }
    for (size_t i = 0; i < doctor->count; i++) {
        const KernelRow *row = kernel_at(i);
        tmb_doctor_row *out = &doctor->rows[i];
        if (out->verdict != TMB_KERNEL_NOT_REACHED || (choices && !out->in_use))
            continue;
        if (os_interrupted())
            return fail(TMB_INTERRUPTED, "interrupted");
        if (os_seconds() - begin > limit)
            return TMB_OK;
        if (params->progress)
            params->progress(params->context, row->name, done++, (unsigned)doctor->count);
        out->problem = "";
        TRY(run_kernel(doctor, rig, row, out));
    }
    return TMB_OK;
}

static tmb_status run_all(tmb_doctor *doctor, const tmb_doctor_params *params, Rig *rig, double begin)
{
    /* a device too full to be measured is checked all the same */
    if (kernel_roof(rig->gpu, &doctor->roof) == TMB_DEVICE_LOST)
        return fail(TMB_DEVICE_LOST, "the device broke down while its speed was measured");
    TRY(run_pass(doctor, params, rig, true, begin));
    TRY(run_pass(doctor, params, rig, false, begin));
    return TMB_OK;
}

tmb_status tmb_doctor_run(const tmb_doctor_params *params, tmb_doctor **out)
{
    tmb_doctor *doctor = MEM_NEW(tmb_doctor);
    Rig rig = {.gpu = params->device->gpu};
    const double begin = os_seconds();
    prepare(doctor, gpu_caps(rig.gpu));
    tmb_status status = run_all(doctor, params, &rig, begin);
    for (size_t i = 0; i < doctor->count && status == TMB_DEVICE_LOST; i++)
        if (doctor->rows[i].verdict == TMB_KERNEL_NOT_REACHED)
            doctor->rows[i].problem = "the device broke down before its turn";
    find_remedy(doctor, gpu_caps(rig.gpu));
    doctor->seconds = os_seconds() - begin;
    rig_finish(&rig);
    if (status != TMB_OK && status != TMB_DEVICE_LOST)
        tmb_doctor_destroy(&doctor);
    *out = doctor;
    return status;
}

void tmb_doctor_destroy(tmb_doctor **doctor)
{
    if (!*doctor)
        return;
    arena_finish(&(*doctor)->arena);
    free((*doctor)->rows);
    free(*doctor);
    *doctor = NULL;
}

const tmb_doctor_row *tmb_doctor_rows(const tmb_doctor *doctor, size_t *count)
{
    *count = doctor->count;
    return doctor->rows;
}

void tmb_doctor_summarise(const tmb_doctor *doctor, tmb_doctor_summary *out)
{
    *out = (tmb_doctor_summary){.kernels = (unsigned)doctor->count, .seconds = doctor->seconds,
                                .flops_per_second = doctor->roof.flops_per_second,
                                .bytes_per_second = doctor->roof.bytes_per_second};
    unsigned *const counts[] = {&out->right, &out->wrong, &out->not_needed, &out->not_reached,
                                &out->not_built, &out->left_out, &out->untried};
    for (size_t i = 0; i < doctor->count; i++) {
        const tmb_doctor_row *row = &doctor->rows[i];
        ++*counts[row->verdict];
        out->kinds_not_reached += row->verdict == TMB_KERNEL_NOT_REACHED && row->in_use;
        out->wrong_in_use += misleads(row);
        out->untried_in_use += row->verdict == TMB_KERNEL_UNTRIED && !row->never_used;
    }
}

const char *tmb_doctor_remedy(const tmb_doctor *doctor)
{
    return doctor->remedy[0] ? doctor->remedy : NULL;
}
