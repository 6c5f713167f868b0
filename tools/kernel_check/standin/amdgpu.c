/* What AMD's cards from RDNA3 on answer through Linux's driver, amdgpu. What compiling hangs on
 * is the family and its revision; counts of units and bytes are those of a middling card. */
#include "standin.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum {   /* calls of the driver, and what can be asked of it (drm/amdgpu_drm.h) */
    CALL_BUFFER_NEW = 0x00, CALL_BUFFER_MAP = 0x01, CALL_CONTEXT = 0x02, CALL_INFO = 0x05,
    INFO_WORKS = 0x00, INFO_ENGINE = 0x02, INFO_ENGINE_COUNT = 0x03, INFO_FIRMWARE = 0x0e,
    INFO_REGISTERS = 0x15, INFO_DEVICE = 0x16, INFO_MEMORY = 0x19,
    ENGINE_GRAPHICS = 0, ENGINE_COMPUTE = 1, REGISTER_ADDRESSES = 0x263e,
    FAMILY_RDNA35 = 150, FLAG_PROCESSOR = 1,   /* graphics of processors, all of that family */
    SHADER_ENGINES = 4, ARRAYS_PER_ENGINE = 2, UNITS_PER_ARRAY = 8
};
static const uint64_t memory_bytes = 16ull << 30;

struct question {
    uint64_t answer;
    uint32_t bytes, asked;
    union {
        struct { uint32_t type, instance; } engine;
        struct { uint32_t first, count, instance, flags; } registers;
    };
};
struct engine {
    uint32_t major, minor;
    uint64_t capabilities;
    uint32_t start_alignment, size_alignment, rings, version;
};
struct heap { uint64_t total, usable, used, largest; };
struct device {
    uint32_t device_id, revision, external_revision, pci_revision, family;
    uint32_t engines, arrays_per_engine, counter_khz;
    uint64_t engine_khz, memory_khz;
    uint32_t units, always_on, unit_masks[4][4];
    uint32_t back_end_mask, back_ends, contexts, bus_generation;
    uint64_t flags, address_first, address_last;
    uint32_t address_alignment, fragment_bytes, page_bytes, constant_bytes, memory_type, memory_bits;
    uint32_t video[2];
    uint64_t primitive_addresses[4];
    uint32_t primitive_sizes[4], subgroup_size, registers, units_per_array, cache_blocks;
    uint32_t geometry[3], bus_lanes, always_on_masks[4][4];
    uint64_t high_address_first, high_address_last;
    uint32_t tile_steering;
    uint64_t caches_off, least_engine_khz, least_memory_khz;
    uint32_t cache_kib, scalar_caches, scalar_kib, instruction_kib, array_kib, shared_kib;
    uint64_t last_cache_bytes;
    uint32_t back_end_mask_high, shadow_bytes, shadow_alignment, save_bytes, save_alignment;
};
_Static_assert(offsetof(struct device, unit_masks) == 56 && offsetof(struct device, flags) == 136 &&
               offsetof(struct device, subgroup_size) == 240 && offsetof(struct device, cache_kib) == 384 &&
               offsetof(struct device, save_alignment) == 432, "as the kernel lays them out");

static struct device device_of(const StandinCard *card)
{
    struct device device = {
        .device_id = card->device, .external_revision = card->chip, .family = card->family,
        .flags = card->family == FAMILY_RDNA35 ? FLAG_PROCESSOR : 0,
        .engines = SHADER_ENGINES, .arrays_per_engine = ARRAYS_PER_ENGINE, .counter_khz = 100000,
        .engine_khz = 2500000, .memory_khz = 1250000,
        .units = SHADER_ENGINES * ARRAYS_PER_ENGINE * UNITS_PER_ARRAY,
        .back_end_mask = 0xffff, .back_ends = 16, .contexts = 8, .bus_generation = 4,
        .address_first = 0x200000, .address_last = 0x800000000000,
        .address_alignment = 4096, .fragment_bytes = 2 << 20, .page_bytes = 4096,
        .memory_type = 9, .memory_bits = 256, .subgroup_size = 32, .registers = 1536,
        .units_per_array = UNITS_PER_ARRAY, .cache_blocks = 16, .geometry = {32, 1792, 32}, .bus_lanes = 16,
        .high_address_first = 0xffff800000000000, .high_address_last = 0xffffffffffe00000,
        .cache_kib = 32, .scalar_caches = 1, .scalar_kib = 16, .instruction_kib = 32, .array_kib = 256,
        .shared_kib = 4096, .last_cache_bytes = 64 << 20};
    for (int e = 0; e < SHADER_ENGINES; e++)
        for (int a = 0; a < ARRAYS_PER_ENGINE; a++)
            device.unit_masks[e][a] = (1u << UNITS_PER_ARRAY) - 1;
    return device;
}

/* As much of the answer as the asker has room for; the rest of the room stays as it is. */
static int reply(const struct question *question, const void *answer, size_t bytes)
{
    memcpy((void *)(uintptr_t)question->answer, answer, bytes < question->bytes ? bytes : question->bytes);
    return 0;
}

static int answer_info(const StandinCard *card, const struct question *question)
{
    const uint32_t one = 1, firmware[2] = {4000, 60};   /* newer than any fault that drivers avoid */
    switch (question->asked) {
    case INFO_WORKS:
    case INFO_ENGINE_COUNT:
        return reply(question, &one, sizeof one);
    case INFO_FIRMWARE:
        return reply(question, firmware, sizeof firmware);
    case INFO_ENGINE: {
        const struct engine engine = {
            .major = (uint32_t)card->graphics >> 8, .minor = card->graphics & 0xff, .start_alignment = 32,
            .size_alignment = 32, .rings = question->engine.type == ENGINE_GRAPHICS ? 1 : 15,
            .version = (uint32_t)card->graphics << 8}, none = {0};
        return reply(question, question->engine.type <= ENGINE_COMPUTE ? &engine : &none, sizeof engine);
    }
    case INFO_REGISTERS:
        for (uint32_t i = 0; i < question->registers.count && 4 * (i + 1) <= question->bytes; i++)
            ((uint32_t *)(uintptr_t)question->answer)[i] =
                question->registers.first + i == REGISTER_ADDRESSES ? 0x545 : 0;
        return 0;
    case INFO_DEVICE: {
        const struct device device = device_of(card);
        return reply(question, &device, sizeof device);
    }
    case INFO_MEMORY: {
        const struct heap heap = {memory_bytes, memory_bytes, 0, memory_bytes / 4 * 3};
        const struct heap heaps[] = {heap, heap, heap};   /* video, its visible part, system */
        return reply(question, heaps, sizeof heaps);
    }
    default:
        return -EINVAL;
    }
}

int standin_amdgpu(const StandinCard *card, unsigned number, void *argument)
{
    switch (number) {
    case CALL_INFO:
        return answer_info(card, argument);
    case CALL_BUFFER_NEW:
    case CALL_CONTEXT:
        *(uint32_t *)argument = standin_handle();
        return 0;
    case CALL_BUFFER_MAP:
        *(uint64_t *)argument = 0;   /* /dev/zero ends behind its mapping */
        return 0;
    default:
        return 0;
    }
}
