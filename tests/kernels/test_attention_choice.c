/* The tiles of attention on GPUs fit the shared memory of the device and a lane's registers, for
 * every size of head and every tuning. No Vulkan needed. */
#include "attention.push.h"
#include "base/mem.h"
#include "kernels/kernel.h"
#include "test.h"

typedef struct Tile {
    const char *row;
    uint32_t tensors, results;     /* kept of each side in shared memory; summed in registers */
    struct { uint32_t head_dim, rows, columns; } usual[4];   /* the default, in eighths */
} Tile;

static const Tile tiles[] = {
    {"attention_fwd_tile", 1, 1, {{8, 4, 4}, {64, 4, 4}, {96, 4, 4}, {128, 2, 4}}},
    {"attention_bwd_q_tile", 2, 1, {{8, 2, 4}, {64, 2, 4}, {80, 2, 2}, {128, 1, 2}}},
    {"attention_bwd_kv_tile", 2, 2, {{8, 2, 4}, {64, 2, 4}, {80, 2, 2}, {128, 1, 2}}},
};

static AttentionPush with_heads_of(uint32_t head_dim)
{
    return (AttentionPush){.rows = 512, .key_rows = 512, .heads = 8, .kv_heads = 2,
                           .head_dim = head_dim, .scale = 1};
}

/* The arrays that shaders/attention_*_tile.comp declare, counted from their text. */
static uint64_t shared_bytes(const Tile *tile, const uint32_t *spec)
{
    const uint64_t rows = 8 * spec[0], columns = 8 * spec[2], stride = spec[1] / 4 + 1;
    uint64_t bytes = tile->tensors * (rows + columns) * stride * 16 + rows * (columns + 1) * 4;
    bytes += tile->tensors == 1 ? rows * 8 * 4 : 0;      /* partial */
    return bytes + (tile->results == 1 ? rows * 8 : 0);  /* row_span */
}

static void check_tuning(Test *test, const Tile *tile, const GpuCaps *caps, const KernelTuning *asked)
{
    const KernelRow *row = kernel_by_name(tile->row);
    for (uint32_t head_dim = 4; head_dim <= 128; head_dim += 4) {
        const AttentionPush push = with_heads_of(head_dim);
        const uint32_t slices = (head_dim / 4 + 7) / 8;
        KernelTuning tuning;
        bool fits = kernel_fit(caps, row, asked, &push, &tuning);
        /* Vulkan's least is too little for tiles of the largest heads: other rows are chosen */
        CHECK(test, fits || asked || caps->shared_bytes < 32 * 1024);
        CHECK(test, kernel_choose(row->family, NULL, caps, &push) != NULL);
        if (!fits)
            continue;
        CHECK(test, tuning.spec[0] >= 1 && tuning.spec[2] >= 1 && tuning.spec[1] == head_dim);
        CHECK(test, shared_bytes(tile, tuning.spec) <= caps->shared_bytes);
        CHECK(test, tuning.spec[0] == 1 || tuning.spec[0] * slices * 4 * tile->results <= 48);
    }
}

static void every_tuning_fits(Test *test, const Tile *tile)
{
    static const uint32_t shared_kib[] = {16, 32, 48, 64, 227};
    const KernelRow *row = kernel_by_name(tile->row);
    for (size_t i = 0; i < COUNT_OF(shared_kib); i++)
        for (uint32_t sums = 0; sums <= 16; sums += 16) {
            const GpuCaps caps = {.shared_bytes = shared_kib[i] * 1024, .lane_sums = sums,
                                  .max_invocations = 1024};
            check_tuning(test, tile, &caps, NULL);
            for (uint32_t t = 0; t < row->tuning_count; t++)
                check_tuning(test, tile, &caps, &row->tunings[t]);
        }
}

/* Whatever the device: a resumed run must find its tiles again. */
static void heads_choose_the_default(Test *test, const Tile *tile)
{
    const GpuCaps small = {.shared_bytes = 32 * 1024}, large = {.shared_bytes = 64 * 1024};
    for (size_t i = 0; i < COUNT_OF(tile->usual); i++) {
        const AttentionPush push = with_heads_of(tile->usual[i].head_dim);
        KernelTuning one, other;
        REQUIRE(test, kernel_fit(&small, kernel_by_name(tile->row), NULL, &push, &one));
        REQUIRE(test, kernel_fit(&large, kernel_by_name(tile->row), NULL, &push, &other));
        CHECK(test, one.spec[0] == tile->usual[i].rows && one.spec[2] == tile->usual[i].columns);
        CHECK(test, !memcmp(&one, &other, sizeof one));
    }
}

/* A tile beyond 32 KiB is for devices that have it, and the registers to go with it. */
static void large_tiles_need_the_memory(Test *test)
{
    const KernelRow *row = kernel_by_name("attention_bwd_q_tile");
    const KernelTuning *large = &row->tunings[row->tuning_count - 1];
    const AttentionPush push = with_heads_of(64);
    KernelTuning tuning;
    GpuCaps caps = {.shared_bytes = 48 * 1024};
    REQUIRE(test, kernel_fit(&caps, row, large, &push, &tuning));
    CHECK(test, tuning.spec[0] == 4 && tuning.spec[2] == 4);
    caps.lane_sums = 16;
    CHECK(test, !kernel_fit(&caps, row, large, &push, &tuning));
    caps = (GpuCaps){.shared_bytes = 32 * 1024};
    REQUIRE(test, kernel_fit(&caps, row, large, &push, &tuning));
    CHECK(test, shared_bytes(&tiles[1], tuning.spec) <= caps.shared_bytes);
}

int main(void)
{
    Test test = {.name = "attention choice"};
    for (size_t i = 0; i < COUNT_OF(tiles); i++) {
        every_tuning_fits(&test, &tiles[i]);
        heads_choose_the_default(&test, &tiles[i]);
    }
    large_tiles_need_the_memory(&test);
    return test_end(&test);
}
