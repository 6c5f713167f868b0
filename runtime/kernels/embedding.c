/* Embedding: rows of a table by id, one kernel row per table type, and its gradient. */
#include "base/mem.h"
#include "embedding.push.h"
#include "embedding_bwd.push.h"
#include "kernels/decode.h"
#include "kernels/families.h"
#include "kernels/inputs.h"

/* ---- forward ------------------------------------------------------------ */

static void embedding_fwd_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const EmbeddingPush *p = push;
    elements[0] = p->rows;
    elements[2] = (uint64_t)p->rows * p->cols;
}

/* Whole words are bound: an odd number of 16-bit values is rounded up, blocks count words. */
static uint64_t table_elements(const EmbeddingPush *p, Dtype dtype)
{
    uint64_t values = (uint64_t)p->count * p->cols;
    if (dtype_info(dtype)->block > 1)
        return (dtype_bytes(dtype, values) + 3) / 4;
    return dtype == DTYPE_F32 ? values : (values + 1) / 2 * 2;
}

static void embedding_fwd_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const EmbeddingPush *p = push;
    grid_of_items((uint64_t)p->rows * ((p->cols + 31) / 32 * 4), tuning, groups);
}

static double no_flops(const void *push)
{
    (void)push;
    return 0;
}

static void embedding_fwd_by_type(const EmbeddingPush *p, double *const bind[], Dtype dtype)
{
    const double *ids = bind[0], *table = bind[1];
    double *y = bind[2];
    for (uint64_t r = 0; r < p->rows; r++) {
        if (ids[r] < p->first || ids[r] - p->first >= p->count)
            continue;
        for (uint64_t c = 0; c < p->cols; c++)
            y[r * p->cols + c] =
                decode_reference(dtype, table, (uint64_t)(ids[r] - p->first) * p->cols + c);
    }
}

static bool embedding_fwd_input(const EmbeddingPush *p, unsigned index, double *values,
                                uint64_t count, uint64_t seed, Dtype dtype)
{
    if (index == 0)
        return input_below(values, count, p->vocab, seed);
    if (index != 1 || dtype_info(dtype)->block == 1)
        return false;
    decode_random_blocks(dtype, values, count, seed);
    return true;
}

static const EmbeddingPush smallest = {.rows = 1, .cols = 1, .vocab = 1, .count = 1};
static const EmbeddingPush ragged = {.rows = 7, .cols = 131, .vocab = 19, .count = 19};
static const EmbeddingPush block = {.rows = 1, .cols = 256, .vocab = 1, .count = 1};
static const EmbeddingPush split = {.rows = 40, .cols = 256, .vocab = 50, .first = 13,
                                    .count = 21};
static const EmbeddingPush smollm2 = {.rows = 512, .cols = 576, .vocab = 4096, .count = 4096};
static const EmbeddingPush folded = {.rows = 65600, .cols = 9, .vocab = 100, .count = 100};
static const EmbeddingPush large = {.rows = 8192, .cols = 4096, .vocab = 2048, .count = 2048};
static const EmbeddingPush llama3 = {.rows = 64, .cols = 4096, .vocab = 1000, .count = 1000};

/* extent, reference and input of one table type, as functions of the push alone */
#define TYPE_FUNCTIONS(type, dtype)                                                        \
    static void extent_##type(const void *push, uint64_t elements[GPU_MAX_BIND])           \
    {                                                                                      \
        embedding_fwd_extent(push, elements);                                              \
        elements[1] = table_elements(push, dtype);                                         \
    }                                                                                      \
    static void reference_##type(const void *push, double *const bind[])                   \
    {                                                                                      \
        embedding_fwd_by_type(push, bind, dtype);                                          \
    }                                                                                      \
    static bool input_##type(const void *push, unsigned index, double *values,             \
                             uint64_t count, uint64_t seed)                                \
    {                                                                                      \
        return embedding_fwd_input(push, index, values, count, seed, dtype);               \
    }
/* plain types, types in blocks */
#define PLAIN_TYPE(type, dtype)                                                            \
    TYPE_FUNCTIONS(type, dtype)                                                            \
    static const KernelCase cases_##type[] = {                                             \
        {"smallest", &smallest, input_##type}, {"ragged", &ragged, input_##type},          \
        {"split", &split, input_##type}, {"folded", &folded, input_##type},                \
        {"smollm2", &smollm2, input_##type}};
#define BLOCK_TYPE(type, dtype, values)                                                    \
    TYPE_FUNCTIONS(type, dtype)                                                            \
    static const KernelCase cases_##type[] = {{"block", &block, input_##type},             \
        {"split", &split, input_##type},                                                   \
        {(values) > 64 ? "llama3" : "smollm2", (values) > 64 ? &llama3 : &smollm2,         \
         input_##type}};
PLAIN_TYPE(f32, DTYPE_F32)
PLAIN_TYPE(f16, DTYPE_F16)
PLAIN_TYPE(bf16, DTYPE_BF16)
#define KERNEL(...)
#define TYPE(name, NAME, BLOCK) BLOCK_TYPE(name, DTYPE_##NAME, BLOCK)
#include "kernels.def"

/* ---- backward ----------------------------------------------------------- */

static void embedding_bwd_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const EmbeddingBwdPush *p = push;
    elements[0] = p->rows;
    elements[1] = (uint64_t)p->unique + 1;
    elements[2] = p->unique;
    elements[3] = (uint64_t)p->rows * p->cols;
    elements[4] = (uint64_t)p->count * p->cols;
}

static void embedding_bwd_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    const EmbeddingBwdPush *p = push;
    grid_of_items((uint64_t)p->unique * p->cols, tuning, groups);
}

static double embedding_bwd_flops(const void *push)
{
    const EmbeddingBwdPush *p = push;
    return (double)p->rows * p->cols;
}

static void embedding_bwd_reference(const void *push, double *const bind[])
{
    const EmbeddingBwdPush *p = push;
    const double *order = bind[0], *starts = bind[1], *token = bind[2], *dy = bind[3];
    double *dtable = bind[4];
    for (uint64_t u = 0; u < p->unique; u++) {
        if (token[u] < p->first || token[u] - p->first >= p->count)
            continue;
        for (uint64_t i = (uint64_t)starts[u]; i < (uint64_t)starts[u + 1]; i++)
            for (uint64_t c = 0; c < p->cols; c++)
                dtable[(uint64_t)(token[u] - p->first) * p->cols + c] +=
                    dy[(uint64_t)order[i] * p->cols + c];
    }
}

/* Rows shuffled, shared among the tokens as evenly as starts allow, tokens distinct and
 * one beyond either end of a split gradient. */
static bool embedding_bwd_input(const void *push, unsigned index, double *values,
                                uint64_t count, uint64_t seed)
{
    const EmbeddingBwdPush *p = push;
    if (index == 0)
        return input_distinct(values, count, p->rows, seed);
    if (index == 1)
        for (uint64_t u = 0; u < count; u++)
            values[u] = (double)(u * p->rows / p->unique);
    if (index == 2) {
        input_distinct(values, count, p->count + (p->first ? 2 : 0), seed);
        for (uint64_t u = 0; p->first && u < count; u++)
            values[u] += p->first - 1.0;
    }
    return index == 1 || index == 2;
}

static const KernelCase embedding_bwd_cases[] = {
    {"smallest", &(const EmbeddingBwdPush){.rows = 1, .cols = 1, .unique = 1, .count = 1},
     embedding_bwd_input},
    {"ragged", &(const EmbeddingBwdPush){.rows = 37, .cols = 131, .unique = 5, .count = 19},
     embedding_bwd_input},
    {"split", &(const EmbeddingBwdPush){.rows = 37, .cols = 64, .unique = 20, .first = 8,
                                        .count = 21}, embedding_bwd_input},
    {"folded", &(const EmbeddingBwdPush){.rows = 1500, .cols = 65, .unique = 1024, .count = 1500},
     embedding_bwd_input},
    {"smollm2", &(const EmbeddingBwdPush){.rows = 512, .cols = 576, .unique = 200,
                                          .count = 4096}, embedding_bwd_input},
};

/* 1: small cases go beyond 65,535 groups */
static const KernelTuning tunings[] = {{{1}}, {{8}}, {{32}}, {{64}}, {{128}}, {{256}}};
#define EMBEDDING                                                                          \
    .spec_count = 1, .tuning = {{64}}, .tunings = tunings, .tuning_count = COUNT_OF(tunings)
#define EMBEDDING_FWD(type, table_dtype)                                                   \
    {                                                                                      \
        .name = "embedding_fwd_" #type, .family = "embedding_fwd",                         \
        .push_bytes = sizeof(EmbeddingPush),                                               \
        .bind = {{"ids", GPU_READ, .dtype = DTYPE_U32}, {"table", GPU_READ, .dtype = table_dtype},           \
                 {"y", GPU_ADD, .dtype = DTYPE_F32}},                                               \
        EMBEDDING, .extent = extent_##type, .grid = embedding_fwd_grid,                    \
        .flops = no_flops, .reference = reference_##type, .cases = cases_##type,           \
        .case_count = COUNT_OF(cases_##type), .tolerance = 0, .large = &large,             \
    }

const KernelRow rows_embedding[] = {
    EMBEDDING_FWD(f32, DTYPE_F32),
    EMBEDDING_FWD(f16, DTYPE_F16),
    EMBEDDING_FWD(bf16, DTYPE_BF16),
#define KERNEL(...)
#define TYPE(name, NAME, BLOCK) EMBEDDING_FWD(name, DTYPE_##NAME),
#include "kernels.def"
    {
        .name = "embedding_bwd", .family = "embedding_bwd",
        .push_bytes = sizeof(EmbeddingBwdPush),
        .bind = {{"order", GPU_READ, .dtype = DTYPE_U32}, {"starts", GPU_READ, .dtype = DTYPE_U32},
                 {"token", GPU_READ, .dtype = DTYPE_U32}, {"dy", GPU_READ, .dtype = DTYPE_F32},
                 {"dtable", GPU_ADD, .dtype = DTYPE_F32}},
        EMBEDDING, .extent = embedding_bwd_extent, .grid = embedding_bwd_grid,
        .flops = embedding_bwd_flops, .reference = embedding_bwd_reference,
        .cases = embedding_bwd_cases, .case_count = COUNT_OF(embedding_bwd_cases),
        .tolerance = 2e-6,
    },
};
const size_t rows_embedding_count = COUNT_OF(rows_embedding);
