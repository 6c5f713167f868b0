/* What is decided for devices that are not here: snapshots of drivers that really ran (each file
 * says how, golden/make_snapshots made them) through caps, quirks and the choice of kernels. */
#include <stdlib.h>
#include <string.h>

#include "attention.push.h"
#include "base/json.h"
#include "base/mem.h"
#include "check/probe.h"
#include "gpu/caps.h"
#include "kernels/policy.h"
#include "kernels/tunings.h"
#include "matmul.push.h"
#include "softmax.push.h"
#include "test.h"

#define MIB (1024ull * 1024)

enum {
    USUAL = GPU_CAP_SUBGROUP | GPU_CAP_SUBGROUP_SIZE | GPU_CAP_STORAGE16 | GPU_CAP_INT8,
    GCN = GPU_CAP_SUBGROUP | GPU_CAP_STORAGE16 | GPU_CAP_INT8 | GPU_CAP_MEMORY_BUDGET | GPU_CAP_TEXEL,
    AMD = USUAL | GPU_CAP_MEMORY_BUDGET | GPU_CAP_TEXEL,   /* and no clock without the card */
    AMD_NEWEST = AMD | GPU_CAP_F16 | GPU_CAP_COOPMAT | GPU_CAP_TIMESTAMPS,
    NVIDIA = (USUAL & ~GPU_CAP_SUBGROUP_SIZE) | GPU_CAP_TIMESTAMPS | GPU_CAP_MEMORY_BUDGET | GPU_CAP_TEXEL,
    INTEL = USUAL | GPU_CAP_TIMESTAMPS | GPU_CAP_F16,
    INTEL_SHARED = INTEL | GPU_CAP_MEMORY_BUDGET | GPU_CAP_TEXEL,   /* the graphics of processors */
    CPU_FLOOR = GPU_CAP_CPU | GPU_CAP_SUBGROUP | GPU_CAP_SUBGROUP_SIZE | GPU_CAP_TIMESTAMPS,
    LAVAPIPE = USUAL | CPU_FLOOR | GPU_CAP_F16 | GPU_CAP_TEXEL,
};

#define GCN_TILES "256,128,64,16,8,4,1,1", "2,64,4", "1,64,2"
#define LARGE_TILES "64,64,64,16,8,8,1,1", "4,64,4", "2,64,4"
#define SMALL_TILES "256,64,64,16,4,4,1,1", "4,64,4", "2,64,4"
#define CPU_TILES "32", "8,64", "8,64"

/* heap 0: a driver without its card offers no memory, and the device is refused for that; over a
 * stand-in for the kernel it offers what that says, which is no card's. */
typedef struct Expected {
    const char *file;
    GpuKind kind;
    uint32_t bits, subgroup_min, subgroup_max, shared_kib, lane_sums;
    uint64_t range_mib, heap_mib;
    bool unified;
    const char *matmul, *attention;
    const char *product, *forward, *backward;   /* constants of both, and of attention_bwd_kv */
} Expected;

static const Expected expected[] = {
    {"lavapipe-22", GPU_CPU, LAVAPIPE, 8, 8, 32, 0, 128, 2048, true, "matmul_nt_cpu_rows",
     "attention_fwd_lanes", CPU_TILES},
    {"lavapipe-25", GPU_CPU, LAVAPIPE | GPU_CAP_MEMORY_BUDGET, 8, 8, 32, 0, 128,
     24105, true, "matmul_nt_cpu_rows", "attention_fwd_lanes", CPU_TILES},
    {"lavapipe-26", GPU_CPU, LAVAPIPE | GPU_CAP_MEMORY_BUDGET | GPU_CAP_COOPMAT, 8, 8, 32, 0, 128,
     24105, true, "matmul_nt_cpu_rows", "attention_fwd_lanes", CPU_TILES},
    {"swiftshader", GPU_CPU, CPU_FLOOR, 4, 4, 32, 0, 1024, 2048, true, "matmul_nt_tile",
     "attention_fwd_tile", "64,64,64,16,8,8,2,1", "4,64,2", "2,64,4"},
    {"radv-polaris10", GPU_DISCRETE, GCN, 64, 64, 64, 0, 4095, 0, false, "matmul_nt_tile",
     "attention_fwd_tile", GCN_TILES},
    {"radv-vega10", GPU_DISCRETE, GCN | GPU_CAP_F16, 64, 64, 64, 0, 4095, 0, false,
     "matmul_nt_tile", "attention_fwd_tile", GCN_TILES},
    {"radv-renoir", GPU_INTEGRATED, GCN | GPU_CAP_F16, 64, 64, 64, 0, 4095, 0, false,
     "matmul_nt_tile", "attention_fwd_tile", GCN_TILES},
    {"radv-navi10", GPU_DISCRETE, AMD | GPU_CAP_F16, 32, 64, 64, 0, 4095, 0, false,
     "matmul_nt_tile", "attention_fwd_tile", LARGE_TILES},
    {"radv-navi21", GPU_DISCRETE, AMD | GPU_CAP_F16, 32, 64, 64, 0, 4095, 0, false,
     "matmul_nt_tile", "attention_fwd_tile", LARGE_TILES},
    {"radv-navi31", GPU_DISCRETE, AMD | GPU_CAP_F16 | GPU_CAP_COOPMAT, 32, 64, 64, 0, 4095, 0,
     false, "matmul_nt_tile", "attention_fwd_tile", LARGE_TILES},
    {"radv-gfx1151", GPU_INTEGRATED, AMD_NEWEST, 32, 64, 64, 0, 4095, 21845, false, "matmul_nt_tile",
     "attention_fwd_tile", LARGE_TILES},
    {"radv-gfx1201", GPU_DISCRETE, AMD_NEWEST, 32, 64, 64, 0, 4095, 16384, false, "matmul_nt_tile",
     "attention_fwd_tile", LARGE_TILES},
    {"nvk-maxwell", GPU_DISCRETE, NVIDIA, 32, 32, 48, 0, 2048, 8192, false, "matmul_nt_tile",
     "attention_fwd_tile", LARGE_TILES},
    {"nvk-pascal", GPU_DISCRETE, NVIDIA, 32, 32, 48, 0, 2048, 8192, false, "matmul_nt_tile",
     "attention_fwd_tile", LARGE_TILES},
    {"nvk-turing", GPU_DISCRETE, NVIDIA | GPU_CAP_F16 | GPU_CAP_COOPMAT, 32, 32, 48, 0, 2048, 8192, false,
     "matmul_nt_tile", "attention_fwd_tile", LARGE_TILES},
    {"nvk-ada", GPU_DISCRETE, NVIDIA | GPU_CAP_F16 | GPU_CAP_COOPMAT, 32, 32, 48, 0, 2048, 8192, false,
     "matmul_nt_tile", "attention_fwd_tile", LARGE_TILES},
    {"nvk-blackwell", GPU_DISCRETE, NVIDIA | GPU_CAP_F16 | GPU_CAP_COOPMAT, 32, 32, 48, 0, 2048, 8192, false,
     "matmul_nt_tile", "attention_fwd_tile", LARGE_TILES},
    {"anv-skl", GPU_INTEGRATED, INTEL_SHARED, 8, 32, 64, 16, 2048, 2048, true, "matmul_nt_tile",
     "attention_fwd_tile", SMALL_TILES},
    {"anv-tgl", GPU_INTEGRATED, INTEL_SHARED, 8, 32, 64, 16, 2048, 2048, true, "matmul_nt_tile",
     "attention_fwd_tile", SMALL_TILES},
    {"anv-dg2", GPU_DISCRETE, INTEL | GPU_CAP_COOPMAT, 8, 32, 64, 16, 4095, 4096, false,
     "matmul_nt_tile", "attention_fwd_tile", SMALL_TILES},
    {"anv-mtl", GPU_INTEGRATED, INTEL_SHARED, 8, 32, 64, 16, 2048, 2048, false, "matmul_nt_tile",
     "attention_fwd_tile", SMALL_TILES},
    {"anv-lnl", GPU_INTEGRATED, INTEL_SHARED | GPU_CAP_COOPMAT, 16, 32, 128, 16, 2048, 2048, false,
     "matmul_nt_tile", "attention_fwd_tile", SMALL_TILES},
    {"anv-bmg", GPU_DISCRETE, INTEL | GPU_CAP_COOPMAT, 16, 32, 128, 16, 4095, 4096, false,
     "matmul_nt_tile", "attention_fwd_tile", SMALL_TILES},
};

/* A plain product and attention of SmolLM2's sizes. */
static const MatmulPush product = {.m = 512, .n = 1536, .k = 576, .a_stride = 576, .b_stride = 576,
                                   .c_stride = 1536, .alpha = 1};
static const AttentionPush attention = {.rows = 512, .key_rows = 512, .heads = 9, .kv_heads = 3,
                                        .head_dim = 64, .scale = 0.125f};

static bool is_candidate(const char *name, const GpuCaps *caps)
{
    const KernelRow *rows[32];
    size_t count = kernel_candidates(kernel_by_name(name)->family, NULL, caps, rows, COUNT_OF(rows));
    for (size_t i = 0; i < count; i++)
        if (!strcmp(rows[i]->name, name))
            return true;
    return false;
}

static const KernelRow *check_tuning(Test *test, const GpuCaps *caps, const char *family,
                                     const void *push, const char *want)
{
    char text[120] = "";
    size_t used = 0;
    KernelTuning tuning;
    const KernelRow *row = kernel_choose(family, NULL, caps, push);
    if (!CHECK(test, row && kernel_fit(caps, row, NULL, push, &tuning)))
        return NULL;
    for (uint32_t i = 0; i < row->spec_count && used < sizeof text - 12; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%u", i ? "," : "", tuning.spec[i]);
    CHECK_STRING(test, want, text);
    return row;
}

static void check_kernels(Test *test, const Expected *want, const GpuCaps *caps)
{
    size_t bytes;
    const char *why;
    const KernelRow *row = check_tuning(test, caps, "matmul_nt", &product, want->product);
    REQUIRE(test, row != NULL);
    CHECK_STRING(test, want->matmul, row->name);
    row = check_tuning(test, caps, "attention_fwd", &attention, want->forward);
    REQUIRE(test, row != NULL);
    CHECK_STRING(test, want->attention, row->name);
    check_tuning(test, caps, "attention_bwd_kv", &attention, want->backward);
    if (kernel_spirv("matmul_nt_coopmat", &bytes, &why))
        CHECK(test, is_candidate("matmul_nt_coopmat", caps) == ((want->bits & GPU_CAP_COOPMAT) != 0));
    else
        test_skip(test, why);
    /* what a processor plays is not worth trying */
    CHECK(test, (probe_needless(caps, kernel_by_name("matmul_nt_coopmat")) != NULL) == (want->kind == GPU_CPU));
    CHECK(test, !probe_needless(caps, kernel_by_name("matmul_nt_tile")));
}

/* Drivers that no snapshot is from, on the hardware of one that is; then what was measured on the
 * device comes before the table. */
static void check_other_drivers(Test *test, const GpuSnapshot *snapshot)
{
    static const struct { uint32_t driver; const char *product; } drivers[] = {
        {DRIVER_AMD_PROPRIETARY, "256,64,64,16,4,4,1,1"}, {DRIVER_AMDVLK, "256,64,64,16,4,4,1,1"},
        {DRIVER_INTEL_WINDOWS, "256,64,64,16,4,4,1,1"},   {DRIVER_NVIDIA, "64,64,64,16,8,8,1,1"},
        {99, "64,64,64,16,8,8,1,1"},                      /* nobody knows it: the row's default */
    };
    GpuSnapshot other = *snapshot;
    GpuCaps caps;
    for (size_t i = 0; i < COUNT_OF(drivers); i++) {
        other.driver_id = drivers[i].driver;
        REQUIRE_OK(test, caps_build(&other, NULL, &caps));
        const KernelRow *row = check_tuning(test, &caps, "matmul_nt", &product, drivers[i].product);
        CHECK(test, row && strlen(kernel_fit_why(&caps, row)) > 10);
    }
    KernelPolicy policy = {0};
    const KernelRow *row = kernel_by_name("matmul_nt_tile");
    policy_set_tuning(&policy, row->name, &row->tunings[4]);
    policy_set_verdict(&policy, row->name, FINDING_FASTER, "measured here");
    caps.policy = &policy;
    check_tuning(test, &caps, "matmul_nt", &product, "64,32,32,16,4,4,2,1");
    CHECK_STRING(test, "measured here", kernel_fit_why(&caps, row));
}

/* Every line of the table is of a row that there is, legal there, explained, and can be reached. */
static void check_table(Test *test)
{
    for (size_t i = 0; i < tuning_line_count; i++) {
        const TuningLine *line = &tuning_lines[i];
        const GpuCaps caps = {.driver_id = line->driver_id,
                              .subgroup_min = line->subgroup_min ? line->subgroup_min : 32,
                              .subgroup_max = line->subgroup_max ? line->subgroup_max : 64};
        unsigned rows = 0;
        for (size_t k = 0; k < kernel_count(); k++)
            if (tuning_line(&caps, kernel_at(k)) == line) {
                rows++;
                CHECK(test, policy_is_tuning(kernel_at(k), &line->tuning));
            }
        if (!CHECK(test, rows > 0 && strlen(line->why) > 30))
            printf("  line %zu, %s\n", i, line->row);
    }
}

/* Whether a kernel relies on a size of subgroups. */
static bool relies_on_size(const KernelRow *row)
{
    return row && (row->subgroup_spec || row->subgroup_size);
}

/* Had the driver no VK_EXT_subgroup_size_control: Intel's compiler takes 8, 16 or 32 as it likes and
 * names 32, so a size counts as known only where a quirk vouches for it. */
static void check_silent_driver(Test *test, const GpuSnapshot *snapshot)
{
    static const SoftmaxPush push = {.rows = 512, .cols = 512};
    GpuSnapshot silent = *snapshot;
    GpuCaps caps;
    silent.subgroup_size_control = false;
    silent.subgroup_min = silent.subgroup_max = silent.max_subgroups = 0;
    const bool known = snapshot->driver_id == DRIVER_LLVMPIPE || snapshot->driver_id == DRIVER_SWIFTSHADER;
    REQUIRE_OK(test, caps_build(&silent, NULL, &caps));
    CHECK(test, caps.subgroup_size == snapshot->subgroup_size);
    CHECK(test, caps.subgroup_min == (known ? caps.subgroup_size : 0) && caps.subgroup_max == caps.subgroup_min);
    for (size_t i = 0; i < kernel_count() && !known; i++) {
        const KernelRow *row = kernel_at(i);
        KernelTuning tuning;
        if (relies_on_size(row) && !CHECK(test, !is_candidate(row->name, &caps) ||
                                                    !kernel_fit(&caps, row, NULL, row->cases[0].push, &tuning)))
            printf("  %s, %s\n", snapshot->name, row->name);
    }
    CHECK(test, relies_on_size(kernel_choose("softmax_fwd", NULL, &caps, &push)) == known);
    silent.driver_id = DRIVER_NVIDIA;
    silent.subgroup_size = 32;
    REQUIRE_OK(test, caps_build(&silent, NULL, &caps));
    CHECK(test, caps.subgroup_min == 32 && caps.subgroup_max == 32);
    CHECK(test, relies_on_size(kernel_choose("softmax_fwd", NULL, &caps, &push)));
}

static void check_device(Test *test, const Expected *want, const GpuSnapshot *snapshot)
{
    GpuCaps caps;
    const char *problem = caps_problem(snapshot);
    REQUIRE_OK(test, caps_build(snapshot, NULL, &caps));
    CHECK(test, caps.kind == want->kind);
    if (!CHECK(test, caps.bits == want->bits))
        printf("  %s: bits 0x%x, not 0x%x\n", want->file, caps.bits, want->bits);
    CHECK(test, caps.subgroup_min == want->subgroup_min && caps.subgroup_max == want->subgroup_max);
    CHECK(test, caps.shared_bytes == want->shared_kib * 1024);
    CHECK(test, caps.lane_sums == want->lane_sums);
    CHECK(test, caps.storage_range / MIB == want->range_mib);
    CHECK(test, caps.heap_bytes / MIB == want->heap_mib);
    CHECK(test, caps.unified == want->unified);
    CHECK(test, caps_limits_problem(snapshot) == NULL);
    CHECK(test, (problem != NULL) == !want->heap_mib);
    check_kernels(test, want, &caps);
    REQUIRE_OK(test, caps_build(snapshot, "none", &caps));
    CHECK_STRING(test, "matmul_nt_tile", kernel_choose("matmul_nt", NULL, &caps, &product)->name);
}

/* Written and read again, a snapshot says the same. */
static void check_round(Test *test, const GpuSnapshot *snapshot)
{
    GpuSnapshot again;
    cJSON *tree = snapshot_to_json(snapshot);
    REQUIRE_OK(test, snapshot_from_json("again", tree, &again));
    cJSON *second = snapshot_to_json(&again);
    CHECK(test, cJSON_Compare(tree, second, true));
    cJSON_Delete(second);
    cJSON_ReplaceItemInObject(tree, "subgroup_size", cJSON_CreateString("eight"));
    CHECK_STATUS(test, TMB_BAD_INPUT, snapshot_from_json("damaged", tree, &again));
    CHECK_SAYS(test, "subgroup_size");
    cJSON_Delete(tree);
}

static void check_file(Test *test, const char *folder, const Expected *want)
{
    Text path = {0};
    cJSON *tree = NULL;
    GpuSnapshot snapshot;
    text_print(&path, "%s/%s.json", folder, want->file);
    if (CHECK_OK(test, json_read_file(path.data, &tree))) {
        const cJSON *devices = cJSON_GetObjectItemCaseSensitive(tree, "devices");
        CHECK(test, cJSON_GetArraySize(devices) == 1);
        CHECK(test, strlen(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "ran"))) > 10);
        if (CHECK_OK(test, snapshot_from_json(path.data, cJSON_GetArrayItem(devices, 0), &snapshot))) {
            check_device(test, want, &snapshot);
            check_silent_driver(test, &snapshot);
            check_round(test, &snapshot);
            if (!strcmp(want->file, "radv-navi21"))
                check_other_drivers(test, &snapshot);
        }
    }
    cJSON_Delete(tree);
    text_finish(&path);
}

int main(int argc, char **argv)
{
    Test test = {.name = "gpu snapshots"};
    const char *folder = argc > 1 ? argv[1] : "tests/gpu/golden";
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        check_file(&test, folder, &expected[i]);
    check_table(&test);
    return test_end(&test);
}
