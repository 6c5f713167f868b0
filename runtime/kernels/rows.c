/* Moving whole rows: gather and scatter by index, keys and values into the cache. */
#include "base/mem.h"
#include "gather.push.h"
#include "kernels/families.h"
#include "kernels/inputs.h"
#include "kv_append.push.h"

static double no_flops(const void *push)
{
    (void)push;
    return 0;
}

/* ---- gather, scatter ---------------------------------------------------- */

static void gather_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const GatherPush *p = push;
    elements[0] = (uint64_t)p->x_rows * p->cols;
    elements[1] = (uint64_t)p->first + p->rows;
    elements[2] = (uint64_t)p->rows * p->cols;
}

static void gather_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const GatherPush *p = push;
    grid_of_items((uint64_t)p->rows * ((p->cols + 3) / 4), tuning, groups);
}

static void gather_reference(const void *push, double *const bind[])
{
    const GatherPush *p = push;
    const double *x = bind[0], *index = bind[1];
    double *y = bind[2];
    for (uint64_t r = 0; r < p->rows; r++)
        for (uint64_t c = 0; c < p->cols; c++)
            y[r * p->cols + c] = x[(uint64_t)index[p->first + r] * p->cols + c];
}

static void scatter_reference(const void *push, double *const bind[])
{
    const GatherPush *p = push;
    const double *index = bind[1], *y = bind[2];
    double *x = bind[0];
    for (uint64_t r = 0; r < p->rows; r++)
        for (uint64_t c = 0; c < p->cols; c++) {
            double *to = &x[(uint64_t)index[p->first + r] * p->cols + c];
            *to = y[r * p->cols + c] + (p->accumulate ? *to : 0);
        }
}

static bool gather_input(const void *push, unsigned index, double *values, uint64_t count,
                         uint64_t seed)
{
    const GatherPush *p = push;
    return index == 1 && input_below(values, count, p->x_rows, seed);
}

static bool scatter_input(const void *push, unsigned index, double *values, uint64_t count,
                          uint64_t seed)
{
    const GatherPush *p = push;
    return index == 1 && input_distinct(values, count, p->x_rows, seed);
}

static const GatherPush gather_smallest = {.rows = 1, .cols = 1, .x_rows = 1};
static const GatherPush gather_ragged = {.rows = 7, .cols = 13, .first = 3, .x_rows = 11};
static const GatherPush gather_add = {.rows = 7, .cols = 12, .first = 3, .x_rows = 11,
                                      .accumulate = 1};
static const GatherPush gather_folded = {.rows = 65600, .cols = 3, .x_rows = 65600};
static const GatherPush gather_smollm2 = {.rows = 64, .cols = 576, .first = 128, .x_rows = 512};

static const KernelCase gather_cases[] = {
    {"smallest", &gather_smallest, gather_input}, {"ragged", &gather_ragged, gather_input},
    {"folded", &gather_folded, gather_input},     {"smollm2", &gather_smollm2, gather_input},
};
static const KernelCase scatter_cases[] = {
    {"smallest", &gather_smallest, scatter_input}, {"ragged", &gather_ragged, scatter_input},
    {"accumulate", &gather_add, scatter_input},    {"folded", &gather_folded, scatter_input},
    {"smollm2", &gather_smollm2, scatter_input},
};

/* ---- key-value cache ---------------------------------------------------- */

static void kv_append_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const KvAppendPush *p = push;
    elements[0] = (uint64_t)p->rows * p->cols;
    elements[1] = p->rows;
    elements[2] = (uint64_t)p->cache_rows * p->cols;
}

static void kv_append_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const KvAppendPush *p = push;
    grid_of_items((uint64_t)p->rows * ((p->cols + 3) / 4), tuning, groups);
}

static void kv_append_reference(const void *push, double *const bind[])
{
    const KvAppendPush *p = push;
    const double *x = bind[0], *slot = bind[1];
    double *cache = bind[2];
    for (uint64_t r = 0; r < p->rows; r++) {
        if (slot[r] < p->first_row || slot[r] - p->first_row >= p->cache_rows)
            continue;
        for (uint64_t c = 0; c < p->cols; c++)
            cache[(uint64_t)(slot[r] - p->first_row) * p->cols + c] = x[r * p->cols + c];
    }
}

/* Slots reach one row before and after the bound part; every fifth row has none. */
static bool kv_append_input(const void *push, unsigned index, double *values, uint64_t count,
                            uint64_t seed)
{
    const KvAppendPush *p = push;
    if (index != 1)
        return false;
    input_distinct(values, count, p->cache_rows + (p->first_row ? 2 : 0), seed);
    for (uint64_t i = 0; i < count; i++)
        values[i] = i % 5 == 4 ? 0xffffffffu : values[i] + p->first_row - (p->first_row ? 1 : 0);
    return true;
}

static const KernelCase kv_append_cases[] = {
    {"smallest", &(const KvAppendPush){.rows = 1, .cols = 1, .cache_rows = 1}, kv_append_input},
    {"split", &(const KvAppendPush){.rows = 12, .cols = 7, .first_row = 20, .cache_rows = 10},
     kv_append_input},
    {"folded", &(const KvAppendPush){.rows = 65600, .cols = 3, .cache_rows = 65600}, kv_append_input},
    {"smollm2", &(const KvAppendPush){.rows = 128, .cols = 192, .cache_rows = 1024},
     kv_append_input},
};

/* 1: small cases go beyond 65,535 groups */
static const KernelTuning tunings[] = {{{1}}, {{8}}, {{32}}, {{64}}, {{128}}, {{256}}};
#define MOVE                                                                             \
    .spec_count = 1, .tuning = {{64}}, .tunings = tunings,                               \
    .tuning_count = COUNT_OF(tunings), .flops = no_flops
#define CASES(name) .cases = name, .case_count = COUNT_OF(name)

const KernelRow rows_rows[] = {
    {
        .name = "gather_rows", .family = "gather_rows", .push_bytes = sizeof(GatherPush),
        .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"index", GPU_READ, .dtype = DTYPE_U32},
                 {"y", GPU_WRITE, .dtype = DTYPE_F32}},
        MOVE, .extent = gather_extent, .grid = gather_grid, .reference = gather_reference,
        CASES(gather_cases), .large = &(const GatherPush){.rows = 8192, .cols = 4096, .x_rows = 2048}, .tolerance = 0,
    },
    {
        .name = "scatter_rows", .family = "scatter_rows", .push_bytes = sizeof(GatherPush),
        .bind = {{"x", GPU_ADD, .dtype = DTYPE_F32}, {"index", GPU_READ, .dtype = DTYPE_U32},
                 {"y", GPU_READ, .dtype = DTYPE_F32}},
        MOVE, .extent = gather_extent, .grid = gather_grid, .reference = scatter_reference,
        CASES(scatter_cases), .large = &(const GatherPush){.rows = 4096, .cols = 4096, .x_rows = 4096}, .tolerance = 5e-7,
    },
    {
        .name = "kv_append", .family = "kv_append", .push_bytes = sizeof(KvAppendPush),
        .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"slot", GPU_READ, .dtype = DTYPE_U32},
                 {"cache", GPU_ADD, .dtype = DTYPE_F32}},
        MOVE, .extent = kv_append_extent, .grid = kv_append_grid,
        .reference = kv_append_reference, CASES(kv_append_cases), .tolerance = 0,
        .large = &(const KvAppendPush){.rows = 8192, .cols = 1024, .cache_rows = 8192},
    },
};
const size_t rows_rows_count = COUNT_OF(rows_rows);
