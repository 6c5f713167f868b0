#include "check/instead.h"

#include <stdio.h>

#include "base/mem.h"
#include "check/bench.h"
#include "check/tune.h"

enum { CANDIDATES = 16 };

static const KernelRow *best_of(const GpuCaps *caps, const char *family, bool units, const void *push)
{
    const KernelRow *rows[CANDIDATES];
    KernelTuning tuning;
    size_t count = kernel_candidates(family, NULL, caps, rows, COUNT_OF(rows));
    for (size_t i = 0; i < count; i++)
        if (units == ((rows[i]->needs & GPU_CAP_COOPMAT) != 0) && (units || !rows[i]->probe) &&
            (!rows[i]->suits || rows[i]->suits(push)) && kernel_fit(caps, rows[i], NULL, push, &tuning))
            return rows[i];
    return NULL;
}

bool instead_begin(const GpuCaps *caps, const KernelRow *row, const KernelCase *one, Instead *out)
{
    const bool units = (row->needs & GPU_CAP_COOPMAT) != 0;
    *out = (Instead){.row = {kernel_by_name(row->instead[0])}};
    row->instead_push(one->push, out->push[0], out->push[1]);
    out->row[1] = best_of(caps, row->instead[1], units, out->push[1]);
    for (int i = 0; i < 2 && out->row[i]; i++)
        out->one[i] = (KernelCase){.name = one->name, .push = out->push[i]};
    /* ordinary blocks, as the row itself has them */
    out->one[0].input = out->row[0]->cases[0].input;
    return out->row[1] != NULL;
}

static tmb_status none_here(const KernelRow *row)
{
    return fail(TMB_FAILED, "there is nothing that %s stands in for on this device", row->name);
}

tmb_status instead_time(Gpu *gpu, const KernelRow *row, const KernelCase *one, double limit,
                        double end, char name[INSTEAD_NAME], double *seconds)
{
    Instead both;
    *seconds = 0;
    if (!instead_begin(gpu_caps(gpu), row, one, &both))
        return none_here(row);
    for (int i = 0; i < 2; i++) {
        TuneResult result;
        TRY(tune_row(gpu, both.row[i], &both.one[i], i ? limit : 0, end, &result));
        *seconds += result.best.seconds;
    }
    snprintf(name, INSTEAD_NAME, "%s+%s", both.row[0]->name, both.row[1]->name);
    return TMB_OK;
}

tmb_status instead_bench(Gpu *gpu, const KernelRow *row, const KernelCase *one, uint64_t seed,
                         char name[INSTEAD_NAME], double *seconds)
{
    const GpuCaps *caps = gpu_caps(gpu);
    Instead both;
    *seconds = 0;
    if (!instead_begin(caps, row, one, &both))
        return none_here(row);
    for (int i = 0; i < 2; i++) {
        GpuPipeline *pipeline;
        KernelTuning tuning;
        BenchResult result;
        if (!kernel_fit(caps, both.row[i], NULL, both.push[i], &tuning))
            return none_here(row);
        TRY(kernel_pipeline(gpu, both.row[i], &tuning, &pipeline));
        TRY(bench_run(gpu, both.row[i], &both.one[i], &tuning, pipeline, seed, &result));
        *seconds += result.seconds;
    }
    snprintf(name, INSTEAD_NAME, "%s+%s", both.row[0]->name, both.row[1]->name);
    return TMB_OK;
}
