/* Every kernel row, written as a line and chosen by it again. */
#include "graph/frozen.h"
#include "kernels/policy.h"
#include "test.h"

static bool same(const KernelRow *row, const KernelTuning *a, const KernelTuning *b)
{
    return !memcmp(a->spec, b->spec, row->spec_count * sizeof *a->spec);
}

/* A program held to this tuning takes it, whatever it would have taken. */
static void tuning_comes_back(Test *test, const KernelRow *row, const GpuCaps *caps,
                              const void *push, const KernelTuning *tuning)
{
    char line[256];
    GpuCaps other = *caps;
    KernelPolicy policy = {0};      /* where this tuning was found the best */
    KernelTuning wanted, natural;
    policy_set_tuning(&policy, row->name, tuning);
    other.policy = &policy;
    if (!kernel_fit(&other, row, NULL, push, &wanted) ||
        !CHECK(test, kernel_fit(caps, row, NULL, push, &natural)))
        return;
    frozen_line(row, &wanted, line, sizeof line);
    const char *lines[] = {"other: row 1", line};
    FrozenKernels frozen = {lines, 2};
    KernelTuning got = natural;
    frozen_tuning(&frozen, row, caps, push, &got);
    CHECK(test, same(row, &got, &wanted));
    got = natural;
    frozen_tuning(NULL, row, caps, push, &got);
    CHECK(test, same(row, &got, &natural));
}

static void row_comes_back(Test *test, const KernelRow *row, const GpuCaps *caps, const void *push)
{
    char line[256];
    Dtype dtypes[GPU_MAX_BIND];
    KernelTuning natural;
    for (uint32_t i = 0; i < GPU_MAX_BIND; i++)
        dtypes[i] = row->bind[i].dtype;
    if ((row->suits && !row->suits(push)) || !kernel_fit(caps, row, NULL, push, &natural))
        return;      /* not for this size, or not for this device */
    frozen_line(row, &natural, line, sizeof line);
    const char *lines[] = {line};
    FrozenKernels frozen = {lines, 1};
    const char *why;
    size_t bytes;
    bool used = kernel_trusted(caps, row) && kernel_spirv(row->name, &bytes, &why);
    const KernelRow *wanted = used ? row : NULL;
    if (!CHECK(test, frozen_row(&frozen, row->family, dtypes, caps, push) == wanted))
        printf("  %s\n", line);
    frozen.count = 0;
    CHECK(test, !frozen_row(&frozen, row->family, dtypes, caps, push));
    for (uint32_t i = 0; i < row->tuning_count; i++)
        tuning_comes_back(test, row, caps, push, &row->tunings[i]);
}

/* Constants that the row never had, and lines that are none. */
static void nonsense(Test *test, const KernelRow *row, const GpuCaps *caps, const void *push)
{
    char line[256];
    const char *lines[] = {"", ":", row->name, line};
    KernelTuning natural = kernel_tuning(row, NULL, push), got = natural;
    snprintf(line, sizeof line, "%s: %s 999999 -1 x", row->family, row->name);
    FrozenKernels frozen = {lines, 4};
    frozen_tuning(&frozen, row, caps, push, &got);
    CHECK(test, same(row, &got, &natural));
}

int main(void)
{
    Test test = {.name = "frozen"};
    for (size_t i = 0; i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        const uint32_t lanes = row->subgroup_size;
        const GpuCaps caps = {.bits = GPU_CAPS_ALL, .subgroup_size = lanes, .subgroup_min = lanes,
                              .subgroup_max = lanes};
        for (uint32_t c = 0; c < row->case_count; c++) {
            row_comes_back(&test, row, &caps, row->cases[c].push);
            nonsense(&test, row, &caps, row->cases[c].push);
        }
    }
    return test_end(&test);
}
