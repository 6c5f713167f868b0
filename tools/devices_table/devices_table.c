/* devices_table RECORDS PAGE [--compiled FILE] [--compared FILE] [--checked FILE --how TEXT --date
 * DATE]: folds what kernel-check found into the records (JSON) and writes the page (Markdown) from all of them.
 * --compiled takes the JSON of --compile-for, --checked the text of a run on one device, --compared
 * the JSON of tools/oracles/speed.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"

typedef struct Arguments {
    const char *records, *page, *compiled, *compared, *checked, *how, *date;
} Arguments;

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static const char *text(const cJSON *object, const char *key)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return value ? value : "";
}

static bool same(const cJSON *a, const cJSON *b, const char *key)
{
    return !strcmp(text(a, key), text(b, key));
}

/* The record of the same family, or of the same device and driver, is replaced, else this one is
 * added. */
static void put(cJSON *array, cJSON *record)
{
    for (int i = 0; i < cJSON_GetArraySize(array); i++) {
        const cJSON *old = cJSON_GetArrayItem(array, i);
        if (text(record, "family")[0] ? same(old, record, "family")
                                      : same(old, record, "device") && same(old, record, "driver")) {
            cJSON_ReplaceItemInArray(array, i, record);
            return;
        }
    }
    cJSON_AddItemToArray(array, record);
}

static cJSON *array_of(cJSON *tree, const char *key)
{
    cJSON *array = cJSON_GetObjectItemCaseSensitive(tree, key);
    return array ? array : cJSON_AddArrayToObject(tree, key);
}

/* ---- folding in ------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One family: counts, and the kernel with fewest subgroups at once, or most registers. */
static cJSON *family_record(const cJSON *family)
{
    const cJSON *kernels = cJSON_GetObjectItemCaseSensitive(family, "kernels"), *kernel;
    const cJSON *most = NULL;
    size_t count = (size_t)cJSON_GetArraySize(kernels), told = 0;
    double *occupancy = MEM_NEW_ARRAY(double, count + 1), spilled = 0, matrix = 0;
    double widths[3] = {0};   /* subgroups of up to 8, 16, more */
    cJSON *record = cJSON_CreateObject();
    cJSON_ArrayForEach(kernel, kernels) {
        double width = number(kernel, "subgroup_size");
        spilled += number(kernel, "spills") > 0;
        matrix += cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(kernel, "matrix_unit"));
        widths[width <= 8 ? 0 : width <= 16 ? 1 : 2]++;
        if (number(kernel, "subgroups_per_simd") > 0)
            occupancy[told++] = number(kernel, "subgroups_per_simd");
        if (!most || number(kernel, "registers") > number(most, "registers"))
            most = kernel;
    }
    static const char *const kept[] = {"family", "cards", "device", "driver", "date"};
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        cJSON_AddStringToObject(record, kept[i], text(family, kept[i]));
    qsort(occupancy, told, sizeof *occupancy, ascending);
    cJSON_AddNumberToObject(record, "pipelines", (double)count);
    cJSON_AddNumberToObject(record, "failed", number(family, "failed"));
    cJSON_AddNumberToObject(record, "spilled", spilled);
    cJSON_AddNumberToObject(record, "matrix", matrix);
    cJSON_AddNumberToObject(record, "occupancy_least", told ? occupancy[0] : 0);
    cJSON_AddNumberToObject(record, "occupancy_median", told ? occupancy[told / 2] : 0);
    cJSON_AddNumberToObject(record, "width_8", widths[0]);
    cJSON_AddNumberToObject(record, "width_16", widths[1]);
    cJSON_AddNumberToObject(record, "width_more", widths[2]);
    cJSON_AddNumberToObject(record, "registers", number(most, "registers"));
    cJSON_AddStringToObject(record, "registers_of", text(most, "kernel"));
    free(occupancy);
    return record;
}

static tmb_status fold_compiled(const char *path, cJSON *records)
{
    cJSON *tree = NULL;
    const cJSON *family;
    TRY(json_read_file(path, &tree));
    cJSON_ArrayForEach(family, tree)
        put(array_of(records, "compiled"), family_record(family));
    cJSON_Delete(tree);
    return TMB_OK;
}

static tmb_status fold_compared(const char *path, cJSON *records)
{
    cJSON *record = NULL;
    TRY(json_read_file(path, &record));
    if (!*text(record, "device") || !cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(record, "rows"))) {
        cJSON_Delete(record);
        return fail(TMB_BAD_INPUT, "%s is not what tools/oracles/speed.py writes", path);
    }
    put(array_of(records, "compared"), record);
    return TMB_OK;
}

/* What follows `key` at the start of a line, up to the line's end; malloc'd, NULL: no such line. */
static char *line_after(const char *all, const char *key)
{
    for (const char *line = all; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, key, strlen(key)))
            return mem_string_n(line + strlen(key), strcspn(line + strlen(key), "\n"));
    }
    return NULL;
}

static tmb_status fold_checked(const Arguments *arguments, cJSON *records)
{
    char *all = NULL;
    size_t bytes;
    unsigned passed = 0, failed = 0, skipped = 0;
    tmb_status status = TMB_OK;
    TRY(os_read_file(arguments->checked, &all, &bytes));
    for (const char *line = all; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';   /* the last such line counts */
        (void)sscanf(line, "%u passed, %u failed, %u skipped", &passed, &failed, &skipped);
    }
    char *device = line_after(all, "device: "), *roof = line_after(all, "roof: ");
    char *training = line_after(all, "training: ");
    char *comma = device ? strstr(device, ", seed ") : NULL;
    if (!comma || !(passed + failed))
        status = fail(TMB_BAD_INPUT, "%s is not what kernel-check prints on one device",
                      arguments->checked);
    if (status == TMB_OK) {
        *comma = '\0';
        cJSON *record = cJSON_CreateObject();
        cJSON_AddStringToObject(record, "device", device);
        cJSON_AddStringToObject(record, "how", arguments->how ? arguments->how : "");
        cJSON_AddStringToObject(record, "date", arguments->date ? arguments->date : "");
        cJSON_AddStringToObject(record, "roof", roof ? roof : "");
        cJSON_AddNumberToObject(record, "passed", passed);
        cJSON_AddNumberToObject(record, "failed", failed);
        cJSON_AddNumberToObject(record, "skipped", skipped);
        cJSON_AddStringToObject(record, "training", training ? training : "");
        put(array_of(records, "checked"), record);
    }
    free(device);
    free(roof);
    free(training);
    free(all);
    return status;
}

/* ---- the page --------------------------------------------------------------- */

static void print_checked(const cJSON *records, Text *page)
{
    const cJSON *record;
    text_print(page, "## Checked\n\nEvery row of the case named against its reference in double "
               "precision; a skipped case is of a row that the device cannot run or that is not meant "
               "for the size. *Training* is the checks of the trainer, and of 30 steps against "
               "the losses of PEFT.\n\n"
               "| device, driver | cases | passed | failed | skipped | training | roof | date |\n"
               "|---|---|---|---|---|---|---|---|\n");
    cJSON_ArrayForEach(record, cJSON_GetObjectItemCaseSensitive(records, "checked"))
        text_print(page, "| %s | %s | %.0f | %.0f | %.0f | %s | %s | %s |\n", text(record, "device"),
                   text(record, "how"), number(record, "passed"), number(record, "failed"),
                   number(record, "skipped"), text(record, "training"), text(record, "roof"),
                   text(record, "date"));
}

static void print_compiled(const cJSON *records, Text *page)
{
    const cJSON *record;
    text_print(page, "\n## Compiled, without the card\n\nEvery pipeline of the rows that the family "
               "can run, at the default tuning. *Subgroups* are how many of them a SIMD holds at "
               "once, the least and the median over the pipelines, where the driver tells; *widths* "
               "how many pipelines got subgroups of up to 8 / 16 / more. NVIDIA's cards are compiled for "
               "by NVK, which is Mesa's driver and not NVIDIA's: that it compiles, on matrix units and "
               "without a spill, promises nothing of the compiler that most such cards are used with.\n\n"
               "| family | such as | pipelines | failed | spilling | matrix units | subgroups | widths "
               "| most registers | driver | date |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
    cJSON_ArrayForEach(record, cJSON_GetObjectItemCaseSensitive(records, "compiled")) {
        text_print(page, "| %s | %s | %.0f | %.0f | %.0f | %.0f | ", text(record, "family"),
                   text(record, "cards"), number(record, "pipelines"), number(record, "failed"),
                   number(record, "spilled"), number(record, "matrix"));
        if (number(record, "occupancy_least") > 0)
            text_print(page, "%g, %g", number(record, "occupancy_least"),
                       number(record, "occupancy_median"));
        text_print(page, " | %.0f / %.0f / %.0f | %.0f (%s) | %s | %s |\n", number(record, "width_8"),
                   number(record, "width_16"), number(record, "width_more"),
                   number(record, "registers"), text(record, "registers_of"), text(record, "driver"),
                   text(record, "date"));
    }
}

/* Figures beside PyTorch, and shares of our own roof. */
static void print_compared(const cJSON *records, Text *page)
{
    const cJSON *record, *row;
    cJSON_ArrayForEach(record, cJSON_GetObjectItemCaseSensitive(records, "compared")) {
        text_print(page, "\n## Beside PyTorch: %s\n\nOne run on %s; PyTorch %s.\n\n"
                   "| what | Timbre | PyTorch | ratio | by |\n|---|---|---|---|---|\n",
                   text(record, "device"), text(record, "date"), text(record, "torch"));
        cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(record, "rows")) {
            double theirs = number(row, "torch");
            text_print(page, "| %s | %.1f %s | ", text(row, "what"), number(row, "timbre"), text(row, "unit"));
            if (theirs > 0)
                text_print(page, "%.1f %s | %.0f %%", theirs, text(row, "unit"), 100 * number(row, "ratio"));
            else
                text_print(page, " | ");
            text_print(page, " | %s |\n", text(row, "note"));
        }
    }
}

static tmb_status write_page(const char *path, const cJSON *records)
{
    Text page = {0};
    text_print(&page, "# Devices\n\nWritten by `tools/devices-table` from `devices.json`, which it "
               "keeps beside this page; on another card the same command adds its line.\n\n");
    print_checked(records, &page);
    print_compared(records, &page);
    print_compiled(records, &page);
    tmb_status status = os_write_file(path, page.data, page.bytes);
    text_finish(&page);
    return status;
}

static tmb_status run(const Arguments *arguments)
{
    cJSON *records = NULL;
    if (os_exists(arguments->records))
        TRY(json_read_file(arguments->records, &records));
    else
        records = cJSON_CreateObject();
    tmb_status status = TMB_OK;
    if (arguments->compiled)
        status = fold_compiled(arguments->compiled, records);
    if (status == TMB_OK && arguments->compared)
        status = fold_compared(arguments->compared, records);
    if (status == TMB_OK && arguments->checked)
        status = fold_checked(arguments, records);
    if (status == TMB_OK)
        status = json_write_file(arguments->records, records);
    if (status == TMB_OK)
        status = write_page(arguments->page, records);
    cJSON_Delete(records);
    return status;
}

int main(int argc, char **argv)
{
    Arguments arguments = {0};
    os_arguments(&argc, &argv);
    const struct { const char *name; const char **value; } options[] = {
        {"--compiled", &arguments.compiled}, {"--compared", &arguments.compared}, {"--checked", &arguments.checked},
        {"--how", &arguments.how}, {"--date", &arguments.date}};
    if (argc < 3 || argc % 2 == 0) {
        fputs("devices_table RECORDS PAGE [--compiled FILE] [--compared FILE] [--checked FILE --how TEXT "
              "--date DATE]\n", stderr);
        return 2;
    }
    arguments.records = argv[1];
    arguments.page = argv[2];
    for (int i = 3; i + 1 < argc; i += 2)
        for (size_t o = 0; o < COUNT_OF(options); o++)
            if (!strcmp(argv[i], options[o].name))
                *options[o].value = argv[i + 1];
    tmb_status status = run(&arguments);
    if (status != TMB_OK)
        fprintf(stderr, "devices_table: %s\n", tmb_last_error());
    return tmb_exit_code(status);
}
