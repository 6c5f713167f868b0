/* The double-precision reference of every backward kernel against central differences of
 * its forward reference, on the kernels' own small cases. Binds are matched by name:
 * backward dY with forward output Y is the upstream gradient, dX with forward input X is
 * the result, equal names are the same values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention.push.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cross_entropy.push.h"
#include "embedding.push.h"
#include "embedding_bwd.push.h"
#include "kernels/kernel.h"
#include "test.h"

enum { SAMPLES = 40, LARGEST = 20000 };
static const double step = 1e-5, tolerance = 1e-6;

typedef struct Values {
    const KernelRow *row;
    const void *push;
    double *bind[GPU_MAX_BIND];
    uint64_t count[GPU_MAX_BIND];
} Values;

static void values_init(Values *values, const KernelRow *row, const void *push, Rng *rng)
{
    *values = (Values){.row = row, .push = push};
    row->extent(push, values->count);
    for (uint32_t b = 0; b < kernel_bind_count(row); b++) {
        values->bind[b] = MEM_NEW_ARRAY(double, values->count[b]);
        for (uint64_t i = 0; i < values->count[b] && row->bind[b].dtype == DTYPE_F32; i++)
            values->bind[b][i] = rng_normal(rng);
    }
}

static void values_finish(Values *values)
{
    for (uint32_t b = 0; b < kernel_bind_count(values->row); b++)
        free(values->bind[b]);
}

/* Index of the bind, -1 when the row has none of this name. */
static int find(const Values *values, const char *name)
{
    for (uint32_t b = 0; b < kernel_bind_count(values->row); b++)
        if (!strcmp(values->row->bind[b].name, name))
            return (int)b;
    return -1;
}

static void copy_bind(Values *to, int to_bind, const Values *from, int from_bind)
{
    memcpy(to->bind[to_bind], from->bind[from_bind], to->count[to_bind] * sizeof(double));
}

/* Sum of upstream gradient times output, over the outputs that backward has one for. */
static double loss(Values *forward, const Values *backward)
{
    forward->row->reference(forward->push, forward->bind);
    double sum = 0;
    for (uint32_t b = 0; b < kernel_bind_count(backward->row); b++) {
        int output = find(forward, backward->row->bind[b].name + 1);
        if (backward->row->bind[b].name[0] != 'd' || output < 0
            || forward->row->bind[output].access == GPU_READ)
            continue;
        for (uint64_t i = 0; i < forward->count[output]; i++)
            sum += forward->bind[output][i] * backward->bind[b][i];
    }
    return sum;
}

/* Attention's d is the result of a kernel of its own. */
static void fill_attention_d(Values *backward, const Values *forward)
{
    int d = find(backward, "d");
    if (d < 0)
        return;
    double *bind[GPU_MAX_BIND] = {forward->bind[find(forward, "o")],
                                  backward->bind[find(backward, "do")], backward->bind[d]};
    kernel_family("attention_bwd_d")->reference(backward->push, bind);
}

static void check_result(Test *test, const char *case_name, Values *forward, Values *backward,
                         const double *before, int result, Rng *rng)
{
    int input = find(forward, backward->row->bind[result].name + 1);
    if (!CHECK(test, input >= 0))
        return;
    double difference = 0, norm = 0;
    for (int s = 0; s < SAMPLES; s++) {
        uint64_t at = rng_below(rng, forward->count[input]);
        double held = forward->bind[input][at];
        forward->bind[input][at] = held + step;
        double above = loss(forward, backward);
        forward->bind[input][at] = held - step;
        double below = loss(forward, backward);
        forward->bind[input][at] = held;
        double wanted = (above - below) / (2 * step);
        double got = backward->bind[result][at] - before[at];
        difference += (wanted - got) * (wanted - got);
        norm += wanted * wanted;
    }
    bool good = sqrt(difference) <= tolerance * sqrt(norm) + 1e-9;
    if (!CHECK(test, good))
        printf("  %s, case %s: %s differs by %.3g of %.3g\n", backward->row->name, case_name,
               backward->row->bind[result].name, sqrt(difference), sqrt(norm));
}

static bool accumulates(const KernelRow *row, const void *push)
{
    /* every push struct of a backward kernel ends with `accumulate`, but for those that
     * always add (rmsnorm_bwd_w) */
    uint32_t flag;
    memcpy(&flag, (const char *)push + row->push_bytes - 4, 4);
    return flag != 0 || !strcmp(row->name, "rmsnorm_bwd_w");
}

static void check_case(Test *test, const KernelRow *forward_row, const KernelRow *backward_row,
                       const KernelCase *kernel_case)
{
    Rng rng;
    rng_init(&rng, 7);
    Values forward, backward;
    values_init(&forward, forward_row, kernel_case->push, &rng);
    values_init(&backward, backward_row, kernel_case->push, &rng);
    uint32_t binds = kernel_bind_count(backward_row);
    for (uint32_t b = 0; b < binds; b++) {
        if (backward_row->bind[b].dtype != DTYPE_U32)
            continue;
        CHECK(test, kernel_case->input(kernel_case->push, b, backward.bind[b],
                                       backward.count[b], 3));
        int same = find(&forward, backward_row->bind[b].name);
        if (same >= 0)
            copy_bind(&forward, same, &backward, (int)b);
    }
    forward_row->reference(kernel_case->push, forward.bind);
    for (uint32_t b = 0; b < binds; b++) {
        int same = find(&forward, backward_row->bind[b].name);
        if (same >= 0)
            copy_bind(&backward, (int)b, &forward, same);
    }
    fill_attention_d(&backward, &forward);
    double *before[GPU_MAX_BIND] = {0};
    for (uint32_t b = 0; b < binds; b++)
        if (backward_row->bind[b].access == GPU_ADD) {
            before[b] = MEM_NEW_ARRAY(double, backward.count[b]);
            if (accumulates(backward_row, kernel_case->push))
                memcpy(before[b], backward.bind[b], backward.count[b] * sizeof(double));
        }
    backward_row->reference(kernel_case->push, backward.bind);
    for (uint32_t b = 0; b < binds; b++)
        if (before[b])
            check_result(test, kernel_case->name, &forward, &backward, before[b], (int)b, &rng);
    for (uint32_t b = 0; b < binds; b++)
        free(before[b]);
    values_finish(&forward);
    values_finish(&backward);
}

static void check_pair(Test *test, const char *forward, const char *backward)
{
    const KernelRow *forward_row = kernel_family(forward), *row = kernel_family(backward);
    unsigned small = 0;
    for (uint32_t c = 0; c < row->case_count; c++) {
        uint64_t count[GPU_MAX_BIND] = {0};
        row->extent(row->cases[c].push, count);
        if (count[0] > LARGEST)
            continue;
        check_case(test, forward_row, row, &row->cases[c]);
        small++;
    }
    CHECK(test, small >= 2);
}

/* Cross-entropy turns the logits into their gradient in place. */
static void check_cross_entropy(Test *test)
{
    const KernelRow *forward_row = kernel_family("cross_entropy_fwd");
    const KernelRow *backward_row = kernel_family("cross_entropy_bwd");
    CrossEntropyPush push = {.rows = 3, .vocab = 11, .first = 2, .scale = 0.25f};
    Rng rng;
    rng_init(&rng, 5);
    Values forward, backward;
    values_init(&forward, forward_row, &push, &rng);
    values_init(&backward, backward_row, &push, &rng);
    for (uint64_t i = 0; i < forward.count[1]; i++)
        forward.bind[1][i] = backward.bind[1][i] = (double)(i * 3 % push.vocab);
    forward_row->reference(&push, forward.bind);
    copy_bind(&backward, 0, &forward, 0);
    copy_bind(&backward, 3, &forward, 3);
    backward_row->reference(&push, backward.bind);
    for (uint64_t i = 0; i < forward.count[0]; i++) {
        double held = forward.bind[0][i], sums[2] = {0, 0};
        for (int side = 0; side < 2; side++) {
            forward.bind[0][i] = held + (side ? step : -step);
            forward_row->reference(&push, forward.bind);
            for (uint64_t r = push.first; r < push.first + push.rows; r++)
                sums[side] += push.scale * backward.bind[2][r] * forward.bind[2][r];
        }
        forward.bind[0][i] = held;
        CHECK_NEAR(test, (sums[1] - sums[0]) / (2 * step), backward.bind[0][i], 1e-9);
    }
    values_finish(&forward);
    values_finish(&backward);
}

/* The embedding is linear in its table: its gradient is what the upstream gradient picks. */
static void check_embedding(Test *test)
{
    EmbeddingPush push = {.rows = 6, .cols = 5, .vocab = 4, .count = 4};
    EmbeddingBwdPush push_bwd = {.rows = 6, .cols = 5, .unique = 3, .count = 4};
    double ids[] = {2, 0, 2, 3, 0, 2};
    double order[] = {1, 4, 0, 2, 5, 3}, starts[] = {0, 2, 5, 6}, token[] = {0, 2, 3};
    double table[20] = {0}, y[30], dy[30], dtable[20] = {0};
    Rng rng;
    rng_init(&rng, 9);
    for (int i = 0; i < 30; i++)
        dy[i] = rng_normal(&rng);
    kernel_family("embedding_bwd")
        ->reference(&push_bwd, (double *[]){order, starts, token, dy, dtable});
    for (int i = 0; i < 20; i++) {
        double sum = 0;
        table[i] = 1;
        kernel_by_name("embedding_fwd_f32")->reference(&push, (double *[]){ids, table, y});
        table[i] = 0;
        for (int e = 0; e < 30; e++)
            sum += y[e] * dy[e];
        CHECK_NEAR(test, sum, dtable[i], 1e-12);
    }
}

int main(void)
{
    Test test = {.name = "gradients"};
    static const char *const pairs[][2] = {
        {"rmsnorm_fwd", "rmsnorm_bwd_x"},     {"rmsnorm_fwd", "rmsnorm_bwd_w"},
        {"rope_fwd", "rope_bwd"},             {"swiglu_fwd", "swiglu_bwd"},
        {"softmax_fwd", "softmax_bwd"},       {"attention_fwd", "attention_bwd_q"},
        {"attention_fwd", "attention_bwd_kv"},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        check_pair(&test, pairs[i][0], pairs[i][1]);
    check_cross_entropy(&test);
    check_embedding(&test);
    return test_end(&test);
}
