/* How fast Timbre is here, as one table: training, generating, and a matmul beside OpenBLAS.
 *     bench-run MODEL [--steps N] [--device N|NAME] [--json FILE]
 * Times are wall times of a machine that should do nothing else; nothing is judged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "blas.h"
#include "measures.h"

enum { M = 512, N = 1536, K = 576, MOST_FIGURES = 16 };

typedef struct Options {
    const char *model, *device, *json;
    unsigned steps;
} Options;

typedef struct Figure {
    const char *key, *unit;
    char what[120];
    double value;
} Figure;

typedef struct Table {
    Figure figures[MOST_FIGURES];
    size_t count;
} Table;

static Figure *add(Table *table, const char *key, double value, const char *unit)
{
    Figure *figure = &table->figures[table->count++];
    *figure = (Figure){.key = key, .unit = unit, .value = value};
    return figure;
}
#define ADD(table, key, value, unit, ...)                        \
    do {                                                         \
        Figure *added = add(table, key, value, unit);            \
        snprintf(added->what, sizeof added->what, __VA_ARGS__);  \
    } while (0)

static void add_training(Table *table, const TrainingFigures *figures, unsigned steps)
{
    ADD(table, "train_tokens_per_second", figures->tokens_per_second, "tok/s",
        "training, LoRA r%d on all linears, rows of %d, 50 %% supervised, steps 3-%u",
        TRAINING_RANK, TRAINING_ROW, steps);
    ADD(table, "train_slowest_step", figures->slowest, "tok/s", "training, slowest of these steps");
    ADD(table, "train_cpu_seconds_per_1000_tokens", figures->cpu_seconds, "s",
        "training, processor time per 1,000 tokens");
    ADD(table, "train_peak_rss_mb", (double)figures->peak_rss / 1e6, "MB",
        "training, peak resident memory");
    ADD(table, "train_device_mb", (double)figures->device_bytes / 1e6, "MB",
        "training, device memory");
}

static void add_decoding(Table *table, const DecodingFigures *figures)
{
    ADD(table, "decode_tokens_per_second", figures->alone, "tok/s",
        "decoding, one sequence, %d tokens after %d", DECODING_TOKENS, DECODING_PROMPT);
    ADD(table, "decode_cpu_ms_per_token", figures->cpu_milliseconds, "ms",
        "decoding, one sequence, processor time per token");
    ADD(table, "decode_together_tokens_per_second", figures->together, "tok/s",
        "decoding, %d side by side, all counted", DECODING_TOGETHER);
    ADD(table, "prefill_tokens_per_second", figures->prefill, "tok/s",
        "reading a prompt of %d tokens", DECODING_PROMPT);
}

static tmb_status add_matmul(Table *table, Gpu *gpu)
{
    const double gflop = 2.0 * M * N * K / 1e9;
    const char *kernel = "";
    char name[64];
    double seconds;
    TRY(measure_matmul(gpu, M, N, K, &kernel, &seconds));
    ADD(table, "matmul_gflops", gflop / seconds, "GFLOP/s", "matmul NT f32 %dx%dx%d, %s", M, N, K,
        kernel);
    seconds = blas_seconds(M, N, K, name, sizeof name);
    if (seconds > 0)
        ADD(table, "openblas_gflops", gflop / seconds, "GFLOP/s", "the same, %s", name);
    else
        printf("OpenBLAS is not installed (Debian: libopenblas0-pthread): no comparison\n");
    return TMB_OK;
}

static void print_table(const Table *table)
{
    printf("\n| what | measured |\n|---|---|\n");
    for (size_t i = 0; i < table->count; i++)
        printf("| %s | %.*f %s |\n", table->figures[i].what, table->figures[i].value < 100 ? 1 : 0,
               table->figures[i].value, table->figures[i].unit);
}

static tmb_status write_json(const Table *table, const GpuCaps *caps, const char *path)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "device", caps->name);
    cJSON_AddStringToObject(object, "driver", caps->driver);
    for (size_t i = 0; i < table->count; i++)
        cJSON_AddNumberToObject(object, table->figures[i].key, table->figures[i].value);
    tmb_status status = json_write_file(path, object);
    cJSON_Delete(object);
    return status;
}

static tmb_status measure_all(const Options *options, Gpu *gpu, const Model *model)
{
    Table table = {.count = 0};
    TrainingFigures training = {0};
    DecodingFigures decoding = {0};
    printf("%s, %s; %u processors\n", gpu_caps(gpu)->name, gpu_caps(gpu)->driver, os_cpu_count());
    printf("training ...\n");
    fflush(stdout);
    TRY(measure_training(gpu, model, options->steps, &training));
    add_training(&table, &training, options->steps);
    printf("generating ...\n");
    fflush(stdout);
    TRY(measure_decoding(gpu, model, &decoding));
    add_decoding(&table, &decoding);
    TRY(add_matmul(&table, gpu));
    print_table(&table);
    return options->json ? write_json(&table, gpu_caps(gpu), options->json) : TMB_OK;
}

static bool read_options(int argc, char **argv, Options *options)
{
    *options = (Options){.steps = 12};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--steps") && value)
            options->steps = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--device") && value)
            options->device = argv[++i];
        else if (!strcmp(argv[i], "--json") && value)
            options->json = argv[++i];
        else if (argv[i][0] != '-' && !options->model)
            options->model = argv[i];
        else
            return false;
    }
    return options->model && options->steps >= 3 && options->steps <= 1000;
}

int main(int argc, char **argv)
{
    Options options;
    Gpu *gpu = NULL;
    Model *model = NULL;
    os_arguments(&argc, &argv);
    if (!read_options(argc, argv, &options)) {
        fprintf(stderr, "usage: bench-run MODEL [--steps N (3 to 1000)] [--device N|NAME] "
                "[--json FILE]\n");
        return 2;
    }
    GpuParams params = {.device = options.device};
    tmb_status status = gpu_open(&params, &gpu);
    if (status == TMB_OK)
        status = model_open(options.model, &model);
    if (status == TMB_OK)
        status = measure_all(&options, gpu, model);
    if (status != TMB_OK)
        fprintf(stderr, "bench: %s\n", tmb_last_error());
    model_close(&model);
    gpu_close(&gpu);
    return tmb_exit_code(status);
}
