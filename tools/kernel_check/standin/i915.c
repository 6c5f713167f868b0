/* What Intel's cards and graphics of processors answer through Linux's driver, i915. */
#include "standin.h"

#include <errno.h>
#include <string.h>

enum {   /* calls of the driver, and what can be asked of it (drm/i915_drm.h) */
    CALL_GET_PARAMETER = 0x06, CALL_BUFFER_NEW = 0x1b, CALL_TILING = 0x22, CALL_APERTURE = 0x23,
    CALL_BUFFER_MAP = 0x24, CALL_CONTEXT_NEW = 0x2d, CALL_BUFFER_OF_USER = 0x33,
    CALL_CONTEXT_PARAMETER = 0x34, CALL_QUERY = 0x39, CALL_SPACE_NEW = 0x3a, CALL_BUFFER_NEW_EXTENDED = 0x3c,
    PARAMETER_DEVICE = 4, PARAMETER_TRANSLATION = 18, PARAMETER_MAP = 30, PARAMETER_REVISION = 32,
    PARAMETER_HUC = 42, PARAMETER_MAP_APERTURE = 40, PARAMETER_CLOCK = 51, PARAMETER_PROTECTED = 58,
    CONTEXT_BYTES = 3,
    QUERY_UNITS = 1, QUERY_ENGINES = 2, QUERY_MEMORY = 4, QUERY_GRAPHICS_UNITS = 6,
    UNITS = 4   /* in one slice; with `chip` execution units each */
};
static const uint64_t memory_bytes = 4ull << 30, address_bytes = 1ull << 48;

struct parameter { int32_t name; int32_t *value; };
struct context_parameter { uint32_t context, bytes; uint64_t name, value; };
struct query { uint32_t count, flags; uint64_t items; };
struct item { uint64_t asked; int32_t bytes; uint32_t flags; uint64_t answer; };
struct units {
    uint16_t flags, slices, units, execution_units, unit_offset, unit_stride, execution_offset, execution_stride;
    uint8_t masks[2 + 2 * UNITS];
};
struct engines {
    uint32_t count, unused[3];
    struct { uint16_t class, instance; uint32_t unused; uint64_t flags[6]; } list[2];
};
struct regions {
    uint32_t count, unused[3];
    struct { uint16_t class, instance; uint32_t unused; uint64_t bytes, free_bytes, more[8]; } list[2];
};
_Static_assert(sizeof(struct engines) == 16 + 2 * 56 && sizeof(struct regions) == 16 + 2 * 88 &&
               sizeof(struct item) == 24, "as the kernel lays them out");

/* The rest, from 5 on, are things that a driver may do; it may do all but a few. */
static int answer_parameter(const StandinCard *card, const struct parameter *asked)
{
    static const struct { int32_t name, value; } known[] = {
        {PARAMETER_TRANSLATION, 2}, {PARAMETER_MAP, 4}, {PARAMETER_MAP_APERTURE, 4}, {PARAMETER_REVISION, 0},
        {PARAMETER_HUC, 0}, {PARAMETER_CLOCK, 12500000}};
    *asked->value = asked->name == PARAMETER_DEVICE ? card->device : 1;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].name == asked->name)
            *asked->value = known[i].value;
    return asked->name < PARAMETER_DEVICE || asked->name >= PARAMETER_PROTECTED ? -EINVAL : 0;
}

/* Asked with no room, the kernel tells how much the answer needs. */
static void reply(struct item *item, const void *answer, int32_t bytes)
{
    if (item->bytes == 0)
        item->bytes = bytes;
    else if (item->bytes < bytes)
        item->bytes = -EINVAL;
    else
        memcpy((void *)(uintptr_t)item->answer, answer, (size_t)bytes);
}

static void answer_units(const StandinCard *card, struct item *item)
{
    const uint16_t stride = card->chip > 8 ? 2 : 1;
    struct units units = {.slices = 1, .units = UNITS, .execution_units = card->chip, .unit_offset = 1,
                          .unit_stride = 1, .execution_offset = 2, .execution_stride = stride};
    units.masks[0] = 1;
    units.masks[1] = (1 << UNITS) - 1;
    memset(units.masks + 2, 0xff, (size_t)UNITS * stride);
    reply(item, &units, (int32_t)(sizeof units - sizeof units.masks) + 2 + UNITS * stride);
}

static void answer_item(const StandinCard *card, struct item *item)
{
    static const struct engines engines = {.count = 2, .list = {{.class = 0}, {.class = 1}}};   /* drawing, copying */
    const uint32_t regions_here = card->family ? 2 : 1;
    struct regions regions = {.count = regions_here};
    for (uint16_t i = 0; i < regions_here; i++) {
        regions.list[i].class = i;
        regions.list[i].bytes = memory_bytes;
        regions.list[i].free_bytes = UINT64_MAX;
    }
    switch (item->asked) {
    case QUERY_UNITS:
    case QUERY_GRAPHICS_UNITS:
        answer_units(card, item);
        break;
    case QUERY_ENGINES:
        reply(item, &engines, sizeof engines);
        break;
    case QUERY_MEMORY:
        reply(item, &regions, (int32_t)(16 + regions_here * sizeof regions.list[0]));
        break;
    default:
        item->bytes = -EINVAL;
    }
}

int standin_i915(const StandinCard *card, unsigned number, void *argument)
{
    uint32_t *words = argument;
    uint64_t *longs = argument;
    switch (number) {
    case CALL_GET_PARAMETER:
        return answer_parameter(card, argument);
    case CALL_QUERY: {
        const struct query *query = argument;
        for (uint32_t i = 0; i < query->count; i++)
            answer_item(card, (struct item *)(uintptr_t)query->items + i);
        return 0;
    }
    case CALL_BUFFER_NEW:
    case CALL_BUFFER_NEW_EXTENDED:
        words[2] = standin_handle();
        return 0;
    case CALL_BUFFER_OF_USER:
        words[5] = standin_handle();
        return 0;
    case CALL_CONTEXT_NEW:
        words[0] = standin_handle();
        return 0;
    case CALL_SPACE_NEW:
        words[3] = standin_handle();
        return 0;
    case CALL_BUFFER_MAP:
        longs[1] = 0;   /* /dev/zero ends behind its mapping */
        return 0;
    case CALL_TILING:
        words[2] = words[3] = 0;   /* no swizzling */
        return 0;
    case CALL_APERTURE:
        longs[0] = longs[1] = address_bytes;
        return 0;
    case CALL_CONTEXT_PARAMETER: {
        struct context_parameter *asked = argument;
        asked->value = asked->name == CONTEXT_BYTES ? address_bytes : 0;
        return 0;
    }
    default:
        return 0;
    }
}
