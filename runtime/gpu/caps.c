#include "gpu/caps.h"

#include <stdlib.h>
#include <string.h>
#include <stdio.h>

#include "base/mem.h"

#define MIB (1024ull * 1024)
#define GIB (1024ull * MIB)

enum { VULKAN_1_2 = (1 << 22) | (2 << 12), FLOOR_INVOCATIONS = 256, FLOOR_BIND = 10 };

static uint32_t snapshot_bits(const GpuSnapshot *s)
{
    const struct { bool present; uint32_t bit; } table[] = {
        {s->kind == GPU_CPU, GPU_CAP_CPU},
        {s->subgroup_arithmetic, GPU_CAP_SUBGROUP},
        {s->subgroup_size_control, GPU_CAP_SUBGROUP_SIZE},
        {s->f16, GPU_CAP_F16},
        {s->storage16, GPU_CAP_STORAGE16},
        {s->int8 && s->storage8, GPU_CAP_INT8},
        {s->coopmat && s->memory_model && s->f16 && s->storage16 && s->shape_count, GPU_CAP_COOPMAT},
        {s->timestamp_bits && s->timestamp_nanoseconds > 0, GPU_CAP_TIMESTAMPS},
        {s->memory_budget, GPU_CAP_MEMORY_BUDGET},
        /* views of four words; that storage texel format is mandatory */
        {s->texel_elements * 16ull >= s->storage_range, GPU_CAP_TEXEL},
    };
    uint32_t bits = 0;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        bits |= table[i].present ? table[i].bit : 0;
    return bits;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* "8M", "1G", "4096": bytes, 0 when unreadable */
static uint64_t parse_bytes(const char *text, size_t length)
{
    char digits[32], *end;
    if (!length || length >= sizeof digits)
        return 0;
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (digits[0] < '0' || digits[0] > '9')
        return 0;
    uint64_t value = strtoull(digits, &end, 10);
    uint64_t unit = *end == 'K' ? 1024 : *end == 'M' ? MIB : *end == 'G' ? GIB : 1;
    if (unit > 1)
        end++;
    return *end || value > UINT64_MAX / unit ? 0 : value * unit;
}

static tmb_status apply_word(const char *word, size_t length, GpuCaps *caps)
{
    if (length == 3 && !memcmp(word, "all", 3))
        return TMB_OK;
    if (length == 4 && !memcmp(word, "none", 4)) {
        caps->bits = 0;
        return TMB_OK;
    }
    if (length > 6 && !memcmp(word, "range=", 6)) {
        uint64_t range = parse_bytes(word + 6, length - 6);
        if (range < 64 * 1024)
            return fail(TMB_USAGE, "--caps %.*s: the range must be at least 64K", (int)length, word);
        caps->storage_range = smaller(caps->storage_range, range / 256 * 256);
        return TMB_OK;
    }
    char *end;
    unsigned long mask = strtoul(word, &end, 0);
    if (length && word[0] >= '0' && word[0] <= '9' && end == word + length) {
        caps->bits &= (uint32_t)mask;
        return TMB_OK;
    }
    return fail(TMB_USAGE, "--caps %.*s is not understood; it takes all, none, a mask such as "
                           "0x3, or range=8M, separated by commas", (int)length, word);
}

static tmb_status apply_text(const char *text, GpuCaps *caps)
{
    while (text && *text) {
        size_t length = strcspn(text, ",");
        TRY(apply_word(text, length, caps));
        text += length + (text[length] == ',');
    }
    return TMB_OK;
}

static bool quirk_meets(const GpuQuirk *quirk, const GpuSnapshot *snapshot)
{
    if (quirk->driver_id != snapshot->driver_id ||
        (quirk->vendor_id && quirk->vendor_id != snapshot->vendor_id) ||
        (quirk->named && !strstr(snapshot->name, quirk->named)) ||
        (quirk->before && snapshot->driver_version >= quirk->before) ||
        (quirk->unit_n && (!snapshot->shape_count || snapshot->shape[0].n != quirk->unit_n)))
        return false;
    for (size_t i = 0; i < COUNT_OF(quirk->spared); i++)
        if (quirk->spared[i] && strstr(snapshot->name, quirk->spared[i]))
            return false;
    return true;
}

static void apply_quirks(const GpuSnapshot *snapshot, GpuCaps *caps)
{
    for (size_t i = 0; i < gpu_quirk_count; i++) {
        const GpuQuirk *quirk = &gpu_quirks[i];
        if (!quirk_meets(quirk, snapshot))
            continue;
        caps->bits &= ~quirk->strikes;
        if (quirk->block_bytes)
            caps->block_bytes = smaller(caps->block_bytes, quirk->block_bytes);
        if (quirk->lane_sums)
            caps->lane_sums = quirk->lane_sums;
        if (quirk->one_subgroup_size && !caps->subgroup_max)
            caps->subgroup_min = caps->subgroup_max = caps->subgroup_size;
    }
}

static void copy_limits(const GpuSnapshot *s, GpuCaps *caps)
{
    caps->subgroup_size = s->subgroup_size;
    caps->max_subgroups = s->max_subgroups;
    /* sizes may vary, too, where none can be asked for; 0: what they may be is not known */
    caps->subgroup_min = s->subgroup_min;
    caps->subgroup_max = s->subgroup_max;
    caps->max_invocations = s->max_invocations < s->max_group_size_x ? s->max_invocations
                                                                     : s->max_group_size_x;
    caps->shared_bytes = s->shared_bytes;
    caps->max_groups = (uint32_t)smaller(smaller(s->max_groups_x, s->max_groups_y),
                                         smaller(s->max_groups_z, 65535));
    caps->max_push_bytes = s->push_bytes;
    caps->storage_range = s->storage_range / 256 * 256;
    caps->block_bytes = smaller(s->allocation_bytes, GIB) / 256 * 256;
    caps->offset_align = s->offset_align > 16 ? s->offset_align : 16;
    if (caps->offset_align < s->texel_align)
        caps->offset_align = s->texel_align;
    caps->timestamp_seconds = s->timestamp_bits ? s->timestamp_nanoseconds * 1e-9 : 0;
}

tmb_status caps_build(const GpuSnapshot *s, const char *text, GpuCaps *out)
{
    GpuCaps caps = {.vendor_id = s->vendor_id, .device_id = s->device_id,
                    .api_version = s->api_version, .driver_id = s->driver_id, .kind = s->kind,
                    .bits = snapshot_bits(s)};
    snprintf(caps.name, sizeof caps.name, "%s", s->name);
    snprintf(caps.driver, sizeof caps.driver, "%.120s %.120s", s->driver_name, s->driver_info);
    memcpy(caps.driver_uuid, s->driver_uuid, sizeof caps.driver_uuid);
    memcpy(caps.device_uuid, s->device_uuid, sizeof caps.device_uuid);
    copy_limits(s, &caps);
    int type = caps_memory_type(s, GPU_HEAP_DEVICE, UINT32_MAX);
    if (type >= 0) {
        const uint32_t direct = MEMORY_HOST_VISIBLE | MEMORY_HOST_COHERENT | MEMORY_HOST_CACHED;
        caps.heap_bytes = s->heap[s->type[type].heap].bytes;
        caps.block_bytes = smaller(caps.block_bytes, caps.heap_bytes);
        caps.unified = (s->kind == GPU_INTEGRATED || s->kind == GPU_CPU) &&
                       (s->type[type].flags & direct) == direct;
    }
    apply_quirks(s, &caps);
    TRY(apply_text(text, &caps));
    if (!(caps.bits & GPU_CAP_TIMESTAMPS))
        caps.timestamp_seconds = 0;
    for (uint32_t i = 0; i < s->shape_count && caps.bits & GPU_CAP_COOPMAT; i++) {
        caps.coopmat[i].m = s->shape[i].m;
        caps.coopmat[i].n = s->shape[i].n;
        caps.coopmat[i].k = s->shape[i].k;
        caps.coopmat_count = i + 1;
    }
    *out = caps;
    return TMB_OK;
}

const char *caps_limits_problem(const GpuSnapshot *s)
{
    if (s->api_version < VULKAN_1_2)
        return "its driver speaks Vulkan below 1.2; a newer driver may help";
    if (s->queue_family == UINT32_MAX)
        return "it has no compute queue";
    if (s->max_invocations < FLOOR_INVOCATIONS || s->storage_buffers_per_stage < FLOOR_BIND ||
        s->push_bytes < GPU_MAX_PUSH)
        return "its limits are below what the kernels need";
    return NULL;
}

const char *caps_problem(const GpuSnapshot *s)
{
    const char *limits = caps_limits_problem(s);
    if (limits)
        return limits;
    if (caps_memory_type(s, GPU_HEAP_DEVICE, UINT32_MAX) < 0 ||
        caps_memory_type(s, GPU_HEAP_STAGING, UINT32_MAX) < 0)
        return "it offers no memory that can be used";
    return NULL;
}

/* Score of a type for device memory: the heap's size decides, because integrated
 * devices often have a small carve-out beside a large shared heap. */
static bool device_type_better(const GpuSnapshot *s, uint32_t a, uint32_t b)
{
    const uint64_t bytes_a = s->heap[s->type[a].heap].bytes;
    const uint64_t bytes_b = s->heap[s->type[b].heap].bytes;
    if (bytes_a != bytes_b)
        return bytes_a > bytes_b;
    const uint32_t direct = MEMORY_HOST_VISIBLE | MEMORY_HOST_COHERENT | MEMORY_HOST_CACHED;
    bool shares = s->kind == GPU_INTEGRATED || s->kind == GPU_CPU;
    uint32_t wanted = shares ? direct : 0;   /* zero copy, or plain video memory */
    bool fits_a = (s->type[a].flags & direct) == wanted;
    bool fits_b = (s->type[b].flags & direct) == wanted;
    return fits_a && !fits_b;
}

static bool staging_type_better(const GpuSnapshot *s, uint32_t a, uint32_t b)
{
    uint32_t flags_a = s->type[a].flags, flags_b = s->type[b].flags;
    if ((flags_a ^ flags_b) & MEMORY_HOST_CACHED)   /* write-combined reads are slow */
        return flags_a & MEMORY_HOST_CACHED;
    if ((flags_a ^ flags_b) & MEMORY_DEVICE_LOCAL)
        return flags_b & MEMORY_DEVICE_LOCAL;
    return s->heap[s->type[a].heap].bytes > s->heap[s->type[b].heap].bytes;
}

int caps_memory_type(const GpuSnapshot *s, GpuHeap heap, uint32_t allowed_bits)
{
    const uint32_t host = MEMORY_HOST_VISIBLE | MEMORY_HOST_COHERENT;
    int best = -1;
    for (uint32_t i = 0; i < s->type_count; i++) {
        uint32_t flags = s->type[i].flags;
        bool suits = heap == GPU_HEAP_STAGING ? (flags & host) == host
                     : s->kind == GPU_INTEGRATED || (flags & MEMORY_DEVICE_LOCAL);
        /* flags above the known four: lazily allocated, protected, device-coherent */
        if (!suits || flags > 15 || !(allowed_bits >> i & 1))
            continue;
        bool better = best < 0 || (heap == GPU_HEAP_STAGING
                                       ? staging_type_better(s, i, (uint32_t)best)
                                       : device_type_better(s, i, (uint32_t)best));
        best = better ? (int)i : best;
    }
    return best;
}

int caps_kind_rank(GpuKind kind)
{
    static const int ranks[] = {[GPU_DISCRETE] = 0, [GPU_INTEGRATED] = 1, [GPU_VIRTUAL] = 2,
                                [GPU_OTHER] = 3, [GPU_CPU] = 4};
    return ranks[kind];
}

const char *caps_kind_name(GpuKind kind)
{
    static const char *const names[] = {
        [GPU_DISCRETE] = "discrete GPU", [GPU_INTEGRATED] = "integrated GPU",
        [GPU_VIRTUAL] = "virtual GPU", [GPU_CPU] = "CPU driver", [GPU_OTHER] = "other device"};
    return names[kind];
}
