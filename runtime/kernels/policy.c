#include "kernels/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/mem.h"

static const char *const finding_names[FINDING_COUNT] = {
    [FINDING_FASTER] = "faster",       [FINDING_SLOWER] = "slower",
    [FINDING_WRONG] = "wrong",         [FINDING_CRASHED] = "crashed",
    [FINDING_TIMED_OUT] = "timed out", [FINDING_FAILED] = "failed",
    [FINDING_LATER] = "not tried yet", [FINDING_NOT_TRIED] = "not tried",
};

const char *finding_name(KernelFinding finding)
{
    return finding_names[finding];
}

const KernelVerdict *policy_verdict(const KernelPolicy *policy, const char *row)
{
    for (uint32_t i = 0; policy && i < policy->verdict_count; i++)
        if (!strcmp(policy->verdict[i].row, row))
            return &policy->verdict[i];
    return NULL;
}

const KernelTuning *policy_tuning(const KernelPolicy *policy, const char *row)
{
    for (uint32_t i = 0; policy && i < policy->tuning_count; i++)
        if (!strcmp(policy->tuning[i].row, row))
            return &policy->tuning[i].tuning;
    return NULL;
}

void policy_set_verdict(KernelPolicy *policy, const char *row, KernelFinding finding,
                        const char *why)
{
    KernelVerdict *verdict = (KernelVerdict *)policy_verdict(policy, row);
    if (!verdict && policy->verdict_count == POLICY_VERDICTS)
        return;
    if (!verdict)
        verdict = &policy->verdict[policy->verdict_count++];
    verdict->finding = finding;
    snprintf(verdict->row, sizeof verdict->row, "%s", row);
    snprintf(verdict->why, sizeof verdict->why, "%s", why);
}

void policy_set_tuning(KernelPolicy *policy, const char *row, const KernelTuning *tuning)
{
    KernelTuning *kept = (KernelTuning *)policy_tuning(policy, row);
    if (!kept && policy->tuning_count == POLICY_TUNINGS)
        return;
    if (!kept) {
        KernelChoice *choice = &policy->tuning[policy->tuning_count++];
        snprintf(choice->row, sizeof choice->row, "%s", row);
        kept = &choice->tuning;
    }
    *kept = *tuning;
}

void policy_forget(KernelPolicy *policy, const char *row)
{
    for (uint32_t i = 0; i < policy->verdict_count; i++)
        if (!strcmp(policy->verdict[i].row, row))
            policy->verdict[i--] = policy->verdict[--policy->verdict_count];
    for (uint32_t i = 0; i < policy->tuning_count; i++)
        if (!strcmp(policy->tuning[i].row, row))
            policy->tuning[i--] = policy->tuning[--policy->tuning_count];
}

bool kernel_trusted(const GpuCaps *caps, const KernelRow *row)
{
    const KernelVerdict *verdict = policy_verdict(caps->policy, row->name);
    return !row->probe || (verdict && verdict->finding == FINDING_FASTER);
}

/* ---- as JSON ---------------------------------------------------------------- */

char *policy_text(const KernelPolicy *policy)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "made_by", policy->made_by);
    cJSON *verdicts = cJSON_AddObjectToObject(root, "verdicts");
    cJSON *tunings = cJSON_AddObjectToObject(root, "tunings");
    for (uint32_t i = 0; i < policy->verdict_count; i++) {
        cJSON *entry = cJSON_AddObjectToObject(verdicts, policy->verdict[i].row);
        cJSON_AddStringToObject(entry, "finding", finding_name(policy->verdict[i].finding));
        cJSON_AddStringToObject(entry, "why", policy->verdict[i].why);
    }
    for (uint32_t i = 0; i < policy->tuning_count; i++) {
        cJSON *values = cJSON_AddArrayToObject(tunings, policy->tuning[i].row);
        const KernelRow *row = kernel_by_name(policy->tuning[i].row);
        for (uint32_t s = 0; row && s < row->spec_count; s++)
            cJSON_AddItemToArray(values, cJSON_CreateNumber(policy->tuning[i].tuning.spec[s]));
    }
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    return text;
}

bool policy_is_tuning(const KernelRow *row, const KernelTuning *tuning)
{
    const size_t bytes = row->spec_count * sizeof *tuning->spec;
    bool legal = !memcmp(row->tuning.spec, tuning->spec, bytes);
    for (uint32_t i = 0; i < row->tuning_count && !legal; i++)
        legal = !memcmp(row->tunings[i].spec, tuning->spec, bytes);
    return legal;
}

static bool read_verdict(const cJSON *entry, KernelPolicy *out)
{
    const KernelRow *row = entry->string ? kernel_by_name(entry->string) : NULL;
    const char *finding = cJSON_GetStringValue(cJSON_GetObjectItem(entry, "finding"));
    const char *why = cJSON_GetStringValue(cJSON_GetObjectItem(entry, "why"));
    if (!row || !finding || !why || policy_verdict(out, row->name))
        return false;
    for (int i = 0; i < FINDING_COUNT; i++)
        if (!strcmp(finding, finding_names[i])) {
            policy_set_verdict(out, row->name, (KernelFinding)i, why);
            return true;
        }
    return false;
}

static bool read_tuning(const cJSON *entry, KernelPolicy *out)
{
    const KernelRow *row = entry->string ? kernel_by_name(entry->string) : NULL;
    const cJSON *value;
    KernelTuning tuning = {{0}};
    uint32_t count = 0;
    cJSON_ArrayForEach(value, entry) {
        double number = cJSON_GetNumberValue(value);
        if (count == GPU_MAX_SPEC || !(number >= 0 && number <= 4294967295.0) ||
            number != (double)(uint32_t)number)
            return false;
        tuning.spec[count++] = (uint32_t)number;
    }
    if (!row || row->spec_count != count || !policy_is_tuning(row, &tuning) ||
        policy_tuning(out, row->name))
        return false;
    policy_set_tuning(out, row->name, &tuning);
    return true;
}

static bool read_all(const cJSON *object, bool (*read)(const cJSON *entry, KernelPolicy *out),
                     KernelPolicy *out)
{
    const cJSON *entry;
    bool good = cJSON_IsObject(object);
    cJSON_ArrayForEach(entry, object)
        good = good && read(entry, out);
    return good;
}

bool policy_read(const char *text, KernelPolicy *out)
{
    cJSON *root = cJSON_Parse(text);
    *out = (KernelPolicy){0};
    const char *made_by = cJSON_GetStringValue(cJSON_GetObjectItem(root, "made_by"));
    bool good = made_by && read_all(cJSON_GetObjectItem(root, "verdicts"), read_verdict, out) &&
                read_all(cJSON_GetObjectItem(root, "tunings"), read_tuning, out);
    if (!good)
        *out = (KernelPolicy){0};
    snprintf(out->made_by, sizeof out->made_by, "%s", made_by ? made_by : "");
    cJSON_Delete(root);
    return good;
}
