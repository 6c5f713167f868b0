/* What NVIDIA's cards answer through Linux's own driver, nouveau. */
#include "standin.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

enum {   /* calls of the driver, and what can be asked of it (drm/nouveau_drm.h) */
    CALL_GET_PARAMETER = 0x00, CALL_OBJECT = 0x07, CALL_BUFFER_NEW = 0x40,
    PARAMETER_PCI_VENDOR = 3, PARAMETER_PCI_DEVICE = 4, PARAMETER_BUS = 5,
    PARAMETER_VIDEO_MEMORY = 8, PARAMETER_SYSTEM_MEMORY = 9, PARAMETER_CHIP = 11, PARAMETER_UNITS = 13,
    PARAMETER_PUSHES = 17, PARAMETER_WINDOW = 18, PARAMETER_USED = 19, PARAMETER_TILED = 20,
    OBJECT_CLASSES = 1, OBJECT_METHOD = 4, METHOD_INFO = 0, BUS_EXPRESS = 3
};
static const uint64_t video_bytes = 8ull << 30, system_bytes = 8ull << 30, page_bytes = 1ull << 16;

struct parameter { uint64_t name, value; };
struct buffer_new {
    uint32_t handle, domain;
    uint64_t size, offset, map_handle;
    uint32_t tile_mode, tile_flags, channel, align;
};
struct object_call { uint8_t version, type, unused[4], owner, route; uint64_t token, object; };
struct object_classes {
    struct object_call call;
    uint8_t version, count, unused[6];
    struct { int32_t number; int16_t least, most; } list[];
};
struct object_info {
    struct object_call call;
    uint8_t version, method, unused[6];
    uint8_t info_version, platform;
    uint16_t chip;
    uint8_t revision, family, unused_too[2];
    uint64_t bytes, bytes_for_users;
    char chip_name[16], name[64];
};
_Static_assert(sizeof(struct object_call) == 24 && sizeof(struct object_info) == 136 &&
               offsetof(struct object_classes, list) == 32, "as the kernel lays them out");

/* Engines of each generation, by the chip's number without its last digit: copying, drawing,
 * computing. 2D and uploads are the same in all. */
static const struct { uint16_t chips, copy, draw, compute; } generations[] = {
    {0x0e0, 0xa0b5, 0xa097, 0xa0c0}, {0x0f0, 0xa0b5, 0xa197, 0xa1c0},   /* Kepler */
    {0x110, 0xb0b5, 0xb097, 0xb0c0}, {0x120, 0xb0b5, 0xb197, 0xb1c0},   /* Maxwell */
    {0x130, 0xc1b5, 0xc197, 0xc1c0}, {0x140, 0xc3b5, 0xc397, 0xc3c0},   /* Pascal, Volta */
    {0x160, 0xc5b5, 0xc597, 0xc5c0}, {0x170, 0xc7b5, 0xc797, 0xc7c0},   /* Turing, Ampere */
    {0x190, 0xc7b5, 0xc997, 0xc9c0}, {0x1b0, 0xcab5, 0xce97, 0xcec0},   /* Ada, Blackwell */
};

static int answer_parameter(const StandinCard *card, struct parameter *asked)
{
    const struct parameter known[] = {
        {PARAMETER_PCI_VENDOR, card->vendor}, {PARAMETER_PCI_DEVICE, card->device},
        {PARAMETER_BUS, BUS_EXPRESS}, {PARAMETER_VIDEO_MEMORY, video_bytes},
        {PARAMETER_SYSTEM_MEMORY, system_bytes}, {PARAMETER_CHIP, card->chip},
        {PARAMETER_UNITS, 0x01001004},   /* 4 clusters with 16 pairs of processors */
        {PARAMETER_PUSHES, 510}, {PARAMETER_WINDOW, video_bytes}, {PARAMETER_USED, page_bytes},
        {PARAMETER_TILED, 1}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].name == asked->name) {
            asked->value = known[i].value;
            return 0;
        }
    return -EINVAL;
}

static int answer_classes(const StandinCard *card, struct object_classes *asked)
{
    const uint16_t upload = card->chip < 0xf0 ? 0xa040 : 0xa140, flat = 0x902d;
    for (size_t i = 0; i < sizeof generations / sizeof generations[0]; i++) {
        const uint16_t classes[] = {upload, flat, generations[i].copy, generations[i].draw,
                                    generations[i].compute};
        if (generations[i].chips != (card->chip & 0xfff0))
            continue;
        for (uint8_t c = 0; c < 5 && c < asked->count; c++)
            asked->list[c].number = classes[c], asked->list[c].least = asked->list[c].most = -1;
        asked->count = 5;
        return 0;
    }
    return -ENODEV;
}

static int answer_object(const StandinCard *card, struct object_call *call)
{
    struct object_info *info = (struct object_info *)(void *)call;
    if (call->type == OBJECT_CLASSES)
        return answer_classes(card, (struct object_classes *)(void *)call);
    if (call->type != OBJECT_METHOD || info->method != METHOD_INFO)
        return 0;
    info->platform = BUS_EXPRESS;
    info->chip = card->chip;
    snprintf(info->chip_name, sizeof info->chip_name, "NV%X", card->chip);
    info->bytes = info->bytes_for_users = video_bytes;
    return 0;
}

int standin_nouveau(const StandinCard *card, unsigned number, void *argument)
{
    switch (number) {
    case CALL_GET_PARAMETER:
        return answer_parameter(card, argument);
    case CALL_OBJECT:
        return answer_object(card, argument);
    case CALL_BUFFER_NEW:
        ((struct buffer_new *)argument)->handle = standin_handle();
        ((struct buffer_new *)argument)->map_handle = 0;   /* /dev/zero ends behind its mapping */
        return 0;
    default:
        return 0;
    }
}
