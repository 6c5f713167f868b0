/* libdrm's functions that look for cards, and the C library's that asks the kernel; the dynamic
 * linker finds these first. */
#include "standin.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum {   /* of drm/drm.h and xf86drm.h */
    CALL_VERSION = 0x00, CALL_CAPABILITY = 0x0c, CALL_SYNCHRONISER_NEW = 0xbf,
    DRIVER_FIRST = 0x40, DRIVER_END = 0xa0,
    NODE_RENDER = 2, NODE_COUNT = 3, BUS_PCI = 0
};

/* Of libdrm's; one allocation, as its drmFreeDevice expects. */
typedef struct Device {
    struct {
        char **nodes;
        int available_nodes, bus_type;
        void *bus, *device;
    } public;
    struct { uint16_t domain; uint8_t bus, device, function; } bus;
    struct { uint16_t vendor, device, subvendor, subdevice; uint8_t revision; } pci;
    char *nodes[NODE_COUNT];
    char path[16];
} Device;

struct version {
    int major, minor, patch;
    size_t name_bytes; char *name;
    size_t date_bytes; char *date;
    size_t description_bytes; char *description;
};

/* False: no card is described, and calls go to the kernel. */
static bool card_read(StandinCard *card)
{
    const char *text = getenv(STANDIN_VARIABLE);
    return text && sscanf(text, STANDIN_FORMAT, &card->vendor, &card->device, &card->chip,
                          &card->family, &card->graphics) == 5;
}

uint32_t standin_handle(void)
{
    static atomic_uint last;
    return atomic_fetch_add(&last, 1) + 1;
}

/* /dev/zero can be opened and mapped by all, and no more is asked of it. */
static int device_new(void **out)
{
    StandinCard card;
    Device *one = card_read(&card) ? calloc(1, sizeof *one) : NULL;
    if (!one)
        return -ENODEV;
    one->pci.vendor = one->pci.subvendor = card.vendor;
    one->pci.device = card.device;
    strcpy(one->path, "/dev/zero");
    one->nodes[NODE_RENDER] = one->path;
    one->public.nodes = one->nodes;
    one->public.available_nodes = 1 << NODE_RENDER;
    one->public.bus_type = BUS_PCI;
    one->public.bus = &one->bus;
    one->public.device = &one->pci;
    *out = one;
    return 0;
}

int drmGetDevices2(uint32_t flags, void *devices[], int most);
int drmGetDevices2(uint32_t flags, void *devices[], int most)
{
    StandinCard card;
    (void)flags;
    if (!card_read(&card))
        return 0;
    return !devices ? 1 : most > 0 && device_new(devices) == 0;
}

int drmGetDevice2(int file, uint32_t flags, void **device);
int drmGetDevice2(int file, uint32_t flags, void **device)
{
    (void)file, (void)flags;
    return device_new(device);
}

int drmGetDeviceFromDevId(dev_t number, uint32_t flags, void **device);
int drmGetDeviceFromDevId(dev_t number, uint32_t flags, void **device)
{
    (void)number, (void)flags;
    return device_new(device);
}

int drmGetNodeTypeFromFd(int file);
int drmGetNodeTypeFromFd(int file)
{
    (void)file;
    return NODE_RENDER;
}

/* Versions of Linux 6.16. */
static const struct driver {
    uint16_t vendor;
    const char *name;
    int major, minor;
    int (*answer)(const StandinCard *card, unsigned number, void *argument);
} drivers[] = {
    {STANDIN_AMD, "amdgpu", 3, 64, standin_amdgpu},
    {STANDIN_INTEL, "i915", 1, 6, standin_i915},
    {STANDIN_NVIDIA, "nouveau", 1, 4, standin_nouveau},
};

static const struct driver *driver_of(const StandinCard *card)
{
    size_t i = 0;
    while (i + 1 < sizeof drivers / sizeof drivers[0] && drivers[i].vendor != card->vendor)
        i++;
    return &drivers[i];
}

/* As much of the text as there is room for, and how long it is. */
static void answer_text(const char *text, char *out, size_t *bytes)
{
    if (out)
        memcpy(out, text, strlen(text) < *bytes ? strlen(text) : *bytes);
    *bytes = strlen(text);
}

static int answer_version(const StandinCard *card, struct version *asked)
{
    const struct driver *driver = driver_of(card);
    asked->major = driver->major;
    asked->minor = driver->minor;
    asked->patch = 0;
    answer_text(driver->name, asked->name, &asked->name_bytes);
    answer_text("0", asked->date, &asked->date_bytes);   /* libdrm copies them unseen */
    answer_text(driver->name, asked->description, &asked->description_bytes);
    return 0;
}

static int answer(const StandinCard *card, unsigned number, void *argument)
{
    if (number >= DRIVER_FIRST && number < DRIVER_END)
        return driver_of(card)->answer(card, number - DRIVER_FIRST, argument);
    switch (number) {
    case CALL_VERSION:
        return answer_version(card, argument);
    case CALL_CAPABILITY:
        ((uint64_t *)argument)[1] = 1;
        return 0;
    case CALL_SYNCHRONISER_NEW:
        *(uint32_t *)argument = standin_handle();
        return 0;
    default:
        return 0;
    }
}

/* Everything else comes through here: calls of graphics drivers are of type 'd'. */
int ioctl(int file, unsigned long request, ...)
{
    StandinCard card;
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (_IOC_TYPE(request) != 'd' || !card_read(&card))
        return (int)syscall(SYS_ioctl, file, request, argument);
    int result = answer(&card, (unsigned)_IOC_NR(request), argument);
    if (result == 0)
        return 0;
    errno = -result;
    return -1;
}
