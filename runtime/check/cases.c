#include "check/cases.h"

#include <stdlib.h>
#include <string.h>

/* Extremes are a question of the formula, not of sizes: small cases answer it. */
#define EXTREME_COST 1e6

enum { UNFOLDED_GROUPS = 65535 };

double check_cost(const KernelRow *row, const KernelCase *one)
{
    uint64_t elements[GPU_MAX_BIND] = {0};
    double cost = row->flops ? row->flops(one->push) : 0;
    row->extent(one->push, elements);
    for (uint32_t i = 0; i < kernel_bind_count(row); i++)
        cost += (double)elements[i];
    return cost;
}

static tmb_status add_extreme(const KernelRow *row, const KernelCase *one, uint64_t seed,
                              TruthInputs inputs, Truths *truths)
{
    Truth *truth = &truths->truth[truths->count];
    truths->inputs[truths->count] = inputs;
    TRY(truth_create_extreme(row, one, seed, inputs, truth));
    truths->count += truth->count > 0;
    return TMB_OK;
}

tmb_status truths_create(const KernelRow *row, const KernelCase *one, uint64_t seed, Truths *out)
{
    tmb_status status = TMB_OK;
    *out = (Truths){.count = 0};
    TRY(truth_create(row, one, seed, &out->truth[0]));
    out->count = 1;
    if (check_cost(row, one) > EXTREME_COST)
        return TMB_OK;
    TRY_OR(done, status, add_extreme(row, one, seed, (TruthInputs){TRUTH_ZERO, 0}, out));
    TRY_OR(done, status, add_extreme(row, one, seed, (TruthInputs){TRUTH_TINY, 0}, out));
    for (uint32_t i = 0; i < kernel_bind_count(row); i++)
        if (row->bind[i].access != GPU_WRITE)
            TRY_OR(done, status, add_extreme(row, one, seed, (TruthInputs){TRUTH_LARGE, i}, out));
done:
    if (status != TMB_OK)
        truths_finish(out);
    return status;
}

bool check_has_extremes(const KernelRow *row)
{
    for (uint32_t c = 0; c < row->case_count; c++)
        if ((!row->suits || row->suits(row->cases[c].push)) && check_cost(row, &row->cases[c]) <= EXTREME_COST)
            return true;
    return false;
}

const char *check_repeated_case(const KernelRow *row)
{
    for (uint32_t c = 1; c < row->case_count; c++)
        for (uint32_t before = 0; before < c; before++)
            if (!strcmp(row->cases[c].name, row->cases[before].name))
                return row->cases[c].name;
    return NULL;
}

void truths_finish(Truths *truths)
{
    for (uint32_t i = 0; i < truths->count; i++)
        truth_finish(&truths->truth[i]);
    *truths = (Truths){.count = 0};
}

static void name_inputs(const KernelRow *row, const TruthInputs *inputs, Text *problems)
{
    if (inputs->range == TRUTH_ZERO)
        text_print(problems, "    with inputs that are all zero:\n");
    if (inputs->range == TRUTH_TINY)
        text_print(problems, "    with inputs around the smallest number there is:\n");
    if (inputs->range == TRUTH_LARGE)
        text_print(problems, "    with %s as large as its contract allows:\n",
                   row->bind[inputs->bind].name);
}

tmb_status check_case(Rig *rig, const KernelRow *row, const KernelCase *one,
                      const KernelTuning *tuning, GpuPipeline *pipeline, const Truths *truths,
                      Worst *worst, Text *problems)
{
    tmb_status status = TMB_OK;
    *worst = (Worst){0};
    for (uint32_t t = 0; t < truths->count && status == TMB_OK && !problems->bytes; t++) {
        Worst here = {0};
        Text found = {0};
        status = check_run(rig, row, one, tuning, pipeline, &truths->truth[t], &here, &found);
        if (found.bytes) {
            name_inputs(row, &truths->inputs[t], problems);
            text_append(problems, found.data, found.bytes);
        }
        if (!t || found.bytes)
            *worst = here;
        text_finish(&found);
    }
    return status;
}

tmb_status check_row(Rig *rig, const KernelRow *row, const KernelTuning *asked,
                     const KernelCase *one, Text *problems)
{
    KernelTuning tuning;
    GpuPipeline *pipeline;
    Truths truths;
    Worst worst;
    if (!kernel_fit(gpu_caps(rig->gpu), row, asked, one->push, &tuning))
        return fail(TMB_UNSUPPORTED, "no tuning of %s fits the device", row->name);
    TRY(kernel_pipeline(rig->gpu, row, &tuning, &pipeline));
    TRY(truths_create(row, one, 1, &truths));
    tmb_status status = check_case(rig, row, one, &tuning, pipeline, &truths, &worst, problems);
    truths_finish(&truths);
    return status;
}

bool check_same_truth(const KernelRow *a, const KernelRow *b)
{
    bool same = a->reference == b->reference && a->cases == b->cases &&
                a->case_count == b->case_count && a->extent == b->extent &&
                kernel_bind_count(a) == kernel_bind_count(b);
    for (uint32_t i = 0; same && i < kernel_bind_count(a); i++)
        same = a->bind[i].dtype == b->bind[i].dtype && a->bind[i].access == b->bind[i].access;
    return same;
}

/* As a Program would come to it that was made for more rows than it is run with now. */
static bool suits_with_more_rows(const KernelRow *row, const void *push)
{
    enum { MANY = 4096 };
    uint32_t more[GPU_MAX_PUSH / 4];
    if (!row->rows_word)
        return false;
    memcpy(more, push, row->push_bytes);
    more[row->rows_word - 1] = (more[row->rows_word - 1] / MANY + 1) * MANY;
    return row->suits(more);
}

const char *check_obstacle(const KernelRow *row, const KernelCase *one, const GpuCaps *caps)
{
    if (row->needs & ~caps->bits)
        return "the device lacks what the row needs";
    if (row->subgroup_size && (row->subgroup_size != caps->subgroup_min ||
                               row->subgroup_size != caps->subgroup_max))
        return "the row needs subgroups of another size";
    if (row->suits && !row->suits(one->push) && !suits_with_more_rows(row, one->push))
        return "the row is not meant for these sizes";
    uint64_t elements[GPU_MAX_BIND] = {0};
    row->extent(one->push, elements);
    for (uint32_t i = 0; i < kernel_bind_count(row); i++) {
        bool halves = row->bind[i].dtype == DTYPE_F16 || row->bind[i].dtype == DTYPE_BF16;
        if (elements[i] * (halves ? 2 : 4) > caps->storage_range)
            return "a binding is larger than the device's range";
    }
    KernelTuning tuning;
    return kernel_fit(caps, row, NULL, one->push, &tuning) ? NULL : "no tuning fits the device";
}

uint64_t check_groups(const KernelRow *row, const KernelCase *one, const KernelTuning *tuning)
{
    uint32_t groups[3] = {0};
    const KernelTuning whole = kernel_tuning(row, tuning, one->push);
    row->grid(one->push, &whole, groups);
    return (uint64_t)groups[0] * groups[1] * groups[2];
}

static bool folds_by_default(const KernelRow *row)
{
    for (uint32_t c = 0; c < row->case_count; c++)
        if ((!row->suits || row->suits(row->cases[c].push)) &&
            check_groups(row, &row->cases[c], NULL) > UNFOLDED_GROUPS)
            return true;
    return false;
}

static const KernelTuning *folding(const KernelRow *row, const KernelCase *one)
{
    for (uint32_t t = 0; t < row->tuning_count; t++)
        if ((!row->suits || row->suits(one->push)) &&
            check_groups(row, one, &row->tunings[t]) > UNFOLDED_GROUPS)
            return &row->tunings[t];
    return NULL;
}

const KernelTuning *check_fold_tuning(const KernelRow *row, const KernelCase *one)
{
    const KernelTuning *found = folds_by_default(row) ? NULL : folding(row, one);
    for (uint32_t c = 0; found && c < row->case_count; c++) {
        const KernelCase *other = &row->cases[c];
        const bool cheaper = check_cost(row, other) < check_cost(row, one);
        if (other->push != one->push && cheaper && folding(row, other))
            found = NULL;
    }
    return found;
}

bool check_folds(const KernelRow *row)
{
    bool single = true;
    for (uint32_t c = 0; c < row->case_count; c++) {
        const KernelCase *one = &row->cases[c];
        single = single && check_groups(row, one, NULL) <= 1;
        if ((!row->suits || row->suits(one->push)) && check_fold_tuning(row, one))
            return true;
    }
    return single || folds_by_default(row);
}
