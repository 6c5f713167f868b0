/* The decisions of the device layer, from plain data: no Vulkan needed. */
#include <stdint.h>

#include "base/mem.h"
#include "gpu/budget.h"
#include "gpu/caps.h"
#include "gpu/hazard.h"
#include "test.h"

#define MIB (1024ull * 1024)
#define GIB (1024ull * MIB)

/* The figures of lavapipe 22.3.6 as it answers on a Debian 12 machine. */
static GpuSnapshot lavapipe(void)
{
    return (GpuSnapshot){
        .name = "llvmpipe (LLVM 15.0.6, 256 bits)", .driver_name = "llvmpipe",
        .driver_info = "Mesa 22.3.6 (LLVM 15.0.6)", .vendor_id = 0x10005, .driver_id = 13,
        .api_version = (1u << 22) | (3u << 12) | 230, .kind = GPU_CPU,
        .max_invocations = 1024, .max_group_size_x = 1024, .max_groups_x = 65535,
        .max_groups_y = 65535, .max_groups_z = 65535, .shared_bytes = 32768, .push_bytes = 128,
        .storage_buffers_per_stage = 32, .offset_align = 16, .storage_range = 128 * MIB,
        .texel_elements = 134217728, .texel_align = 16,
        .allocation_bytes = 2 * GIB, .timestamp_nanoseconds = 1, .timestamp_bits = 64,
        .subgroup_size = 8, .subgroup_arithmetic = true, .f16 = true, .int8 = true,
        .int16 = true, .storage16 = true, .storage8 = true, .memory_model = true,
        .heap = {{2 * GIB, true}}, .heap_count = 1, .type = {{15, 0}}, .type_count = 1,
    };
}

/* A made-up discrete card with the usual types: plain, host, cached host, and a window. */
static GpuSnapshot discrete(void)
{
    GpuSnapshot s = lavapipe();
    s.kind = GPU_DISCRETE;
    s.heap[0].bytes = 8 * GIB;
    s.heap[1].bytes = 16 * GIB;
    s.heap[1].device_local = false;
    s.heap_count = 2;
    s.type[0].flags = MEMORY_HOST_VISIBLE | MEMORY_HOST_COHERENT;
    s.type[0].heap = 1;
    s.type[1].flags = MEMORY_DEVICE_LOCAL | MEMORY_HOST_VISIBLE | MEMORY_HOST_COHERENT;
    s.type[1].heap = 0;
    s.type[2].flags = MEMORY_DEVICE_LOCAL;
    s.type[2].heap = 0;
    s.type[3].flags = MEMORY_HOST_VISIBLE | MEMORY_HOST_COHERENT | MEMORY_HOST_CACHED;
    s.type[3].heap = 1;
    s.type_count = 4;
    return s;
}

static void caps_follow_the_snapshot(Test *test)
{
    const GpuSnapshot snapshot = lavapipe();
    GpuCaps caps;
    REQUIRE_OK(test, caps_build(&snapshot, NULL, &caps));
    CHECK(test, caps.bits == (GPU_CAP_CPU | GPU_CAP_SUBGROUP | GPU_CAP_F16 | GPU_CAP_STORAGE16 |
                              GPU_CAP_INT8 | GPU_CAP_TIMESTAMPS | GPU_CAP_TEXEL));
    CHECK(test, caps.storage_range == 128 * MIB);
    CHECK(test, caps.block_bytes == GIB);
    CHECK(test, caps.heap_bytes == 2 * GIB);
    CHECK(test, caps.unified);
    CHECK(test, caps.offset_align == 16);
    CHECK(test, caps.subgroup_min == 8 && caps.subgroup_max == 8);
    CHECK_NEAR(test, 1e-9, caps.timestamp_seconds, 1e-15);
    CHECK(test, caps_problem(&snapshot) == NULL);
}

/* As MoltenVK on Intel: the compiler decides, and cannot be asked. */
static void varying_subgroups_are_known(Test *test)
{
    GpuSnapshot snapshot = discrete();
    GpuCaps caps;
    snapshot.subgroup_size = snapshot.subgroup_max = 32;
    snapshot.subgroup_min = 8;
    REQUIRE_OK(test, caps_build(&snapshot, NULL, &caps));
    CHECK(test, !(caps.bits & GPU_CAP_SUBGROUP_SIZE));
    CHECK(test, caps.subgroup_size == 32 && caps.subgroup_min == 8 && caps.subgroup_max == 32);
}

static void small_texel_buffers_are_not_used(Test *test)
{
    GpuSnapshot snapshot = lavapipe();
    GpuCaps caps;
    snapshot.texel_elements = 65536;   /* the least that Vulkan allows: 1 MiB */
    snapshot.texel_align = 256;
    REQUIRE_OK(test, caps_build(&snapshot, NULL, &caps));
    CHECK(test, !(caps.bits & GPU_CAP_TEXEL) && caps.offset_align == 256);
}

static void caps_text_strikes(Test *test)
{
    const GpuSnapshot snapshot = lavapipe();
    GpuCaps caps;
    REQUIRE_OK(test, caps_build(&snapshot, "none", &caps));
    CHECK(test, caps.bits == 0 && caps.timestamp_seconds == 0);
    REQUIRE_OK(test, caps_build(&snapshot, "range=8M", &caps));
    CHECK(test, caps.storage_range == 8 * MIB && caps.block_bytes == GIB);
    REQUIRE_OK(test, caps_build(&snapshot, "0x9,range=1G", &caps));
    CHECK(test, caps.bits == (GPU_CAP_CPU | GPU_CAP_F16) && caps.storage_range == 128 * MIB);
    const char *const wrong[] = {"nothing", "range=", "range=8X", "range=1", "none;", "0x", "12z",
                                 "range=99999999999999999999999999999999999G", "range=-1"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK_STATUS(test, TMB_USAGE, caps_build(&snapshot, wrong[i], &caps));
}

static void quirks_apply_to_their_driver_only(Test *test)
{
    for (size_t i = 0; i < gpu_quirk_count; i++) {
        GpuSnapshot snapshot = discrete();
        GpuCaps plain, struck;
        snapshot.coopmat = snapshot.subgroup_size_control = true;
        snapshot.shape_count = 1;
        snapshot.shape[0].m = snapshot.shape[0].n = snapshot.shape[0].k = 16;
        REQUIRE_OK(test, caps_build(&snapshot, NULL, &plain));
        CHECK(test, (plain.bits & GPU_CAP_COOPMAT) && plain.coopmat_count == 1);
        if (gpu_quirks[i].unit_n)
            snapshot.shape[0].n = gpu_quirks[i].unit_n;
        snapshot.driver_id = gpu_quirks[i].driver_id;
        snapshot.vendor_id = gpu_quirks[i].vendor_id;
        REQUIRE_OK(test, caps_build(&snapshot, NULL, &struck));
        CHECK(test, !(struck.bits & gpu_quirks[i].strikes));
        CHECK(test, (struck.bits | gpu_quirks[i].strikes) == (plain.bits | gpu_quirks[i].strikes));
        CHECK(test, !gpu_quirks[i].block_bytes || struck.block_bytes <= gpu_quirks[i].block_bytes);
        CHECK(test, (struck.bits & GPU_CAP_COOPMAT) || struck.coopmat_count == 0);
        CHECK(test, strlen(gpu_quirks[i].why) > 20);
    }
}

static void unusable_devices_are_named(Test *test)
{
    GpuSnapshot old = lavapipe(), silent = lavapipe(), bare = lavapipe(), poor = lavapipe();
    old.api_version = (1u << 22) | (1u << 12);
    silent.queue_family = UINT32_MAX;
    bare.heap_count = bare.type_count = 0;
    poor.push_bytes = 64;
    CHECK(test, caps_problem(&old) && strstr(caps_problem(&old), "1.2"));
    CHECK(test, caps_problem(&silent) && strstr(caps_problem(&silent), "queue"));
    CHECK(test, caps_problem(&bare) && strstr(caps_problem(&bare), "memory"));
    CHECK(test, caps_problem(&poor) != NULL);
}

static void memory_types_are_chosen(Test *test)
{
    GpuSnapshot s = discrete();
    CHECK(test, caps_memory_type(&s, GPU_HEAP_DEVICE, UINT32_MAX) == 2);
    CHECK(test, caps_memory_type(&s, GPU_HEAP_STAGING, UINT32_MAX) == 3);
    CHECK(test, caps_memory_type(&s, GPU_HEAP_STAGING, 7) == 0);
    CHECK(test, caps_memory_type(&s, GPU_HEAP_DEVICE, 9) == -1);
    /* a laptop's carve-out of 512 MiB beside 16 GiB of shared memory */
    s.kind = GPU_INTEGRATED;
    s.heap[0].bytes = 512 * MIB;
    CHECK(test, caps_memory_type(&s, GPU_HEAP_DEVICE, UINT32_MAX) == 3);
    GpuCaps caps;
    REQUIRE_OK(test, caps_build(&s, NULL, &caps));
    CHECK(test, caps.unified && caps.heap_bytes == 16 * GIB);
    /* protected and lazily allocated types are never taken */
    s = discrete();
    s.type[2].flags |= 0x20;
    CHECK(test, caps_memory_type(&s, GPU_HEAP_DEVICE, UINT32_MAX) == 1);
}

static bool add(Hazards *hazards, uint64_t id, uint64_t begin, uint64_t end, bool writes)
{
    const HazardAccess access = {id, begin, end, writes};
    return hazard_add(hazards, &access, 1);
}

static void hazards_are_found(Test *test)
{
    Hazards hazards = {.count = 0};
    CHECK(test, !add(&hazards, 1, 0, 64, false));
    CHECK(test, !add(&hazards, 1, 0, 64, false));     /* read after read */
    CHECK(test, !add(&hazards, 1, 64, 128, true));    /* neighbours do not touch */
    CHECK(test, !add(&hazards, 2, 0, 64, true));      /* another buffer */
    CHECK(test, add(&hazards, 1, 63, 64, true));      /* write after read */
    CHECK(test, !add(&hazards, 1, 64, 128, true));    /* the barrier covered the old write */
    CHECK(test, add(&hazards, 1, 0, 1000, true));     /* write after write, enclosing */
    CHECK(test, add(&hazards, 1, 999, 1000, false));  /* read after write */
    CHECK(test, !add(&hazards, 1, 0, 999, false));
    const HazardAccess in_place[] = {{3, 0, 64, false}, {3, 0, 64, true}};
    CHECK(test, !hazard_add(&hazards, in_place, 2));  /* one command does not wait for itself */
    CHECK(test, hazard_add(&hazards, in_place, 2));
}

static void a_full_list_gets_a_barrier(Test *test)
{
    Hazards hazards = {.count = 0};
    unsigned barriers = 0;
    for (uint64_t i = 0; i < 3 * HAZARD_CAPACITY; i++)
        barriers += add(&hazards, i, 0, 64, true);
    CHECK(test, barriers == 2);
    CHECK(test, add(&hazards, 3 * HAZARD_CAPACITY - 1, 0, 64, true));
}

static void pieces_cover_the_grid_once(Test *test)
{
    const uint32_t grids[][3] = {{1, 1, 1}, {7, 1, 1}, {65535, 3, 1}, {5, 6, 7}, {2, 900, 3}};
    for (size_t g = 0; g < COUNT_OF(grids); g++)
        for (uint32_t pieces = 1; pieces <= 5; pieces++) {
            uint64_t total = 0;
            uint32_t base[3], count[3], next[3] = {0, 0, 0};
            for (uint32_t piece = 0; piece < pieces; piece++) {
                budget_piece(grids[g], piece, pieces, base, count);
                total += (uint64_t)count[0] * count[1] * count[2];
                for (int i = 0; i < 3; i++)     /* follows on, or spans the whole side */
                    CHECK(test, base[i] == next[i] || (base[i] == 0 && count[i] == grids[g][i]));
                for (int i = 0; i < 3; i++)
                    next[i] = base[i] + count[i];
            }
            CHECK(test, total == (uint64_t)grids[g][0] * grids[g][1] * grids[g][2]);
        }
}

static void the_budget_learns(Test *test)
{
    Budget budget;
    const uint32_t groups[3] = {100, 2, 1};
    budget_init(&budget, 0.1);
    double first = budget_cost(&budget, 1e12, 0);
    CHECK(test, first > 1 && budget_pieces(&budget, first, groups) == 100);
    CHECK(test, budget_pieces(&budget, 0.35, groups) == 4);
    CHECK(test, budget_pieces(&budget, 0.1, groups) == 1);
    budget_learn(&budget, 0.1, 0.4);            /* four times slower: believed at once */
    CHECK_NEAR(test, 4 * first, budget_cost(&budget, 1e12, 0), 1e-9);
    for (int i = 0; i < 100; i++) {             /* a device of 2 TFLOP/s and 200 GB/s */
        double estimate = budget_cost(&budget, 1e11, 0);
        budget_learn(&budget, estimate, 0.05);
    }
    CHECK_NEAR(test, 0.05, budget_cost(&budget, 1e11, 0), 0.005);
    double before = budget.flops_per_second;
    budget_learn(&budget, 1e-6, 1e-3);          /* launch overhead says nothing of the rate */
    CHECK(test, budget.flops_per_second == before);
    budget_init(&budget, 0);
    CHECK(test, budget_pieces(&budget, 1e6, groups) == 1);
}

int main(void)
{
    Test test = {.name = "gpu decisions"};
    caps_follow_the_snapshot(&test);
    varying_subgroups_are_known(&test);
    small_texel_buffers_are_not_used(&test);
    caps_text_strikes(&test);
    quirks_apply_to_their_driver_only(&test);
    unusable_devices_are_named(&test);
    memory_types_are_chosen(&test);
    hazards_are_found(&test);
    a_full_list_gets_a_barrier(&test);
    pieces_cover_the_grid_once(&test);
    the_budget_learns(&test);
    return test_end(&test);
}
