#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "compile.h"
#include "kernels/kernel.h"

const char *const figure_names[FIGURE_COUNT] = {
    [FIGURE_REGISTERS] = "registers", [FIGURE_SPILLS] = "spills", [FIGURE_SCRATCH] = "scratch_bytes",
    [FIGURE_SHARED] = "shared_bytes", [FIGURE_OCCUPANCY] = "subgroups_per_simd",
    [FIGURE_INSTRUCTIONS] = "instructions",
};

/* The words of RADV, ANV and NVK, any case. Spilled scalars and vectors are added up. An NVIDIA
 * processor is four SIMDs that share its subgroups (warps). */
static const struct { const char *words; Figure figure; double scale; } vocabulary[] = {
    {"VGPRs", FIGURE_REGISTERS, 1}, {"Max live registers", FIGURE_REGISTERS, 1},
    {"Number of GPRs", FIGURE_REGISTERS, 1}, {"Spilled VGPRs", FIGURE_SPILLS, 1},
    {"Spilled SGPRs", FIGURE_SPILLS, 1}, {"Spill Count", FIGURE_SPILLS, 1},
    {"Spills", FIGURE_SPILLS, 1}, {"Spills to memory", FIGURE_SPILLS, 1},
    {"Scratch size", FIGURE_SCRATCH, 1}, {"Scratch Memory Size", FIGURE_SCRATCH, 1},
    {"SLM Size", FIGURE_SCRATCH, 1}, {"LDS size", FIGURE_SHARED, 1},
    {"Workgroup Memory Size", FIGURE_SHARED, 1}, {"Subgroups per SIMD", FIGURE_OCCUPANCY, 1},
    {"Max warps/SM", FIGURE_OCCUPANCY, 0.25}, {"Instructions", FIGURE_INSTRUCTIONS, 1},
    {"Instruction Count", FIGURE_INSTRUCTIONS, 1},
};

static bool same_words(const char *a, const char *b)
{
    while (*a && tolower((unsigned char)*a) == tolower((unsigned char)*b))
        a++, b++;
    return !*a && !*b;
}

static void print_line(cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object);
    puts(text ? text : "{}");
    fflush(stdout);
    cJSON_free(text);
    cJSON_Delete(object);
}

static cJSON *about(const KernelRow *row, const KernelTuning *tuning, bool is_default)
{
    cJSON *object = cJSON_CreateObject();
    char text[160] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < row->spec_count && used + 12 < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%u", i ? "," : "",
                                 tuning->spec[i]);
    cJSON_AddStringToObject(object, "kernel", row->name);
    cJSON_AddStringToObject(object, "tuning", text);
    cJSON_AddBoolToObject(object, "default", is_default);
    return object;
}

/* The figures of the code of a row; one for matrix units must use them, where the code is told. */
static void add_code(cJSON *object, const KernelRow *row, const GpuCode *code)
{
    double figures[FIGURE_COUNT];
    for (size_t i = 0; i < FIGURE_COUNT; i++)
        figures[i] = -1;
    for (uint32_t i = 0; i < code->count; i++)
        for (size_t w = 0; w < COUNT_OF(vocabulary); w++)
            if (same_words(vocabulary[w].words, code->statistics[i].name)) {
                double *figure = &figures[vocabulary[w].figure];
                *figure = (*figure < 0 ? 0 : *figure) + code->statistics[i].value * vocabulary[w].scale;
            }
    cJSON_AddNumberToObject(object, "subgroup_size", code->subgroup_size);
    for (size_t i = 0; i < FIGURE_COUNT; i++)
        if (figures[i] >= 0)
            cJSON_AddNumberToObject(object, figure_names[i], figures[i]);
    /* the instructions of matrix units: AMD's, Intel's, NVIDIA's */
    bool matrix = code->machine && (strstr(code->machine, "v_wmma") || strstr(code->machine, "dpas") ||
                                    strstr(code->machine, "hmma"));
    cJSON_AddBoolToObject(object, "matrix_unit", matrix);
    if (row->needs & GPU_CAP_COOPMAT && code->machine && !matrix)
        cJSON_AddStringToObject(object, "error", "the code has no instruction of a matrix unit");
}

/* --verbose shows the driver's own words and the code on stderr */
static void show_code(const KernelRow *row, const GpuCode *code)
{
    fprintf(stderr, "%s: %s, subgroups of %u\n", row->name, code->name, code->subgroup_size);
    for (uint32_t i = 0; i < code->count; i++)
        fprintf(stderr, "  %-40s %g\n", code->statistics[i].name, code->statistics[i].value);
    fprintf(stderr, "%s\n", code->text ? code->text : "");
}

static void compile_one(const Options *options, Gpu *gpu, const KernelRow *row,
                        const KernelTuning *tuning, bool is_default)
{
    GpuPipeline *pipeline = NULL;
    GpuCode *codes = NULL;
    uint32_t count = 0;
    cJSON *begin = about(row, tuning, is_default);
    cJSON_AddBoolToObject(begin, "begin", true);
    print_line(begin);
    cJSON *object = about(row, tuning, is_default);
    const clock_t start = clock();
    tmb_status status = kernel_pipeline(gpu, row, tuning, &pipeline);
    cJSON_AddNumberToObject(object, "cpu_ms", (double)((clock() - start) * 1000 / CLOCKS_PER_SEC));
    if (status == TMB_OK)
        status = gpu_pipeline_codes(gpu, pipeline, &codes, &count);
    if (status != TMB_OK)
        cJSON_AddStringToObject(object, "error", tmb_last_error());
    for (uint32_t i = 0; i < count && status == TMB_OK; i++) {
        add_code(object, row, &codes[i]);
        if (options->verbose)
            show_code(row, &codes[i]);
    }
    gpu_codes_free(&codes, count);
    print_line(object);
}

typedef struct Seen {
    KernelTuning *tuning;
    size_t count;
} Seen;

static bool seen_before(Seen *seen, const KernelTuning *tuning)
{
    for (size_t i = 0; i < seen->count; i++)
        if (!memcmp(&seen->tuning[i], tuning, sizeof *tuning))
            return true;
    seen->tuning = mem_grow(seen->tuning, seen->count + 1, sizeof *seen->tuning);
    seen->tuning[seen->count++] = *tuning;
    return false;
}

/* Every constant that follows from some case's sizes, head sizes above all, makes a pipeline of
 * its own; the cases that give the same one share it. */
static void compile_row(const Options *options, Gpu *gpu, const KernelRow *row)
{
    Seen seen = {0};
    for (uint32_t t = 0; t <= (options->all_tunings ? row->tuning_count : 0); t++)
        for (uint32_t c = 0; c < row->case_count; c++) {
            const void *push = row->cases[c].push;
            if (row->suits && !row->suits(push))
                continue;
            KernelTuning tuning;
            if (kernel_fit(gpu_caps(gpu), row, t ? &row->tunings[t - 1] : NULL, push, &tuning) &&
                !seen_before(&seen, &tuning))
                compile_one(options, gpu, row, &tuning, t == 0);
        }
    free(seen.tuning);
}

static bool is_usable(const KernelRow *row, const GpuCaps *caps)
{
    const KernelRow *rows[64];
    size_t count = kernel_candidates(row->family, NULL, caps, rows, COUNT_OF(rows));
    for (size_t i = 0; i < count; i++)
        if (rows[i] == row)
            return true;
    return false;
}

int compile_here(const Options *options)
{
    const GpuParams params = {.device = options->device, .caps = options->caps,
                              .compile_only = true};
    Gpu *gpu = NULL;
    /* drivers warn that they do not conform, once a process; where that cannot be hidden, it shows */
    if (!options->verbose)
        (void)!freopen("/dev/null", "w", stderr);
    if (gpu_open(&params, &gpu) != TMB_OK) {
        fprintf(stderr, "kernel-check: %s\n", tmb_last_error());
        return 77;
    }
    cJSON *device = cJSON_CreateObject();
    cJSON_AddStringToObject(device, "device", gpu_caps(gpu)->name);
    cJSON_AddStringToObject(device, "driver", gpu_caps(gpu)->driver);
    cJSON_AddNumberToObject(device, "bits", gpu_caps(gpu)->bits);
    print_line(device);
    for (size_t i = 0; i < kernel_count(); i++)
        if (glob_match(options->kernel, kernel_at(i)->name) && is_usable(kernel_at(i), gpu_caps(gpu)))
            compile_row(options, gpu, kernel_at(i));
    cJSON *end = cJSON_CreateObject();
    cJSON_AddBoolToObject(end, "end", true);
    print_line(end);
    gpu_close(&gpu);
    return 0;
}
