/* Which matmul and matvec rows are taken: by capabilities, subgroup size and shape; and which
 * reductions. */
#include <string.h>

#include "base/mem.h"
#include "kernels/kernel.h"
#include "kernels/matrix.h"
#include "kernels/policy.h"
#include "matmul.push.h"
#include "matvec.push.h"
#include "softmax.push.h"
#include "test.h"

static GpuCaps cpu_caps(void)
{
    return (GpuCaps){.kind = GPU_CPU, .bits = GPU_CAP_CPU | GPU_CAP_SUBGROUP | GPU_CAP_TEXEL,
                     .subgroup_size = 8, .subgroup_min = 8, .subgroup_max = 8,
                     .max_invocations = 1024, .shared_bytes = 32 * 1024};
}

static MatmulPush dense(uint32_t m, uint32_t n, uint32_t k, uint32_t a_stride, uint32_t b_stride)
{
    return (MatmulPush){.m = m, .n = n, .k = k, .a_stride = a_stride, .b_stride = b_stride,
                        .c_stride = n, .alpha = 1};
}

static const char *chosen(const char *family, const GpuCaps *caps, const MatmulPush *push)
{
    static const Dtype dtypes[GPU_MAX_BIND] = {DTYPE_F32, DTYPE_F32, DTYPE_F32};
    const KernelRow *row = kernel_choose(family, dtypes, caps, push);
    return row ? row->name : "none";
}

static void shapes_choose_the_side_of_the_lanes(Test *test)
{
    const GpuCaps caps = cpu_caps();
    const MatmulPush up = dense(512, 1536, 576, 576, 576), rank = dense(512, 16, 576, 576, 576);
    const MatmulPush few = dense(3, 1536, 576, 576, 576), grad = dense(16, 576, 510, 16, 576);
    CHECK_STRING(test, "matmul_nt_cpu_rows", chosen("matmul_nt", &caps, &up));
    CHECK_STRING(test, "matmul_nt_cpu_rows", chosen("matmul_nt", &caps, &rank));
    CHECK_STRING(test, "matmul_nt_cpu_columns", chosen("matmul_nt", &caps, &few));
    CHECK_STRING(test, "matmul_tn_cpu_columns", chosen("matmul_tn", &caps, &grad));
}

/* An adapter's way down, forward and backward, and its way up. */
static void few_columns_have_a_kernel_of_their_own(Test *test)
{
    const GpuCaps caps = {.max_invocations = 256, .shared_bytes = 32 * 1024};
    const MatmulPush nt = dense(512, 16, 576, 576, 576), nn = dense(512, 32, 576, 576, 32);
    const MatmulPush up = dense(512, 576, 16, 16, 16), grad = dense(1536, 16, 512, 1536, 16);
    CHECK_STRING(test, "matmul_nt_rank", chosen("matmul_nt", &caps, &nt));
    CHECK_STRING(test, "matmul_nn_rank", chosen("matmul_nn", &caps, &nn));
    CHECK_STRING(test, "matmul_nt_tile", chosen("matmul_nt", &caps, &up));
    CHECK_STRING(test, "matmul_tn_tile", chosen("matmul_tn", &caps, &grad));
}

static void ragged_shapes_fall_back(Test *test)
{
    const GpuCaps caps = cpu_caps();
    MatmulPush push = dense(64, 64, 64, 64, 64);
    CHECK_STRING(test, "matmul_nn_cpu_rows", chosen("matmul_nn", &caps, &push));
    push.a_offset = 2;
    CHECK_STRING(test, "matmul_nn_tile", chosen("matmul_nn", &caps, &push));
    push = dense(64, 62, 64, 64, 62);
    CHECK_STRING(test, "matmul_nn_tile", chosen("matmul_nn", &caps, &push));
    push = dense(64, 64, 63, 64, 64);
    CHECK_STRING(test, "matmul_nt_tile", chosen("matmul_nt", &caps, &push));
    /* the sum of TN runs over rows of both operands: any number of them will do */
    CHECK_STRING(test, "matmul_tn_cpu_rows", chosen("matmul_tn", &caps, &push));
}

static void capabilities_are_needed(Test *test)
{
    const MatmulPush push = dense(64, 64, 64, 64, 64);
    GpuCaps caps = cpu_caps();
    caps.bits = 0;
    CHECK_STRING(test, "matmul_nt_tile", chosen("matmul_nt", &caps, &push));
    caps = cpu_caps();
    caps.subgroup_size = caps.subgroup_min = caps.subgroup_max = 4;
    CHECK_STRING(test, "matmul_nt_tile", chosen("matmul_nt", &caps, &push));
    caps.subgroup_size = 8;   /* a driver that may also choose 4 */
    CHECK_STRING(test, "matmul_nt_tile", chosen("matmul_nt", &caps, &push));
}

/* What every Vulkan device has: 16 KiB, 128 invocations. */
static void tiles_fit_the_smallest_device(Test *test)
{
    const GpuCaps caps = {.max_invocations = 128, .shared_bytes = 16 * 1024};
    const KernelRow *row = kernel_by_name("matmul_nt_tile");
    const MatmulPush push = dense(512, 1536, 576, 576, 576);
    KernelTuning tuning;
    uint32_t fit = 0;
    CHECK_STRING(test, row->name, chosen("matmul_nt", &caps, &push));
    for (uint32_t i = 0; i < row->tuning_count; i++)
        if (kernel_fit(&caps, row, &row->tunings[i], &push, &tuning)) {
            const uint32_t *spec = tuning.spec;
            CHECK(test, spec[0] <= 128 && 4 * spec[6] * spec[3] * (spec[1] + spec[2] + 8) <= 16 * 1024);
            fit++;
        }
    CHECK(test, fit > 0 && fit < row->tuning_count);
}

/* Their shared memory counts subgroups: of a size that varies there may be more. */
static void reductions_know_the_subgroup_size(Test *test)
{
    const SoftmaxPush push = {.rows = 4, .cols = 64};
    GpuCaps caps = {.bits = GPU_CAP_SUBGROUP, .max_invocations = 128, .subgroup_size = 32,
                    .subgroup_min = 32, .subgroup_max = 32};
    CHECK_STRING(test, "softmax_fwd_subgroup", kernel_choose("softmax_fwd", NULL, &caps, &push)->name);
    caps.subgroup_min = 8;
    CHECK_STRING(test, "softmax_fwd", kernel_choose("softmax_fwd", NULL, &caps, &push)->name);
    caps.bits |= GPU_CAP_SUBGROUP_SIZE;      /* then it is asked for */
    CHECK_STRING(test, "softmax_fwd_subgroup", kernel_choose("softmax_fwd", NULL, &caps, &push)->name);
}

/* 64 threads are eight subgroups of eight, which may be more than a group holds. */
static void groups_hold_only_so_many_subgroups(Test *test)
{
    const SoftmaxPush push = {.rows = 4, .cols = 64};
    const KernelRow *row = kernel_by_name("softmax_fwd_subgroup");
    GpuCaps caps = {.bits = GPU_CAP_SUBGROUP | GPU_CAP_SUBGROUP_SIZE, .max_invocations = 256,
                    .subgroup_size = 8, .subgroup_min = 8, .subgroup_max = 32, .max_subgroups = 2};
    KernelTuning tuning;
    REQUIRE(test, kernel_fit(&caps, row, NULL, &push, &tuning));
    CHECK(test, tuning.spec[0] == 64 && tuning.spec[1] == 32);
    caps.max_subgroups = 1;
    REQUIRE(test, kernel_fit(&caps, row, NULL, &push, &tuning));
    CHECK(test, tuning.spec[0] == 32 && tuning.spec[1] == 32);
    caps.subgroup_max = 16;
    CHECK(test, !kernel_fit(&caps, row, NULL, &push, &tuning));
    CHECK_STRING(test, "softmax_fwd", kernel_choose("softmax_fwd", NULL, &caps, &push)->name);
    caps.bits &= ~(uint32_t)GPU_CAP_SUBGROUP_SIZE;      /* what is not asked for has no such limit */
    caps.subgroup_size = caps.subgroup_min = caps.subgroup_max = 8;
    REQUIRE(test, kernel_fit(&caps, row, NULL, &push, &tuning));
    CHECK(test, tuning.spec[0] == 64 && tuning.spec[1] == 8);
}

/* Eight subgroups of a default tile are four too many for this one. */
static void matrix_tiles_hold_only_so_many_subgroups(Test *test, GpuCaps caps)
{
    const MatmulPush push = dense(4096, 4096, 4096, 4096, 4096);
    const KernelRow *row = kernel_by_name("matmul_nt_half_coopmat");
    KernelTuning tuning;
    caps.max_subgroups = 4;
    REQUIRE(test, kernel_fit(&caps, row, NULL, &push, &tuning));
    CHECK(test, tuning.spec[MATRIX_THREADS] <= 4 * tuning.spec[MATRIX_LANES]);
}

static void matvec_takes_at_most_sixteen(Test *test)
{
    static const Dtype dtypes[GPU_MAX_BIND] = {DTYPE_F32, DTYPE_Q4_1, DTYPE_F32};
    GpuCaps caps = cpu_caps();
    MatvecPush push = {.rows = 8, .n = 576, .k = 576, .x_stride = 576, .y_stride = 576};
    const KernelRow *row = kernel_choose("matvec", dtypes, &caps, &push);
    REQUIRE(test, row);
    CHECK_STRING(test, "matvec_q4_1_blocks", row->name);
    CHECK(test, kernel_tuning(row, NULL, &push).spec[1] == 8);
    push.n = 577;   /* 577 * 18 blocks of 20 bytes: no multiple of 16 bytes */
    row = kernel_choose("matvec", dtypes, &caps, &push);
    REQUIRE(test, row);
    CHECK_STRING(test, "matvec_q4_1_subgroup", row->name);
    caps.bits = 0;
    row = kernel_choose("matvec", dtypes, &caps, &push);
    REQUIRE(test, row);
    CHECK_STRING(test, "matvec_q4_1", row->name);
    push.rows = 17;
    CHECK(test, kernel_choose("matvec", dtypes, &caps, &push) == NULL);
}

/* What was measured of one type's row holds for its like; what the sizes would waste is cut. */
static void matvec_rows_share_what_was_measured(Test *test)
{
    const KernelRow *row = kernel_by_name("matvec_q8_0_subgroup");
    const KernelRow *raced = kernel_by_name("matvec_q4_0_subgroup");
    const KernelRow *other = kernel_by_name("matvec_q4_k_subgroup");
    MatvecPush push = {.rows = 1, .n = 49152, .k = 576, .x_stride = 576, .y_stride = 49152};
    GpuCaps caps = {.bits = GPU_CAP_SUBGROUP | GPU_CAP_SUBGROUP_SIZE, .subgroup_size = 32,
                    .subgroup_min = 32, .subgroup_max = 32, .max_invocations = 1024,
                    .shared_bytes = 48 * 1024};
    KernelPolicy policy = {0};
    KernelTuning tuning;
    policy_set_tuning(&policy, raced->name, &raced->tunings[2]);
    caps.policy = &policy;
    REQUIRE(test, kernel_fit(&caps, row, NULL, &push, &tuning));
    CHECK(test, !memcmp(tuning.spec, (const uint32_t[]){128, 32, 4, 1, 1, 32}, 6 * sizeof(uint32_t)));
    push.n = push.y_stride = 2048;   /* two rows at a time, or there is little to do in parallel */
    REQUIRE(test, kernel_fit(&caps, row, NULL, &push, &tuning));
    CHECK(test, tuning.spec[2] == 2);
    push.rows = 16;
    push.x_stride = 577;
    REQUIRE(test, kernel_fit(&caps, row, NULL, &push, &tuning));
    CHECK(test, tuning.spec[2] == 1 && tuning.spec[3] == 16 && tuning.spec[4] == 0);
    REQUIRE(test, kernel_fit(&caps, other, NULL, &push, &tuning));
    CHECK(test, tuning.spec[0] == 64);
}

/* Units and subgroups as drivers report them: NVIDIA, AMD (RDNA3), Intel (Xe-HPG, Xe2). */
static const struct MatrixDevice {
    uint32_t m, n, k, subgroup_min, subgroup_max, shared_bytes;
    uint32_t lanes;            /* expected */
} matrix_devices[] = {
    {16, 16, 16, 32, 32, 48 * 1024, 32},
    {16, 16, 16, 32, 64, 64 * 1024, 32},
    {8, 8, 16, 8, 32, 64 * 1024, 8},
    {8, 16, 16, 16, 32, 128 * 1024, 16},
};

static GpuCaps matrix_caps(const struct MatrixDevice *device)
{
    return (GpuCaps){.kind = GPU_DISCRETE, .bits = GPU_CAP_COOPMAT | GPU_CAP_SUBGROUP_SIZE,
                     .subgroup_min = device->subgroup_min, .subgroup_max = device->subgroup_max,
                     .max_invocations = 1024, .shared_bytes = device->shared_bytes,
                     .coopmat = {{8, 8, 4}, {device->m, device->n, device->k}},
                     .coopmat_count = 2};
}

static void matrix_tunings_fit_the_device(Test *test)
{
    static const char *const rows[] = {"matmul_nt_coopmat", "matmul_tn_coopmat",
                                       "matmul_nn_half_coopmat"};
    const MatmulPush push = dense(4096, 4096, 4096, 4096, 4096);
    for (size_t d = 0; d < COUNT_OF(matrix_devices); d++)
        for (size_t r = 0; r < COUNT_OF(rows); r++) {
            const struct MatrixDevice *device = &matrix_devices[d];
            const KernelRow *row = kernel_by_name(rows[r]);
            const GpuCaps caps = matrix_caps(device);
            KernelTuning tuning;
            REQUIRE(test, row && kernel_fit(&caps, row, NULL, &push, &tuning));
            const uint32_t *spec = tuning.spec;
            CHECK(test, spec[MATRIX_UNIT_M] == device->m && spec[MATRIX_UNIT_N] == device->n &&
                            spec[MATRIX_UNIT_K] == device->k);
            CHECK(test, spec[MATRIX_LANES] == device->lanes);
            CHECK(test, spec[MATRIX_THREADS] == spec[MATRIX_LANES] *
                            (spec[MATRIX_TILE_M] / spec[MATRIX_SUB_M]) *
                            (spec[MATRIX_TILE_N] / spec[MATRIX_SUB_N]));
            CHECK(test, spec[MATRIX_THREADS] <= caps.max_invocations && spec[MATRIX_ALIGNED] == 1);
        }
}

static void matrix_units_of_other_shapes_do_not_fit(Test *test)
{
    const MatmulPush push = dense(64, 64, 64, 64, 64);
    GpuCaps caps = matrix_caps(&matrix_devices[0]);
    caps.coopmat_count = 1;   /* 8 x 8 x 4 is left */
    KernelTuning tuning;
    CHECK(test, !kernel_fit(&caps, kernel_by_name("matmul_nt_coopmat"), NULL, &push, &tuning));
}

/* Shapes shrink the default tile, an odd stride forbids reading in eights, and a tuning that is
 * known for the device comes before the default. */
static void matrix_tunings_follow_the_sizes(Test *test)
{
    const KernelRow *row = kernel_by_name("matmul_nt_half_coopmat");
    GpuCaps caps = matrix_caps(&matrix_devices[0]);
    MatmulPush push = dense(512, 16, 576, 576, 576);
    KernelTuning tuning;
    REQUIRE(test, kernel_fit(&caps, row, NULL, &push, &tuning));
    CHECK(test, tuning.spec[MATRIX_TILE_N] == 32 && tuning.spec[MATRIX_ALIGNED] == 1);
    push = dense(512, 576, 576, 577, 576);
    REQUIRE(test, kernel_fit(&caps, row, NULL, &push, &tuning));
    CHECK(test, tuning.spec[MATRIX_TILE_N] == 64 && tuning.spec[MATRIX_ALIGNED] == 0);
    KernelPolicy policy = {0};
    push = dense(4096, 4096, 576, 576, 576);
    policy_set_tuning(&policy, row->name, &row->tunings[4]);
    caps.policy = &policy;
    REQUIRE(test, kernel_fit(&caps, row, NULL, &push, &tuning));
    CHECK(test, tuning.spec[MATRIX_TILE_M] == row->tunings[4].spec[MATRIX_TILE_M]);
}

int main(void)
{
    Test test = {.name = "matmul choice"};
    shapes_choose_the_side_of_the_lanes(&test);
    few_columns_have_a_kernel_of_their_own(&test);
    ragged_shapes_fall_back(&test);
    capabilities_are_needed(&test);
    tiles_fit_the_smallest_device(&test);
    reductions_know_the_subgroup_size(&test);
    groups_hold_only_so_many_subgroups(&test);
    matrix_tiles_hold_only_so_many_subgroups(&test, matrix_caps(&matrix_devices[0]));
    matvec_takes_at_most_sixteen(&test);
    matvec_rows_share_what_was_measured(&test);
    matrix_tunings_fit_the_device(&test);
    matrix_units_of_other_shapes_do_not_fit(&test);
    matrix_tunings_follow_the_sizes(&test);
    return test_end(&test);
}
