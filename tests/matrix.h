#ifndef TESTS_MATRIX_H
#define TESTS_MATRIX_H
/* Tests whose products are to run on matrix units, which are used only where they were found the
 * faster: never where a CPU driver plays them, which is where tests can be had for certain. */

#include "base/mem.h"
#include "kernels/policy.h"
#include "test.h"

/* Which of them, as bits. */
enum {
    MATRIX_NONE = 0,
    MATRIX_SINGLE = 1,     /* products of f32 operands, rounded on the way; attention */
    MATRIX_HALF = 2,       /* products of operands that are f16 in memory */
    MATRIX_BOTH = 3
};

/* Of a test's argument: "single", "half" or "both". */
static inline unsigned matrix_rows(const char *text)
{
    static const char *const names[] = {"", "single", "half", "both"};
    unsigned rows = MATRIX_BOTH;
    while (rows && strcmp(text, names[rows]))
        rows--;
    return rows;
}

/* Whether the row is one of these, and can run here. */
static inline bool matrix_is_one(const GpuCaps *caps, const KernelRow *row, unsigned rows)
{
    const char *why;
    size_t bytes;
    KernelTuning tuning;
    return row->probe && row->needs & GPU_CAP_COOPMAT && !(row->needs & ~caps->bits) &&
           rows & (strstr(row->family, "_half") ? MATRIX_HALF : MATRIX_SINGLE) &&
           kernel_spirv(row->name, &bytes, &why) &&
           kernel_fit(caps, row, NULL, row->cases[0].push, &tuning);
}

/* From here on they are used on this device, as if they had won. */
static inline void matrix_trust(Gpu *gpu, unsigned rows)
{
    KernelPolicy *policy = MEM_NEW(KernelPolicy);
    for (size_t i = 0; i < kernel_count(); i++)
        if (matrix_is_one(gpu_caps(gpu), kernel_at(i), rows))
            policy_set_verdict(policy, kernel_at(i)->name, FINDING_FASTER, "a test wants it");
    gpu_set_policy(gpu, policy);
}

/* Skips the test where there is nothing of the kind. */
static inline bool matrix_here(Test *test, Gpu *gpu, unsigned rows)
{
    if (rows == MATRIX_NONE || gpu_caps(gpu)->policy->verdict_count)
        return true;
    test_skip(test, gpu_caps(gpu)->bits & GPU_CAP_COOPMAT ? "this build has no kernels for matrix units"
                                                          : "the device has no matrix units");
    return false;
}

#endif
