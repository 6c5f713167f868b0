/* What all rows of the attention families share: extents, arithmetic, cases. */
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernels/attention.h"
#include "kernels/inputs.h"

static uint64_t query_elements(const AttentionPush *p)
{
    return (uint64_t)p->rows * p->heads * p->head_dim;
}

static uint64_t key_elements(const AttentionPush *p)
{
    return (uint64_t)p->key_rows * p->kv_heads * p->head_dim;
}

void attention_fwd_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const AttentionPush *p = push;
    elements[0] = elements[4] = query_elements(p);
    elements[1] = elements[2] = key_elements(p);
    elements[3] = 2 * (uint64_t)p->rows;
    elements[5] = (uint64_t)p->rows * p->heads;
}

void attention_bwd_d_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const AttentionPush *p = push;
    elements[0] = elements[1] = query_elements(p);
    elements[2] = (uint64_t)p->rows * p->heads;
}

void attention_bwd_q_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const AttentionPush *p = push;
    elements[0] = elements[4] = elements[7] = query_elements(p);
    elements[1] = elements[2] = key_elements(p);
    elements[3] = 2 * (uint64_t)p->rows;
    elements[5] = elements[6] = (uint64_t)p->rows * p->heads;
}

void attention_bwd_kv_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const AttentionPush *p = push;
    elements[0] = elements[5] = query_elements(p);
    elements[1] = elements[2] = elements[8] = elements[9] = key_elements(p);
    elements[3] = 2 * (uint64_t)p->rows;
    elements[4] = p->rows;
    elements[6] = elements[7] = (uint64_t)p->rows * p->heads;
}

/* Training sees one row of tokens, decoding keeps the case's few rows and its cache. */
void attention_shape(const KernelShape *shape, void *push)
{
    AttentionPush *p = push;
    if (p->rows == p->key_rows)
        p->rows = p->key_rows = shape->rows;
    p->heads = shape->heads;
    p->kv_heads = shape->kv_heads;
    p->head_dim = shape->head_dim;
    p->scale = 1 / sqrtf((float)shape->head_dim);
}

/* ---- cost ---------------------------------------------------------------- */

/* Pairs of query and key at most: all keys for decoding, half of them in causal rows. The
 * true number depends on the spans, which live on the device. */
static double pair_flops(const void *push, double products)
{
    const AttentionPush *p = push;
    double keys = p->rows == p->key_rows ? (p->rows + 1) / 2.0 : p->key_rows;
    return 2 * products * p->rows * p->heads * p->head_dim * keys;
}

double attention_fwd_flops(const void *push)
{
    return pair_flops(push, 2);
}

double attention_bwd_d_flops(const void *push)
{
    return 2.0 * (double)query_elements(push);
}

double attention_bwd_q_flops(const void *push)
{
    return pair_flops(push, 3);
}

double attention_bwd_kv_flops(const void *push)
{
    return pair_flops(push, 4);
}

/* ---- cases --------------------------------------------------------------- */

/* Segments of a packed row of `rows` tokens: a third, a single token, the rest; the last
 * eighth is dead. */
static void segment_of(uint64_t row, uint64_t rows, uint64_t *begin, uint64_t *end)
{
    uint64_t cuts[] = {0, rows / 3, rows / 3 + (rows > 1), rows - rows / 8, rows};
    for (int i = 0; i < 4; i++)
        if (row >= cuts[i] && row < cuts[i + 1]) {
            *begin = cuts[i];
            *end = cuts[i + 1];
        }
    if (row >= cuts[3])
        *begin = *end = row;
}

static void fill_span(double *values, uint64_t rows)
{
    for (uint64_t i = 0; i < rows; i++) {
        uint64_t begin = 0, end = 0;
        segment_of(i, rows, &begin, &end);
        values[2 * i] = (double)begin;
        values[2 * i + 1] = begin == end ? (double)begin : (double)(i + 1);
    }
}

static void fill_last(double *values, uint64_t rows)
{
    for (uint64_t j = 0; j < rows; j++) {
        uint64_t begin = 0, end = 0;
        segment_of(j, rows, &begin, &end);
        values[j] = begin == end ? (double)j : (double)end;
    }
}

static bool packed_fwd_input(const void *push, unsigned index, double *values, uint64_t count,
                             uint64_t seed)
{
    (void)push;
    (void)seed;
    if (index == 3)
        fill_span(values, count / 2);
    return index == 3;
}

/* One segment over all rows: the dearest case. */
static bool whole_fwd_input(const void *push, unsigned index, double *values, uint64_t count,
                            uint64_t seed)
{
    (void)push;
    (void)seed;
    for (uint64_t i = 0; index == 3 && i < count / 2; i++) {
        values[2 * i] = 0;
        values[2 * i + 1] = (double)(i + 1);
    }
    return index == 3;
}

/* Decoding: query row i sees most of a stretch of its own of the cache, row 2 nothing. */
static bool cache_fwd_input(const void *push, unsigned index, double *values, uint64_t count,
                            uint64_t seed)
{
    const AttentionPush *p = push;
    (void)seed;
    uint64_t stretch = p->key_rows / p->rows;
    for (uint64_t i = 0; index == 3 && i < count / 2; i++) {
        values[2 * i] = (double)(i * stretch);
        values[2 * i + 1] = (double)(i * stretch + (i == 2 ? 0 : stretch - i * 7 % stretch));
    }
    return index == 3;
}

/* Scores of later keys lie above those of earlier ones, first by 10, more than f16 can hold the weights
 * of, then by 18, more than it can tell: the last value of a query is 1, of a key what its place gives
 * the score. Not by more, and added last: roundings of large sums in f32 are beyond the tolerance. */
static bool rising_fwd_input(const void *push, unsigned index, double *values, uint64_t count,
                             uint64_t seed)
{
    const AttentionPush *p = push;
    uint64_t stride = (uint64_t)(index == 0 ? p->heads : p->kv_heads) * p->head_dim;
    if (index > 1)
        return packed_fwd_input(push, index, values, count, seed);
    input_between(values, count, -1, 1, seed);
    for (uint64_t i = 0; i < count; i += p->head_dim) {
        uint64_t step = i / stride / 8 % 16;
        double score = 0.0625 * (double)step + (step < 4 ? -14.5 : step < 8 ? -4.5 : 13.5);
        values[i + p->head_dim - 1] = index == 0 ? 1 : score / p->scale;
    }
    return true;
}

/* Values of later keys are a thousand times those of earlier ones, and weigh a thousandth. */
static bool larger_fwd_input(const void *push, unsigned index, double *values, uint64_t count,
                             uint64_t seed)
{
    const AttentionPush *p = push;
    uint64_t stride = (uint64_t)(index == 0 ? p->heads : p->kv_heads) * p->head_dim;
    if (index > 2)
        return whole_fwd_input(push, index, values, count, seed);
    input_between(values, count, -1, 1, seed);
    for (uint64_t i = 0; i < count; i++) {
        bool late = i / stride >= p->rows / 2;
        if (index == 2)
            values[i] *= late ? 1024 : 1;
        else if (i % p->head_dim == 0)
            values[i] = index == 0 ? 1 : late ? -7 / p->scale : 0;
    }
    return true;
}

/* Every row sees some of a few keys; beyond 65,535 groups even with tiles of eight rows and heads. */
static bool few_keys_input(const void *push, unsigned index, double *values, uint64_t count,
                           uint64_t seed)
{
    const AttentionPush *p = push;
    (void)seed;
    for (uint64_t i = 0; index == 3 && i < count / 2; i++) {
        values[2 * i] = (double)(i % 3);
        values[2 * i + 1] = (double)(i % p->key_rows);
    }
    return index == 3;
}

/* Row 0 sees all of the cache, row 1 its last key alone, row 2 nothing. */
static bool uneven_fwd_input(const void *push, unsigned index, double *values, uint64_t count,
                             uint64_t seed)
{
    const uint32_t keys = ((const AttentionPush *)push)->key_rows;
    const double spans[] = {0, keys, keys - 1, keys, 7, 7};
    (void)seed;
    for (uint64_t i = 0; index == 3 && i < count; i++)
        values[i] = spans[i % COUNT_OF(spans)];
    return index == 3;
}

/* lse a little above that of usual scores, so that exp(score - lse) looks like a share. */
static bool lse_input(const void *push, double *values, uint64_t count, uint64_t seed)
{
    const AttentionPush *p = push;
    double usual = log((double)p->rows) + 1;
    return input_between(values, count, usual, usual + 1, seed);
}

static bool packed_q_input(const void *push, unsigned index, double *values, uint64_t count,
                           uint64_t seed)
{
    if (index == 5)
        return lse_input(push, values, count, seed);
    return packed_fwd_input(push, index, values, count, seed);
}

static bool whole_q_input(const void *push, unsigned index, double *values, uint64_t count,
                          uint64_t seed)
{
    if (index == 5)
        return lse_input(push, values, count, seed);
    return whole_fwd_input(push, index, values, count, seed);
}

static bool packed_kv_input(const void *push, unsigned index, double *values, uint64_t count,
                            uint64_t seed)
{
    if (index == 6)
        return lse_input(push, values, count, seed);
    if (index == 4)
        fill_last(values, count);
    return index == 4 || packed_fwd_input(push, index, values, count, seed);
}

static bool whole_kv_input(const void *push, unsigned index, double *values, uint64_t count,
                           uint64_t seed)
{
    if (index == 6)
        return lse_input(push, values, count, seed);
    for (uint64_t j = 0; index == 4 && j < count; j++)
        values[j] = (double)count;
    return index == 4 || whole_fwd_input(push, index, values, count, seed);
}

/* Standard normals, those of each row times its factor. */
static void draw_uneven(const AttentionPush *p, double *values, uint64_t count, uint64_t seed,
                        double (*factor)(uint64_t row))
{
    Rng rng;
    rng_init(&rng, seed);
    for (uint64_t i = 0; i < count; i++)
        values[i] = rng_normal(&rng) * factor(i * p->rows / count);
}

static double small(uint64_t row)
{
    (void)row;
    return 1e-6;
}

/* Up to 2^24. */
static double uneven(uint64_t row)
{
    return ldexp(1, (int)(row % 5) * 6);
}

static bool small_q_input(const void *push, unsigned index, double *values, uint64_t count,
                          uint64_t seed)
{
    if (index != 4 && index != 6)
        return packed_q_input(push, index, values, count, seed);
    draw_uneven(push, values, count, seed, small);
    return true;
}

static bool small_kv_input(const void *push, unsigned index, double *values, uint64_t count,
                           uint64_t seed)
{
    if (index != 5 && index != 7)
        return packed_kv_input(push, index, values, count, seed);
    draw_uneven(push, values, count, seed, small);
    return true;
}

/* Gradients that differ much from row to row, with shares that make up for it, so that every
 * row of the results counts. */
static bool uneven_q_input(const void *push, unsigned index, double *values, uint64_t count,
                           uint64_t seed)
{
    const AttentionPush *p = push;
    if (index == 4 || index == 6)
        draw_uneven(p, values, count, seed, uneven);
    else if (!packed_q_input(push, index, values, count, seed))
        return false;
    for (uint64_t i = 0; index == 5 && i < count; i++)
        values[i] += log(uneven(i / p->heads));
    return true;
}

static bool uneven_kv_input(const void *push, unsigned index, double *values, uint64_t count,
                            uint64_t seed)
{
    const AttentionPush *p = push;
    if (index == 5 || index == 7)
        draw_uneven(p, values, count, seed, uneven);
    else if (!packed_kv_input(push, index, values, count, seed))
        return false;
    for (uint64_t i = 0; index == 6 && i < count; i++)
        values[i] += log(uneven(i / p->heads));
    return true;
}

#define SHAPE(name, tokens, q_heads, k_heads, dims, factor, add)                              \
    static const AttentionPush name = {.rows = tokens, .key_rows = tokens, .heads = q_heads,  \
                                       .kv_heads = k_heads, .head_dim = dims,                 \
                                       .scale = factor, .accumulate = add}
SHAPE(smallest, 1, 1, 1, 4, 1, 0);
SHAPE(ragged, 67, 6, 2, 12, 0.3f, 0);
SHAPE(added_whole, 67, 6, 2, 12, 0.3f, 1);
SHAPE(added, 41, 4, 4, 16, 0.25f, 1);
SHAPE(wide, 19, 2, 1, 256, 0.0625f, 0);
SHAPE(wide_long, 1024, 1, 1, 256, 0.0625f, 0);   /* loops that must be unrolled on llvmpipe */
SHAPE(llama3, 100, 8, 2, 128, 0.0883883f, 0);
SHAPE(eighty, 70, 2, 2, 80, 0.1118034f, 1);
SHAPE(folded, 1, 65600, 65600, 4, 0.5f, 0);      /* beyond 65,535 groups */
SHAPE(folded_long, 64, 33000, 33000, 4, 0.5f, 0);
SHAPE(stories260k, 512, 8, 4, 8, 0.3535534f, 0);
SHAPE(smollm2, 512, 9, 3, 64, 0.125f, 0);
SHAPE(units, 64, 1, 1, 16, 0.25f, 0);
SHAPE(rising, 150, 2, 1, 32, 0.25f, 0);
SHAPE(larger, 140, 1, 1, 64, 0.125f, 0);
SHAPE(thirds, 70, 9, 3, 96, 0.1f, 0);
SHAPE(quarters, 65, 32, 8, 48, 0.125f, 0);
static const AttentionPush folded_items = {.rows = 80100, .key_rows = 8, .heads = 8, .kv_heads = 1,
                                           .head_dim = 16, .scale = 0.25f};
SHAPE(by_three, 90, 9, 3, 32, 0.1767767f, 0);
SHAPE(by_four, 29, 32, 8, 64, 0.125f, 0);
SHAPE(gradients, 61, 4, 2, 48, 0.1443376f, 0);
SHAPE(folded_units, 1, 65600, 65600, 16, 0.25f, 0);   /* heads that matrix units take */
static const AttentionPush decode = {.rows = 4, .key_rows = 1030, .heads = 9, .kv_heads = 3,
                                     .head_dim = 64, .scale = 0.125f};
/* more query heads a group than a tile holds, a ragged head and a cache of no whole eights */
static const AttentionPush large_groups = {.rows = 3, .key_rows = 131, .heads = 26, .kv_heads = 2,
                                           .head_dim = 12, .scale = 0.3f};
static const AttentionPush prefill = {.rows = 30, .key_rows = 150, .heads = 4, .kv_heads = 2,
                                      .head_dim = 32, .scale = 0.1767767f};

const KernelCase attention_fwd_cases[ATTENTION_FWD_CASES] = {
    {"smallest", &smallest, packed_fwd_input}, {"ragged", &ragged, packed_fwd_input},
    {"units", &units, packed_fwd_input}, {"rising", &rising, rising_fwd_input},
    {"larger", &larger, larger_fwd_input}, {"heads 9 of 3", &thirds, packed_fwd_input},
    {"heads 32 of 8", &quarters, packed_fwd_input}, {"head 80", &eighty, packed_fwd_input},
    {"head 256", &wide, packed_fwd_input}, {"folded items", &folded_items, few_keys_input},
    {"head 256 long", &wide_long, packed_fwd_input}, {"head 128", &llama3, packed_fwd_input},
    {"ragged whole", &ragged, whole_fwd_input},
    {"large groups", &large_groups, uneven_fwd_input},
    {"decode", &decode, cache_fwd_input}, {"prefill", &prefill, cache_fwd_input},
    {"stories260k", &stories260k, packed_fwd_input}, {"smollm2", &smollm2, packed_fwd_input},
    {"smollm2 whole", &smollm2, whole_fwd_input}, {"folded", &folded, packed_fwd_input},
    {"folded long", &folded_long, packed_fwd_input},
};
const KernelCase attention_bwd_d_cases[ATTENTION_BWD_D_CASES] = {
    {"smallest", &smallest, NULL}, {"ragged", &ragged, NULL}, {"head 256", &wide, NULL},
    {"stories260k", &stories260k, NULL}, {"smollm2", &smollm2, NULL},
    {"folded", &folded, NULL},
};
const KernelCase attention_bwd_q_cases[ATTENTION_BWD_Q_CASES] = {
    {"smallest", &smallest, packed_q_input}, {"ragged", &ragged, packed_q_input},
    {"accumulate", &added, packed_q_input}, {"ragged whole", &added_whole, whole_q_input},
    {"head 256", &wide, packed_q_input},
    {"head 80", &eighty, packed_q_input}, {"head 128", &llama3, packed_q_input},
    {"groups of three", &by_three, packed_q_input}, {"groups of four", &by_four, packed_q_input},
    {"small gradients", &gradients, small_q_input}, {"uneven gradients", &gradients, uneven_q_input},
    {"folded", &folded_units, packed_q_input},
    {"head 256 long", &wide_long, packed_q_input}, {"stories260k", &stories260k, packed_q_input},
    {"smollm2", &smollm2, packed_q_input}, {"smollm2 whole", &smollm2, whole_q_input},
};
const KernelCase attention_bwd_kv_cases[ATTENTION_BWD_KV_CASES] = {
    {"smallest", &smallest, packed_kv_input}, {"ragged", &ragged, packed_kv_input},
    {"accumulate", &added, packed_kv_input}, {"ragged whole", &added_whole, whole_kv_input},
    {"head 256", &wide, packed_kv_input},
    {"head 80", &eighty, packed_kv_input}, {"head 128", &llama3, packed_kv_input},
    {"groups of three", &by_three, packed_kv_input}, {"groups of four", &by_four, packed_kv_input},
    {"small gradients", &gradients, small_kv_input}, {"uneven gradients", &gradients, uneven_kv_input},
    {"folded", &folded_units, packed_kv_input},
    {"head 256 long", &wide_long, packed_kv_input}, {"stories260k", &stories260k, packed_kv_input},
    {"smollm2", &smollm2, packed_kv_input}, {"smollm2 whole", &smollm2, whole_kv_input},
};
