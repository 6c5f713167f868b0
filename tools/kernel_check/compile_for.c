#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "compile.h"
#include "families.h"

enum { FAMILY_SECONDS = 1800, OFFENDERS = 4 };

typedef struct Tally {
    unsigned passed, failed, skipped;
} Tally;

/* What one child told; the JSON of the pipelines belongs to `told`. */
typedef struct Outcome {
    cJSON *told;                  /* array of the lines */
    const cJSON *device;          /* its first line, NULL: the driver opened no such device */
    const cJSON *last_begun;
    bool ended;
    int exit_code;
} Outcome;

static const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

static double figure_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

static bool is_set(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* Lines that are no JSON are the driver's. */
static void read_lines(char *output, Outcome *outcome)
{
    outcome->told = cJSON_CreateArray();
    for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) {
        cJSON *object = cJSON_Parse(line);
        if (!cJSON_IsObject(object)) {
            cJSON_Delete(object);
            continue;
        }
        cJSON_AddItemToArray(outcome->told, object);
        outcome->ended |= is_set(object, "end");
        if (cJSON_GetObjectItemCaseSensitive(object, "device"))
            outcome->device = object;
        if (is_set(object, "begin"))
            outcome->last_begun = object;
    }
}

static tmb_status run_child(const Options *options, const Compiler *compiler,
                            const CardFamily *family, const char *name, Outcome *out)
{
    char *program = os_executable(), *output = NULL;
    const char *const words[] = {compiler->linker, program, "--compile-here", "--kernel", options->kernel,
                                 "--caps", options->caps ? options->caps : "all"};
    const char *argv[COUNT_OF(words) + 3] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(words); i++)   /* without a linker the program starts itself */
        if (words[i])
            argv[count++] = words[i];
    if (options->all_tunings)
        argv[count++] = "--all-tunings";
    if (options->verbose)
        argv[count++] = "--verbose";
    *out = (Outcome){0};
    compiler_enter(compiler, family, name);
    tmb_status status = program ? os_run(argv, FAMILY_SECONDS, &output, &out->exit_code)
                                : fail(TMB_FAILED, "this program does not find itself");
    compiler_leave();
    if (status == TMB_OK)
        read_lines(output, out);
    free(output);
    free(program);
    return status;
}

static void again(const Options *options, const CardFamily *family, const cJSON *pipeline)
{
    printf("    again: tools/kernel-check --compile-for %s --kernel %s%s --verbose\n", family->name,
           text_of(pipeline, "kernel"), options->all_tunings ? " --all-tunings" : "");
}

/* Counts one pipeline and says what is wrong with it. Only default tunings must not spill:
 * the others are tried by measuring. A driver that tells spills in new words must not pass. */
static void judge(const Options *options, const CardFamily *family, const cJSON *pipeline,
                  Tally *tally)
{
    const char *error = text_of(pipeline, "error");
    const double spills = figure_of(pipeline, figure_names[FIGURE_SPILLS]);
    if (!error[0] && spills < 0)
        error = "the driver says nothing of spilled registers in words that are known";
    if (error[0] || (spills > 0 && is_set(pipeline, "default"))) {
        tally->failed++;
        printf("  FAILED %s %s [%s]: ", family->name, text_of(pipeline, "kernel"),
               text_of(pipeline, "tuning"));
        if (error[0])
            printf("%s\n", error);
        else
            printf("%.0f registers are spilled\n", spills);
        again(options, family, pipeline);
    } else {
        tally->passed++;
    }
}

/* a is worse than b: more spills, then fewer subgroups at once, then more registers. */
static bool is_worse(const cJSON *a, const cJSON *b)
{
    static const struct { Figure figure; int worse_is; } order[] = {
        {FIGURE_SPILLS, 1}, {FIGURE_OCCUPANCY, -1}, {FIGURE_REGISTERS, 1}};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        double difference = figure_of(a, figure_names[order[i].figure]) -
                            figure_of(b, figure_names[order[i].figure]);
        if (difference != 0)
            return difference * order[i].worse_is > 0;
    }
    return false;
}

static void print_offenders(const cJSON *worst[OFFENDERS])
{
    for (size_t i = 0; i < OFFENDERS && worst[i]; i++) {
        printf("      %-26s [%s] subgroups of %.0f", text_of(worst[i], "kernel"),
               text_of(worst[i], "tuning"), figure_of(worst[i], "subgroup_size"));
        for (size_t f = 0; f < FIGURE_COUNT; f++)
            if (figure_of(worst[i], figure_names[f]) >= 0)
                printf(", %.0f %s", figure_of(worst[i], figure_names[f]), figure_names[f]);
        puts("");
    }
}

static cJSON *family_json(const CardFamily *family, const Outcome *outcome)
{
    cJSON *object = cJSON_CreateObject();
    char date[32] = "";
    time_t now = (time_t)os_unix_time();
    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&now));
    cJSON_AddStringToObject(object, "family", family->name);
    cJSON_AddStringToObject(object, "cards", family->cards);
    cJSON_AddStringToObject(object, "device", text_of(outcome->device, "device"));
    cJSON_AddStringToObject(object, "driver", text_of(outcome->device, "driver"));
    cJSON_AddStringToObject(object, "date", date);
    return object;
}

/* Counts and prints the pipelines of a family; returns its JSON. */
static cJSON *sum_up(const Options *options, const CardFamily *family, const Outcome *outcome,
                     Tally *total)
{
    const cJSON *line, *worst[OFFENDERS + 1] = {0};
    Tally tally = {0};
    unsigned spilled = 0, matrix = 0;
    cJSON *object = family_json(family, outcome), *kernels = cJSON_AddArrayToObject(object, "kernels");
    cJSON_ArrayForEach(line, outcome->told) {
        if (!line->child || is_set(line, "begin") || !text_of(line, "kernel")[0])
            continue;
        judge(options, family, line, &tally);
        spilled += figure_of(line, figure_names[FIGURE_SPILLS]) > 0;
        matrix += is_set(line, "matrix_unit");
        cJSON_AddItemToArray(kernels, cJSON_Duplicate(line, true));
        size_t at = OFFENDERS;
        for (worst[at] = line; at > 0 && (!worst[at - 1] || is_worse(line, worst[at - 1])); at--) {
            worst[at] = worst[at - 1];
            worst[at - 1] = line;
        }
    }
    if (!outcome->ended) {
        tally.failed++;
        printf("  FAILED %s: the driver %s at %s [%s]\n", family->name,
               outcome->exit_code == OS_TIMED_OUT ? "did not end" : "crashed",
               text_of(outcome->last_begun, "kernel"), text_of(outcome->last_begun, "tuning"));
        again(options, family, outcome->last_begun);
    }
    cJSON_AddNumberToObject(object, "failed", tally.failed);
    printf("%-10s %4u pipelines, %u failed, %u spill, %u on matrix units; %s, %s\n", family->name,
           tally.passed + tally.failed, tally.failed, spilled, matrix,
           text_of(outcome->device, "device"), text_of(outcome->device, "driver"));
    worst[OFFENDERS] = NULL;
    print_offenders(worst);
    total->passed += tally.passed;
    total->failed += tally.failed;
    return object;
}

static tmb_status compile_family(const Options *options, const Compiler *compiler,
                                 const CardFamily *family, Tally *total, cJSON *json)
{
    Outcome outcome = {0};
    const char *why = compiler->missing;
    if (!why) {
        TRY(run_child(options, compiler, family, family->name, &outcome));
        if (!outcome.device && family->alias && family->compiler == COMPILER_AMD) {
            cJSON_Delete(outcome.told);
            TRY(run_child(options, compiler, family, family->alias, &outcome));
        }
        why = outcome.device ? NULL : "this driver does not know it";
    }
    if (why) {
        total->skipped++;
        printf("%-10s skipped: %s\n", family->name, why);
    } else {
        cJSON_AddItemToArray(json, sum_up(options, family, &outcome, total));
    }
    fflush(stdout);
    cJSON_Delete(outcome.told);
    return TMB_OK;
}

int compile_for(const Options *options)
{
    Compiler compilers[COMPILER_COUNT];
    Tally total = {0};
    bool *chosen = MEM_NEW_ARRAY(bool, card_family_count);
    cJSON *json = cJSON_CreateArray();
    tmb_status status = families_chosen(options->compile_for, chosen);
    compilers_find(compilers);
    for (size_t i = 0; i < card_family_count && status == TMB_OK; i++)
        if (chosen[i])
            status = compile_family(options, &compilers[card_families[i].compiler], &card_families[i],
                                    &total, json);
    if (status == TMB_OK && options->json)
        status = json_write_file(options->json, json);
    cJSON_Delete(json);
    compilers_free(compilers);
    free(chosen);
    if (status != TMB_OK) {
        fprintf(stderr, "kernel-check: %s\n", tmb_last_error());
        return options_exit_code(status);
    }
    printf("%u passed, %u failed, %u skipped\n", total.passed, total.failed, total.skipped);
    return total.failed ? 1 : !total.passed && total.skipped ? 77 : 0;
}
