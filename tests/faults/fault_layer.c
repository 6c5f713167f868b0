/* VK_LAYER_TIMBRE_faults: a Vulkan layer that lies between a program and the driver and lets
 * calls go wrong, so that the program under test needs to know nothing of it.
 *
 *     VK_INSTANCE_LAYERS=VK_LAYER_TIMBRE_faults VK_LAYER_PATH=<folder of the manifest>
 *     TIMBRE_FAULTS=KIND@CALL:WHEN[,KIND@CALL:WHEN…]
 *
 * KIND  lost   VK_ERROR_DEVICE_LOST, which this VkDevice then answers to everything; all memory
 *              it had mapped is overwritten, as after a reset
 *       oom    VK_ERROR_OUT_OF_DEVICE_MEMORY
 *       stall  the call takes TIMBRE_FAULTS_SECONDS (10) longer
 * CALL  submit (vkQueueSubmit), wait (vkWaitForFences), allocate (vkAllocateMemory),
 *       open (vkCreateDevice)
 * WHEN  N      the N-th such call, 1 is the next one
 *       N-M    those from N to M;  N-  all from N on
 *       %P     each with a chance of 1 in P, drawn from TIMBRE_FAULTS_SEED; none with P 0
 *
 * The variable is read at every call, and when its text changes the calls are counted anew: a
 * test in the same process sets it at the moment it means. Every fault, and at the end of a
 * VkDevice the calls counted so far, is a line of the file TIMBRE_FAULTS_LOG. */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#define EXPORT __attribute__((visibility("default")))

typedef enum Call { SUBMIT, WAIT, ALLOCATE, OPEN, CALLS } Call;
static const char *const call_names[CALLS] = {"submit", "wait", "allocate", "open"};

typedef struct Allocation {
    VkDevice device;
    VkDeviceMemory memory;
    VkDeviceSize bytes;
    void *host;
} Allocation;

/* The next layer's functions for one VkInstance or VkDevice. */
typedef struct Link {
    void *key;               /* first word of the handle and of all its children; NULL: free */
    VkInstance instance;
    VkDevice device;         /* NULL for an instance */
    bool lost;
    PFN_vkGetInstanceProcAddr instance_address;
    PFN_vkGetDeviceProcAddr address;
    PFN_vkDestroyInstance destroy_instance;
    PFN_vkDestroyDevice destroy_device;
    PFN_vkQueueSubmit submit;
    PFN_vkWaitForFences wait;
    PFN_vkDeviceWaitIdle idle;
    PFN_vkAllocateMemory allocate;
    PFN_vkFreeMemory free;
    PFN_vkMapMemory map;
} Link;

enum { LINKS = 16, ALLOCATIONS = 1024, TEXT = 512 };

/* A layer has no place of its own to keep these in: one of it serves the whole process. */
static struct Faults {
    pthread_mutex_t mutex;
    Link links[LINKS];
    Allocation allocations[ALLOCATIONS];
    char text[TEXT];         /* TIMBRE_FAULTS when it was last read */
    unsigned long counts[CALLS];
    uint64_t random;
} faults = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- links -------------------------------------------------------------- */

static void *key_of(const void *handle)
{
    return *(void *const *)handle;
}

static Link *link_of(const void *handle)
{
    for (size_t i = 0; i < LINKS; i++)
        if (faults.links[i].key == key_of(handle))
            return &faults.links[i];
    fprintf(stderr, "fault layer: an unknown handle\n");
    abort();
}

static Link *link_add(const void *handle)
{
    for (size_t i = 0; i < LINKS; i++)
        if (!faults.links[i].key) {
            faults.links[i] = (Link){.key = key_of(handle)};
            return &faults.links[i];
        }
    fprintf(stderr, "fault layer: more than %d devices\n", LINKS);
    abort();
}

/* ---- what goes wrong when ----------------------------------------------- */

static void note(const char *format, const char *word, unsigned long number)
{
    const char *path = getenv("TIMBRE_FAULTS_LOG");
    FILE *file = path && *path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file, format, word, number);
    fclose(file);
}

/* splitmix64 */
static uint64_t draw(void)
{
    uint64_t z = faults.random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void read_setting(void)
{
    const char *text = getenv("TIMBRE_FAULTS"), *seed = getenv("TIMBRE_FAULTS_SEED");
    text = text ? text : "";
    if (!strncmp(text, faults.text, TEXT - 1))
        return;
    snprintf(faults.text, TEXT, "%s", text);
    memset(faults.counts, 0, sizeof faults.counts);
    faults.random = seed ? strtoull(seed, NULL, 10) : 0;
}

/* WHEN of one fault against the number of this call. */
static bool is_due(const char *when, unsigned long number)
{
    char *end;
    if (*when == '%') {
        unsigned long long chances = strtoull(when + 1, NULL, 10);
        return chances && draw() % chances == 0;
    }
    unsigned long first = strtoul(when, &end, 10), last = first;
    if (*end == '-')
        last = end[1] >= '0' && end[1] <= '9' ? strtoul(end + 1, NULL, 10) : ~0ul;
    return number >= first && number <= last;
}

typedef enum Kind { NOTHING, LOST, OOM, STALL, KINDS } Kind;

/* Counts a call and says what becomes of it. */
static Kind next_fault(Call call)
{
    static const char *const kinds[KINDS] = {"", "lost", "oom", "stall"};
    read_setting();
    unsigned long number = ++faults.counts[call];
    for (const char *at = faults.text; *at; at += strcspn(at, ","), at += *at == ',') {
        size_t kind_bytes = strcspn(at, "@"), call_bytes = strlen(call_names[call]);
        const char *name = at + kind_bytes + (at[kind_bytes] == '@');
        if (strncmp(name, call_names[call], call_bytes) || name[call_bytes] != ':' ||
            !is_due(name + call_bytes + 1, number))
            continue;
        for (int kind = LOST; kind < KINDS; kind++)
            if (strlen(kinds[kind]) == kind_bytes && !strncmp(at, kinds[kind], kind_bytes)) {
                char what[64];
                snprintf(what, sizeof what, "%s at %s", kinds[kind], call_names[call]);
                note("%s %lu\n", what, number);
                return (Kind)kind;
            }
    }
    return NOTHING;
}

static void stall(void)
{
    const char *text = getenv("TIMBRE_FAULTS_SECONDS");
    double seconds = text ? strtod(text, NULL) : 10;
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

/* What was submitted before ends first: a CPU driver would go on writing into memory that the
 * program, believing the device gone, gives back. */
static VkResult lose(Link *link)
{
    if (!link->device)
        return VK_ERROR_DEVICE_LOST;      /* it was not even opened */
    link->idle(link->device);
    link->lost = true;
    for (size_t i = 0; i < ALLOCATIONS; i++)
        if (faults.allocations[i].device == link->device && faults.allocations[i].host)
            memset(faults.allocations[i].host, 0xfe, faults.allocations[i].bytes);
    return VK_ERROR_DEVICE_LOST;
}

/* VK_SUCCESS: the call goes on to the driver. */
static VkResult decide(const void *handle, Call call, Link *copy)
{
    pthread_mutex_lock(&faults.mutex);
    Link *link = link_of(handle);
    Kind kind = link->lost ? NOTHING : next_fault(call);
    VkResult result = link->lost ? VK_ERROR_DEVICE_LOST
                      : kind == LOST ? lose(link)
                      : kind == OOM ? VK_ERROR_OUT_OF_DEVICE_MEMORY : VK_SUCCESS;
    *copy = *link;
    pthread_mutex_unlock(&faults.mutex);
    if (kind == STALL)
        stall();
    return result;
}

/* ---- the calls ---------------------------------------------------------- */

static VKAPI_ATTR VkResult VKAPI_CALL queue_submit(VkQueue queue, uint32_t count,
                                                   const VkSubmitInfo *submits, VkFence fence)
{
    Link link;
    VkResult result = decide(queue, SUBMIT, &link);
    return result == VK_SUCCESS ? link.submit(queue, count, submits, fence) : result;
}

static VKAPI_ATTR VkResult VKAPI_CALL wait_for_fences(VkDevice device, uint32_t count,
                                                      const VkFence *fences, VkBool32 all,
                                                      uint64_t timeout)
{
    Link link;
    VkResult result = decide(device, WAIT, &link);
    return result == VK_SUCCESS ? link.wait(device, count, fences, all, timeout) : result;
}

static VKAPI_ATTR VkResult VKAPI_CALL device_wait_idle(VkDevice device)
{
    pthread_mutex_lock(&faults.mutex);
    Link link = *link_of(device);
    pthread_mutex_unlock(&faults.mutex);
    VkResult result = link.idle(device);
    return link.lost ? VK_ERROR_DEVICE_LOST : result;
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate_memory(VkDevice device,
                                                      const VkMemoryAllocateInfo *info,
                                                      const VkAllocationCallbacks *callbacks,
                                                      VkDeviceMemory *memory)
{
    Link link;
    VkResult result = decide(device, ALLOCATE, &link);
    result = result == VK_SUCCESS ? link.allocate(device, info, callbacks, memory) : result;
    pthread_mutex_lock(&faults.mutex);
    for (size_t i = 0; result == VK_SUCCESS && i < ALLOCATIONS; i++)
        if (!faults.allocations[i].device) {
            faults.allocations[i] = (Allocation){device, *memory, info->allocationSize, NULL};
            break;
        }
    pthread_mutex_unlock(&faults.mutex);
    return result;
}

static Allocation *allocation_of(VkDevice device, VkDeviceMemory memory)
{
    for (size_t i = 0; i < ALLOCATIONS; i++)
        if (faults.allocations[i].device == device && faults.allocations[i].memory == memory)
            return &faults.allocations[i];
    return NULL;
}

static VKAPI_ATTR void VKAPI_CALL free_memory(VkDevice device, VkDeviceMemory memory,
                                              const VkAllocationCallbacks *callbacks)
{
    pthread_mutex_lock(&faults.mutex);
    Link link = *link_of(device);
    Allocation *allocation = allocation_of(device, memory);
    if (allocation)
        *allocation = (Allocation){0};
    pthread_mutex_unlock(&faults.mutex);
    link.free(device, memory, callbacks);
}

static VKAPI_ATTR VkResult VKAPI_CALL map_memory(VkDevice device, VkDeviceMemory memory,
                                                 VkDeviceSize offset, VkDeviceSize bytes,
                                                 VkMemoryMapFlags flags, void **host)
{
    pthread_mutex_lock(&faults.mutex);
    Link link = *link_of(device);
    VkResult result = link.map(device, memory, offset, bytes, flags, host);
    Allocation *allocation = allocation_of(device, memory);
    /* a part of a block is left as it is */
    if (result == VK_SUCCESS && allocation && !offset && bytes == VK_WHOLE_SIZE)
        allocation->host = *host;
    pthread_mutex_unlock(&faults.mutex);
    return result;
}

/* ---- devices and instances ---------------------------------------------- */

/* The loader hands the next layer's entry points down in the chain of the create-info. */
static VkLayerDeviceCreateInfo *device_chain(const VkDeviceCreateInfo *info)
{
    VkLayerDeviceCreateInfo *chain = (VkLayerDeviceCreateInfo *)info->pNext;
    while (chain && (chain->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO ||
                     chain->function != VK_LAYER_LINK_INFO))
        chain = (VkLayerDeviceCreateInfo *)chain->pNext;
    return chain;
}

static VkLayerInstanceCreateInfo *instance_chain(const VkInstanceCreateInfo *info)
{
    VkLayerInstanceCreateInfo *chain = (VkLayerInstanceCreateInfo *)info->pNext;
    while (chain && (chain->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO ||
                     chain->function != VK_LAYER_LINK_INFO))
        chain = (VkLayerInstanceCreateInfo *)chain->pNext;
    return chain;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical,
                                                    const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *callbacks,
                                                    VkDevice *device)
{
    VkLayerDeviceCreateInfo *chain = device_chain(info);
    Link parent;
    VkResult result = decide(physical, OPEN, &parent);
    if (!chain)
        return VK_ERROR_INITIALIZATION_FAILED;
    if (result != VK_SUCCESS)
        return result;
    PFN_vkGetInstanceProcAddr instance_address =
        chain->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    PFN_vkGetDeviceProcAddr address = chain->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    chain->u.pLayerInfo = chain->u.pLayerInfo->pNext;
    PFN_vkCreateDevice create =
        (PFN_vkCreateDevice)instance_address(parent.instance, "vkCreateDevice");
    result = create(physical, info, callbacks, device);
    if (result != VK_SUCCESS)
        return result;
    pthread_mutex_lock(&faults.mutex);
    Link *link = link_add(*device);
    link->device = *device;
    link->address = address;
    link->destroy_device = (PFN_vkDestroyDevice)address(*device, "vkDestroyDevice");
    link->submit = (PFN_vkQueueSubmit)address(*device, "vkQueueSubmit");
    link->wait = (PFN_vkWaitForFences)address(*device, "vkWaitForFences");
    link->idle = (PFN_vkDeviceWaitIdle)address(*device, "vkDeviceWaitIdle");
    link->allocate = (PFN_vkAllocateMemory)address(*device, "vkAllocateMemory");
    link->free = (PFN_vkFreeMemory)address(*device, "vkFreeMemory");
    link->map = (PFN_vkMapMemory)address(*device, "vkMapMemory");
    pthread_mutex_unlock(&faults.mutex);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_device(VkDevice device,
                                                 const VkAllocationCallbacks *callbacks)
{
    if (!device)
        return;
    pthread_mutex_lock(&faults.mutex);
    Link *at = link_of(device), link = *at;
    *at = (Link){0};
    for (int call = 0; call < CALLS; call++)
        note("%s calls %lu\n", call_names[call], faults.counts[call]);
    pthread_mutex_unlock(&faults.mutex);
    link.destroy_device(device, callbacks);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
                                                      const VkAllocationCallbacks *callbacks,
                                                      VkInstance *instance)
{
    VkLayerInstanceCreateInfo *chain = instance_chain(info);
    if (!chain)
        return VK_ERROR_INITIALIZATION_FAILED;
    PFN_vkGetInstanceProcAddr address = chain->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    chain->u.pLayerInfo = chain->u.pLayerInfo->pNext;
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)address(NULL, "vkCreateInstance");
    VkResult result = create(info, callbacks, instance);
    if (result != VK_SUCCESS)
        return result;
    pthread_mutex_lock(&faults.mutex);
    Link *link = link_add(*instance);
    link->instance = *instance;
    link->instance_address = address;
    link->destroy_instance =
        (PFN_vkDestroyInstance)address(*instance, "vkDestroyInstance");
    pthread_mutex_unlock(&faults.mutex);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_instance(VkInstance instance,
                                                   const VkAllocationCallbacks *callbacks)
{
    if (!instance)
        return;
    pthread_mutex_lock(&faults.mutex);
    Link *at = link_of(instance), link = *at;
    *at = (Link){0};
    pthread_mutex_unlock(&faults.mutex);
    link.destroy_instance(instance, callbacks);
}

/* ---- the loader's way in ------------------------------------------------ */

static PFN_vkVoidFunction our_function(const char *name);

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_address(VkDevice device, const char *name)
{
    PFN_vkVoidFunction ours = our_function(name);
    if (ours || !device)
        return ours;
    pthread_mutex_lock(&faults.mutex);
    Link link = *link_of(device);
    pthread_mutex_unlock(&faults.mutex);
    return link.address(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_address(VkInstance instance,
                                                                 const char *name)
{
    PFN_vkVoidFunction ours = our_function(name);
    if (ours || !instance)
        return ours;
    pthread_mutex_lock(&faults.mutex);
    Link link = *link_of(instance);
    pthread_mutex_unlock(&faults.mutex);
    return link.instance_address(instance, name);
}

static PFN_vkVoidFunction our_function(const char *name)
{
    static const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } ours[] = {
        {"vkGetInstanceProcAddr", (PFN_vkVoidFunction)instance_address},
        {"vkGetDeviceProcAddr", (PFN_vkVoidFunction)device_address},
        {"vkCreateInstance", (PFN_vkVoidFunction)create_instance},
        {"vkDestroyInstance", (PFN_vkVoidFunction)destroy_instance},
        {"vkCreateDevice", (PFN_vkVoidFunction)create_device},
        {"vkDestroyDevice", (PFN_vkVoidFunction)destroy_device},
        {"vkQueueSubmit", (PFN_vkVoidFunction)queue_submit},
        {"vkWaitForFences", (PFN_vkVoidFunction)wait_for_fences},
        {"vkDeviceWaitIdle", (PFN_vkVoidFunction)device_wait_idle},
        {"vkAllocateMemory", (PFN_vkVoidFunction)allocate_memory},
        {"vkFreeMemory", (PFN_vkVoidFunction)free_memory},
        {"vkMapMemory", (PFN_vkVoidFunction)map_memory},
    };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!strcmp(ours[i].name, name))
            return ours[i].function;
    return NULL;
}

EXPORT VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *version)
{
    if (version->loaderLayerInterfaceVersion < 2)
        return VK_ERROR_INITIALIZATION_FAILED;
    version->loaderLayerInterfaceVersion = 2;
    version->pfnGetInstanceProcAddr = instance_address;
    version->pfnGetDeviceProcAddr = device_address;
    version->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
