#include <string.h>

#include "base/mem.h"
#include "kernels/families.h"
#include "kernels/policy.h"
#include "kernels/spirv.h"
#include "kernels/tunings.h"

typedef struct Family {
    const KernelRow *rows;
    const size_t *count;
} Family;

#define FAMILY_ENTRY(name) {rows_##name, &rows_##name##_count},
static const Family families[] = {KERNEL_FAMILIES(FAMILY_ENTRY)};

size_t kernel_count(void)
{
    size_t total = 0;
    for (size_t i = 0; i < COUNT_OF(families); i++)
        total += *families[i].count;
    return total;
}

const KernelRow *kernel_at(size_t index)
{
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        if (index < *families[i].count)
            return &families[i].rows[index];
        index -= *families[i].count;
    }
    return NULL;
}

const KernelRow *kernel_by_name(const char *name)
{
    for (size_t i = 0; i < kernel_count(); i++)
        if (!strcmp(kernel_at(i)->name, name))
            return kernel_at(i);
    return NULL;
}

const KernelRow *kernel_family(const char *family)
{
    for (size_t i = 0; i < kernel_count(); i++)
        if (!strcmp(kernel_at(i)->family, family))
            return kernel_at(i);
    return NULL;
}

uint32_t kernel_bind_count(const KernelRow *row)
{
    uint32_t count = 0;
    while (count < GPU_MAX_BIND && row->bind[count].name)
        count++;
    return count;
}

static bool usable(const KernelRow *row, const char *family, const Dtype *dtypes,
                   const GpuCaps *caps)
{
    if (strcmp(row->family, family) || row->needs & ~caps->bits)
        return false;
    if (row->subgroup_size && (row->subgroup_size != caps->subgroup_size ||
                               row->subgroup_size != caps->subgroup_min ||
                               row->subgroup_size != caps->subgroup_max))
        return false;
    for (uint32_t i = 0; dtypes && i < kernel_bind_count(row); i++)
        if (row->bind[i].dtype != dtypes[i])
            return false;
    const char *why;
    size_t bytes;
    return kernel_spirv(row->name, &bytes, &why) != NULL;
}

size_t kernel_candidates(const char *family, const Dtype *dtypes, const GpuCaps *caps,
                         const KernelRow **out, size_t capacity)
{
    size_t found = 0;
    for (size_t i = 0; i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        if (!usable(row, family, dtypes, caps) || found == capacity)
            continue;
        size_t at = found++;
        for (; at > 0 && out[at - 1]->rank > row->rank; at--)
            out[at] = out[at - 1];
        out[at] = row;
    }
    return found;
}

const KernelRow *kernel_choose(const char *family, const Dtype *dtypes, const GpuCaps *caps,
                               const void *push)
{
    const KernelRow *rows[16];
    size_t count = kernel_candidates(family, dtypes, caps, rows, COUNT_OF(rows));
    KernelTuning tuning;
    for (size_t i = 0; i < count; i++)
        if (kernel_trusted(caps, rows[i]) && (!rows[i]->suits || rows[i]->suits(push)) &&
            kernel_fit(caps, rows[i], NULL, push, &tuning))
            return rows[i];
    return NULL;
}

KernelTuning kernel_tuning(const KernelRow *row, const KernelTuning *tuning, const void *push)
{
    KernelTuning result = tuning ? *tuning : row->tuning;
    if (row->specialise)
        row->specialise(push, &result);
    return result;
}

/* A pipeline that asks for a size of subgroups may hold only so many of them. */
static bool holds_subgroups(const GpuCaps *caps, const KernelRow *row, const KernelTuning *tuning)
{
    if (!row->subgroup_spec || !(caps->bits & GPU_CAP_SUBGROUP_SIZE) || !caps->max_subgroups)
        return true;
    return tuning->spec[0] <= (uint64_t)caps->max_subgroups * tuning->spec[row->subgroup_spec - 1];
}

static bool fit_one(const GpuCaps *caps, const KernelRow *row, const KernelTuning *tuning,
                    bool resize, const void *push, KernelTuning *out)
{
    *out = *tuning;
    if (resize && row->resize)
        row->resize(push, out);
    *out = kernel_tuning(row, out, push);
    return (!row->adapt || row->adapt(caps, out)) && holds_subgroups(caps, row, out);
}

bool kernel_fit_known(const GpuCaps *caps, const KernelRow *row, const KernelTuning *known,
                      const void *push, KernelTuning *out)
{
    return fit_one(caps, row, known, true, push, out);
}

static const char *measured_as(const KernelRow *row)
{
    return row->tuned_as ? row->tuned_as : row->name;
}

bool kernel_fit(const GpuCaps *caps, const KernelRow *row, const KernelTuning *tuning,
                const void *push, KernelTuning *out)
{
    if (tuning)
        return fit_one(caps, row, tuning, false, push, out);
    const KernelTuning *measured = policy_tuning(caps->policy, measured_as(row));
    const TuningLine *line = tuning_line(caps, row);
    if ((measured && fit_one(caps, row, measured, true, push, out)) ||
        (line && fit_one(caps, row, &line->tuning, true, push, out)) ||
        fit_one(caps, row, &row->tuning, true, push, out))
        return true;
    for (uint32_t i = 0; i < row->tuning_count; i++)
        if (fit_one(caps, row, &row->tunings[i], false, push, out))
            return true;
    return false;
}

const char *kernel_fit_why(const GpuCaps *caps, const KernelRow *row)
{
    const KernelVerdict *verdict = policy_verdict(caps->policy, measured_as(row));
    const TuningLine *line = tuning_line(caps, row);
    const bool raced = row->tune || row->tuned_as;
    if (verdict && (policy_tuning(caps->policy, measured_as(row)) ||
                    (raced && verdict->finding <= FINDING_SLOWER)))
        return verdict->why;
    return line ? line->why : "the row's default";
}

const uint32_t *kernel_spirv(const char *name, size_t *bytes, const char **why)
{
    *why = "no line in shaders/kernels.def";
    for (size_t i = 0; i < spirv_table_count; i++)
        if (!strcmp(spirv_table[i].name, name)) {
            *bytes = spirv_table[i].bytes;
            *why = spirv_table[i].why_missing;
            return spirv_table[i].words;
        }
    return NULL;
}

tmb_status kernel_pipeline_of(Gpu *gpu, const KernelRow *row, const KernelTuning *tuning,
                              const char *name, const uint32_t *words, size_t bytes,
                              GpuPipeline **out)
{
    GpuPipelineInfo info = {
        .name = name,
        .spirv = words,
        .spirv_bytes = bytes,
        .bind_count = kernel_bind_count(row),
        .texels = row->texels,
        .push_bytes = row->push_bytes,
        .spec_count = row->spec_count,
    };
    for (uint32_t i = 0; i < info.bind_count; i++)
        info.access[i] = row->bind[i].access;
    memcpy(info.spec, (tuning ? tuning : &row->tuning)->spec, sizeof info.spec);
    /* where the size is the device's only one, there is nothing to ask for */
    if (row->subgroup_spec && gpu_caps(gpu)->bits & GPU_CAP_SUBGROUP_SIZE)
        info.subgroup_size = info.spec[row->subgroup_spec - 1];
    return gpu_pipeline_get(gpu, &info, out);
}

tmb_status kernel_pipeline(Gpu *gpu, const KernelRow *row, const KernelTuning *tuning,
                           GpuPipeline **out)
{
    const char *why;
    size_t bytes = 0;
    const uint32_t *words = kernel_spirv(row->name, &bytes, &why);
    if (!words)
        return fail(TMB_UNSUPPORTED, "kernel %s cannot run: %s", row->name, why);
    return kernel_pipeline_of(gpu, row, tuning, row->name, words, bytes, out);
}

void kernel_fold(uint64_t linear, uint32_t groups[3])
{
    groups[0] = linear < 65535 ? (uint32_t)linear : 65535;
    groups[1] = linear ? (uint32_t)((linear + 65534) / 65535) : 0;
    groups[2] = 1;
}
