/* Opening: which device, whether it really works, and closing. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gpu/internal.h"

enum { TRIAL_BYTES = 4096 };

tmb_status gpu_check(Gpu *gpu, VkResult result, const char *what)
{
    if (result == VK_ERROR_DEVICE_LOST)
        gpu->lost = true;
    return vk_check(result, what);
}

/* ---- creating the VkDevice ------------------------------------------------ */

typedef struct DeviceFeatures {
    VkPhysicalDeviceFeatures2 all;
    VkPhysicalDeviceVulkan11Features v11;
    VkPhysicalDeviceVulkan12Features v12;
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT size_control;
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR coopmat;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables;
    const char *extensions[5];
    uint32_t extension_count;
} DeviceFeatures;

/* Exactly what the capability bits promise is enabled, so that a kernel which uses more
 * than its row says fails here and not on somebody else's card. */
static void choose_features(const GpuSnapshot *s, uint32_t bits, bool compile_only,
                            DeviceFeatures *f)
{
    *f = (DeviceFeatures){
        .all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &f->v11},
        .v11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, .pNext = &f->v12},
        .v12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES},
    };
    void **next = &f->v12.pNext;
    f->v12.shaderFloat16 = (bits & GPU_CAP_F16) != 0;
    f->v11.storageBuffer16BitAccess = (bits & GPU_CAP_STORAGE16) != 0;
    f->all.features.shaderInt16 = (bits & GPU_CAP_STORAGE16) && s->int16;
    f->v12.shaderInt8 = f->v12.storageBuffer8BitAccess = (bits & GPU_CAP_INT8) != 0;
    if (bits & GPU_CAP_SUBGROUP_SIZE) {
        f->size_control = (VkPhysicalDeviceSubgroupSizeControlFeaturesEXT){
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT,
            .subgroupSizeControl = VK_TRUE, .computeFullSubgroups = VK_TRUE};
        *next = &f->size_control;
        next = &f->size_control.pNext;
        f->extensions[f->extension_count++] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
    }
    if (bits & GPU_CAP_COOPMAT) {
        f->coopmat = (VkPhysicalDeviceCooperativeMatrixFeaturesKHR){
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
            .cooperativeMatrix = VK_TRUE};
        *next = &f->coopmat;
        next = &f->coopmat.pNext;
        f->v12.vulkanMemoryModel = f->v12.vulkanMemoryModelDeviceScope = VK_TRUE;
        f->extensions[f->extension_count++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
    }
    if (compile_only && s->executables) {
        f->executables = (VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR){
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
            .pipelineExecutableInfo = VK_TRUE};
        *next = &f->executables;
        f->extensions[f->extension_count++] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    }
    if (bits & GPU_CAP_MEMORY_BUDGET)
        f->extensions[f->extension_count++] = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME;
}

static tmb_status create_device(Gpu *gpu)
{
    DeviceFeatures features;
    choose_features(&gpu->snapshot, gpu->caps.bits, gpu->params.compile_only, &features);
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = gpu->snapshot.queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &features.all,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = features.extension_count,
        .ppEnabledExtensionNames = features.extensions,
    };
    TRY(gpu_check(gpu, vkCreateDevice(gpu->physical, &info, NULL, &gpu->device),
                  "opening the device"));
    volkLoadDeviceTable(&gpu->vk, gpu->device);
    gpu->vk.vkGetDeviceQueue(gpu->device, gpu->snapshot.queue_family, 0, &gpu->queue);
    return TMB_OK;
}

tmb_status device_start(Gpu *gpu)
{
    TRY(create_device(gpu));
    if (!gpu->params.compile_only)
        TRY(stream_init(gpu));
    return pipelines_init(gpu);
}

void gpu_set_policy(Gpu *gpu, struct KernelPolicy *policy)
{
    free(gpu->policy);
    gpu->caps.policy = gpu->policy = policy;
}

tmb_status device_open(const Instance *instance, VkPhysicalDevice physical,
                       const GpuSnapshot *snapshot, const GpuParams *params, Gpu **out)
{
    const char *problem = params->compile_only ? caps_limits_problem(snapshot)
                                               : caps_problem(snapshot);
    if (problem)
        return fail(TMB_NO_DEVICE, "%s", problem);
    Gpu *gpu = MEM_NEW(Gpu);
    tmb_status status = TMB_OK;
    gpu->instance = *instance;
    gpu->physical = physical;
    gpu->snapshot = *snapshot;
    gpu->params = *params;
    TRY_OR(done, status, caps_build(snapshot, params->caps, &gpu->caps));
    if (params->vram_cap && params->vram_cap < gpu->caps.heap_bytes)
        gpu->caps.heap_bytes = params->vram_cap;
    bool cpu = snapshot->kind == GPU_CPU;
    budget_init(&gpu->budget, params->submit_seconds > 0 ? params->submit_seconds : cpu ? 0 : 0.1);
    TRY_OR(done, status, device_start(gpu));
done:
    if (status != TMB_OK)
        device_close(&gpu);
    *out = gpu;
    return status;
}

tmb_status device_trial(Gpu *gpu)
{
    const uint32_t pattern = 0x7ea7ab1e;
    uint32_t got[TRIAL_BYTES / 4];
    GpuBuffer *buffer = NULL;
    tmb_status status = TMB_OK;
    TRY_OR(done, status, gpu_buffer_create(gpu, TRIAL_BYTES, GPU_HEAP_DEVICE, "trial", &buffer));
    TRY_OR(done, status, gpu_fill(gpu, (GpuSlice){buffer, 0, TRIAL_BYTES}, pattern));
    TRY_OR(done, status, gpu_download(gpu, buffer, 0, got, TRIAL_BYTES));
    for (size_t i = 0; i < COUNT_OF(got) && status == TMB_OK; i++)
        if (got[i] != pattern)
            status = fail(TMB_NO_DEVICE, "it did not write what it was told to");
done:
    gpu_buffer_destroy(gpu, &buffer);
    gpu->peak = 0;
    return status;
}

void device_stop(Gpu *gpu)
{
    if (!gpu->device)
        return;
    if (!gpu->params.compile_only)
        gpu->vk.vkDeviceWaitIdle(gpu->device);
    memory_finish(gpu);
    pipelines_finish(gpu);
    if (!gpu->params.compile_only)
        stream_finish(gpu);
    gpu->vk.vkDestroyDevice(gpu->device, NULL);
    gpu->device = NULL;
}

void device_close(Gpu **pointer)
{
    Gpu *gpu = *pointer;
    if (!gpu)
        return;
    device_stop(gpu);
    profile_finish(gpu);
    free(gpu->policy);
    free(gpu);
    *pointer = NULL;
}

/* ---- choosing ------------------------------------------------------------- */

static bool name_contains(const char *name, const char *part)
{
    for (; *name; name++) {
        size_t i = 0;
        while (part[i] && tolower((unsigned char)name[i]) == tolower((unsigned char)part[i]))
            i++;
        if (!part[i])
            return true;
    }
    return false;
}

static bool matches(const GpuSnapshot *snapshot, uint32_t index, const char *wanted)
{
    if (!wanted)
        return true;
    char *end;
    unsigned long number = strtoul(wanted, &end, 10);
    if (*wanted >= '0' && *wanted <= '9' && !*end)
        return number == index;
    return *wanted && name_contains(snapshot->name, wanted);
}

static uint64_t heap_of(const GpuSnapshot *snapshot)
{
    int type = caps_memory_type(snapshot, GPU_HEAP_DEVICE, UINT32_MAX);
    return type < 0 ? 0 : snapshot->heap[snapshot->type[type].heap].bytes;
}

/* Order of trying: kind, then memory, then enumeration. */
static bool preferred(const GpuSnapshot *a, const GpuSnapshot *b)
{
    int rank_a = caps_kind_rank(a->kind), rank_b = caps_kind_rank(b->kind);
    return rank_a != rank_b ? rank_a < rank_b : heap_of(a) > heap_of(b);
}

static void order_by_preference(const GpuSnapshot *snapshots, uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        for (; at > 0 && preferred(&snapshots[i], &snapshots[order[at - 1]]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

static tmb_status open_and_try(const Instance *instance, uint32_t index,
                               const GpuSnapshot *snapshot, const GpuParams *params, Gpu **out)
{
    tmb_status status = device_open(instance, instance->devices[index], snapshot, params, out);
    if (status == TMB_OK)
        (*out)->index = index;
    if (status == TMB_OK && !params->compile_only)
        status = device_trial(*out);
    if (status != TMB_OK)
        device_close(out);
    return status;
}

static void explain(Gpu *gpu, const GpuParams *params, uint32_t found, uint32_t skipped,
                    const char *reasons)
{
    const char *kind = caps_kind_name(gpu->caps.kind);
    const char *because = params->device ? "asked for by name"
                          : found == 1   ? "the only device found"
                          : skipped      ? "the best device that works"
                                         : "the best of the devices found";
    snprintf(gpu->why, sizeof gpu->why, "%s (%s): %s%s", gpu->caps.name, kind, because, reasons);
}

static tmb_status choose(Instance *instance, const GpuSnapshot *snapshots, const GpuParams *params,
                         Gpu **out)
{
    uint32_t *order = MEM_NEW_ARRAY(uint32_t, instance->device_count);
    char reasons[512] = "";
    uint32_t skipped = 0, matched = 0;
    tmb_status status = TMB_NO_DEVICE;
    order_by_preference(snapshots, order, instance->device_count);
    for (uint32_t i = 0; i < instance->device_count && status != TMB_OK; i++) {
        const GpuSnapshot *snapshot = &snapshots[order[i]];
        if (!matches(snapshot, order[i], params->device))
            continue;
        matched++;
        status = open_and_try(instance, order[i], snapshot, params, out);
        if (status == TMB_USAGE)
            break;
        if (status != TMB_OK) {
            size_t used = strlen(reasons);
            snprintf(reasons + used, sizeof reasons - used, "; skipped %.60s: %.150s",
                     snapshot->name, tmb_last_error());
            skipped++;
        }
    }
    free(order);
    if (status == TMB_OK)
        explain(*out, params, instance->device_count, skipped, reasons);
    else if (!matched)
        status = fail(TMB_NO_DEVICE, "no device matches --device %s (%u found); see: timbre devices",
                      params->device ? params->device : "", instance->device_count);
    else if (status != TMB_USAGE)
        status = fail(TMB_NO_DEVICE, "no Vulkan device works%s", reasons);
    return status;
}

/* A setting of the environment, NULL when it is unset or empty. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

tmb_status gpu_open(const GpuParams *given, Gpu **out)
{
    GpuParams chosen = given ? *given : (GpuParams){0};
    const GpuParams *params = &chosen;
    chosen.device = chosen.device ? chosen.device : environment("TIMBRE_DEVICE");
    chosen.caps = chosen.caps ? chosen.caps : environment("TIMBRE_CAPS");
    Instance instance;
    *out = NULL;
    TRY(instance_create(params->validate, &instance));
    GpuSnapshot *snapshots = MEM_NEW_ARRAY(GpuSnapshot, instance.device_count);
    for (uint32_t i = 0; i < instance.device_count; i++)
        snapshot_take(instance.handle, instance.devices[i], &snapshots[i]);
    tmb_status status = choose(&instance, snapshots, params, out);
    if (status != TMB_OK)
        instance_destroy(&instance);
    free(snapshots);
    return status;
}

void gpu_close(Gpu **gpu)
{
    if (!*gpu)
        return;
    Instance instance = (*gpu)->instance;
    device_close(gpu);
    instance_destroy(&instance);
}

const GpuCaps *gpu_caps(const Gpu *gpu)
{
    return &gpu->caps;
}

uint32_t gpu_index(const Gpu *gpu)
{
    return gpu->index;
}

const char *gpu_why(const Gpu *gpu)
{
    return gpu->why;
}

static void list_one(const Instance *instance, uint32_t index, GpuListing *entry)
{
    const GpuParams params = {0};
    GpuSnapshot snapshot;
    Gpu *gpu = NULL;
    snapshot_take(instance->handle, instance->devices[index], &snapshot);
    tmb_status status = caps_build(&snapshot, NULL, &entry->caps);
    entry->memory_free = heap_of(&snapshot);
    if (status == TMB_OK)
        status = open_and_try(instance, index, &snapshot, &params, &gpu);
    if (status == TMB_OK)
        entry->memory_free = memory_available(gpu);
    else
        snprintf(entry->problem, sizeof entry->problem, "%s", tmb_last_error());
    device_close(&gpu);
}

tmb_status gpu_list(GpuListing **out, size_t *count)
{
    Instance instance;
    *out = NULL;
    *count = 0;
    TRY(instance_create(false, &instance));
    *out = MEM_NEW_ARRAY(GpuListing, instance.device_count);
    *count = instance.device_count;
    for (uint32_t i = 0; i < instance.device_count; i++)
        list_one(&instance, i, &(*out)[i]);
    instance_destroy(&instance);
    return TMB_OK;
}

tmb_status gpu_snapshots(GpuSnapshot **out, size_t *count)
{
    Instance instance;
    *out = NULL;
    *count = 0;
    TRY(instance_create(false, &instance));
    *out = MEM_NEW_ARRAY(GpuSnapshot, instance.device_count);
    *count = instance.device_count;
    for (uint32_t i = 0; i < instance.device_count; i++)
        snapshot_take(instance.handle, instance.devices[i], &(*out)[i]);
    instance_destroy(&instance);
    return TMB_OK;
}
