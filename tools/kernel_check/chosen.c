#include "chosen.h"

#include <stdio.h>
#include <string.h>

#include "check/cases.h"
#include "shader.h"

void chosen_tuning_text(const KernelRow *row, const KernelTuning *tuning, char *out, size_t bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < row->spec_count && used + 12 < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%u", i ? "," : "", tuning->spec[i]);
}

/* Grids and shaders divide by constants, so a 0 must be one that the row knows. */
static tmb_status check_zeros(const KernelRow *row, const KernelTuning *given)
{
    for (uint32_t i = 0; i < row->spec_count; i++) {
        bool legal = given->spec[i] || !row->tuning.spec[i];
        for (uint32_t t = 0; t < row->tuning_count && !legal; t++)
            legal = !row->tunings[t].spec[i];
        if (!legal)
            return fail(TMB_USAGE, "constant %u of %s is 0, which no tuning of the row has; its default is %u", i,
                        row->name, row->tuning.spec[i]);
    }
    return TMB_OK;
}

tmb_status chosen_tuning(const Options *options, const KernelRow *row, KernelTuning *out)
{
    *out = row->tuning;
    for (uint32_t i = 0; i < options->spec.count; i++) {
        const char *item = options->spec.item[i];
        unsigned id;
        int used = 0;
        if (sscanf(item, "%u=%n", &id, &used) != 1 || !used || !item[used] || id >= row->spec_count)
            return fail(TMB_USAGE, "--spec %s: %s takes ID=VALUE with ids below %u", item, row->name,
                        row->spec_count);
        TRY(options_words("--spec", item + used, &out->spec[id], 1));
    }
    if (options->tuning)
        TRY(options_words("--tuning", options->tuning, out->spec, row->spec_count));
    return check_zeros(row, out);
}

/* Whether a case of the row has a 0 in this word, as flags have. */
static bool may_be_zero(const KernelRow *row, uint32_t word)
{
    for (uint32_t c = 0; c < row->case_count; c++)
        if (!((const uint32_t *)row->cases[c].push)[word])
            return true;
    return false;
}

tmb_status chosen_push(const Options *options, const KernelRow *row, const KernelCase *one,
                       uint32_t push[GPU_MAX_PUSH / 4], KernelCase *out)
{
    const char *at = options->push;
    *out = *one;
    if (!at)
        return TMB_OK;
    memcpy(push, one->push, row->push_bytes);
    out->push = push;
    TRY(options_words("--push", options->push, push, row->push_bytes / 4));
    for (uint32_t i = 0; *at; i++) {
        const size_t length = strcspn(at, ",");
        if (!push[i] && strcspn(at, ".e") >= length && !may_be_zero(row, i))   /* 0.0 is no size */
            return fail(TMB_USAGE, "--push: word %u of %s is a size that no case has as 0", i, row->name);
        at += length + (at[length] == ',');
    }
    return TMB_OK;
}

/* The case with the most work; --bench measures it alone unless --case chooses. Those that fold the
 * grid have shapes that no model has, so they come last. */
static uint32_t largest_case(const KernelRow *row)
{
    uint32_t largest = 0;
    double most = -1;
    for (uint32_t c = 0; c < row->case_count; c++) {
        double cost = check_cost(row, &row->cases[c]);
        if (check_groups(row, &row->cases[c], NULL) > 65535)
            cost *= 1e-15;
        if (cost > most && (!row->suits || row->suits(row->cases[c].push))) {
            most = cost;
            largest = c;
        }
    }
    return largest;
}

KernelCase chosen_large(const KernelRow *row)
{
    return (KernelCase){.name = "large", .push = row->large, .input = row->cases[0].input};
}

KernelCase chosen_measured(const KernelRow *row, const Devices *devices)
{
    const KernelCase large = chosen_large(row);
    bool fits = row->large && (!row->suits || row->suits(row->large));
    for (size_t d = 0; d < devices->count && fits; d++) {
        const GpuCaps *caps = gpu_caps(devices->rig[d].gpu);
        /* a row that the device cannot run at all is none of the size's business */
        fits = caps->kind != GPU_CPU && (row->needs & ~caps->bits || !check_obstacle(row, &large, caps));
    }
    return fits ? large : row->cases[largest_case(row)];
}

bool chosen_is_folded(const KernelRow *row)
{
    const ShaderLine *own = shader_line(row->name);
    for (size_t i = 0; i < kernel_count(); i++) {
        const ShaderLine *line = shader_line(kernel_at(i)->name);
        bool shares = own && line && !strcmp(own->source, line->source);
        shares |= kernel_at(i)->grid == row->grid && !strcmp(kernel_at(i)->family, row->family);
        if (shares && check_folds(kernel_at(i)))
            return true;
    }
    return false;
}

tmb_status chosen_any(const Options *options)
{
    const char *near = options_nearest(options->kernel);
    for (size_t i = 0; i < kernel_count(); i++)
        if (glob_match(options->kernel, kernel_at(i)->name))
            return TMB_OK;
    return fail(TMB_USAGE, "no kernel matches --kernel '%s'; %s%s%s", options->kernel,
                near ? "did you mean " : "see --list", near ? near : "", near ? "?" : "");
}

bool chosen_is_lead(const Options *options, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (check_same_truth(kernel_at(i), kernel_at(index)) &&
            glob_match(options->kernel, kernel_at(i)->name))
            return false;
    return glob_match(options->kernel, kernel_at(index)->name);
}
