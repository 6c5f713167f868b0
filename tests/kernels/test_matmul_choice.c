/* Which matmul and matvec rows are taken: by capabilities, subgroup size and shape. */
#include "base/mem.h"
#include "kernels/kernel.h"
#include "matmul.push.h"
#include "matvec.push.h"
#include "test.h"

static GpuCaps cpu_caps(void)
{
    return (GpuCaps){.kind = GPU_CPU, .bits = GPU_CAP_CPU | GPU_CAP_SUBGROUP | GPU_CAP_TEXEL,
                     .subgroup_size = 8, .subgroup_min = 8, .subgroup_max = 8};
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

static void matvec_takes_at_most_sixteen(Test *test)
{
    static const Dtype dtypes[GPU_MAX_BIND] = {DTYPE_F32, DTYPE_Q4_1, DTYPE_F32};
    const GpuCaps caps = cpu_caps();
    MatvecPush push = {.rows = 8, .n = 576, .k = 576, .x_stride = 576, .y_stride = 576};
    const KernelRow *row = kernel_choose("matvec", dtypes, &caps, &push);
    REQUIRE(test, row);
    CHECK_STRING(test, "matvec_q4_1_blocks", row->name);
    CHECK(test, kernel_tuning(row, NULL, &push).spec[1] == 8);
    push.n = 577;   /* 577 * 18 blocks of 20 bytes: no multiple of 16 bytes */
    row = kernel_choose("matvec", dtypes, &caps, &push);
    REQUIRE(test, row);
    CHECK_STRING(test, "matvec_q4_1", row->name);
    push.rows = 17;
    CHECK(test, kernel_choose("matvec", dtypes, &caps, &push) == NULL);
}

int main(void)
{
    Test test = {.name = "matmul choice"};
    shapes_choose_the_side_of_the_lanes(&test);
    ragged_shapes_fall_back(&test);
    capabilities_are_needed(&test);
    matvec_takes_at_most_sixteen(&test);
    return test_end(&test);
}
