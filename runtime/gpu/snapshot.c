/* Asks a physical device everything, once. No decisions here: see caps.c. */
#include "gpu/snapshot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gpu/internal.h"

typedef struct Extensions {
    VkExtensionProperties *list;
    uint32_t count;
} Extensions;

static Extensions extensions_of(VkPhysicalDevice physical)
{
    Extensions found = {0};
    vkEnumerateDeviceExtensionProperties(physical, NULL, &found.count, NULL);
    found.list = MEM_NEW_ARRAY(VkExtensionProperties, found.count);
    vkEnumerateDeviceExtensionProperties(physical, NULL, &found.count, found.list);
    return found;
}

static bool has_extension(const Extensions *extensions, const char *name)
{
    for (uint32_t i = 0; i < extensions->count; i++)
        if (!strcmp(extensions->list[i].extensionName, name))
            return true;
    return false;
}

static GpuKind kind_of(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return GPU_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return GPU_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return GPU_VIRTUAL;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return GPU_CPU;
    default: return GPU_OTHER;
    }
}

static void take_limits(const VkPhysicalDeviceProperties *p, GpuSnapshot *s)
{
    const VkPhysicalDeviceLimits *limits = &p->limits;
    memcpy(s->name, p->deviceName, sizeof s->name);
    memcpy(s->cache_uuid, p->pipelineCacheUUID, sizeof s->cache_uuid);
    s->vendor_id = p->vendorID;
    s->device_id = p->deviceID;
    s->api_version = p->apiVersion;
    s->driver_version = p->driverVersion;
    s->kind = kind_of(p->deviceType);
    s->max_invocations = limits->maxComputeWorkGroupInvocations;
    s->max_group_size_x = limits->maxComputeWorkGroupSize[0];
    s->max_groups_x = limits->maxComputeWorkGroupCount[0];
    s->max_groups_y = limits->maxComputeWorkGroupCount[1];
    s->max_groups_z = limits->maxComputeWorkGroupCount[2];
    s->shared_bytes = limits->maxComputeSharedMemorySize;
    s->push_bytes = limits->maxPushConstantsSize;
    s->storage_buffers_per_stage = limits->maxPerStageDescriptorStorageBuffers;
    s->offset_align = (uint32_t)limits->minStorageBufferOffsetAlignment;
    s->texel_elements = limits->maxTexelBufferElements;
    s->texel_align = (uint32_t)limits->minTexelBufferOffsetAlignment;
    s->storage_range = limits->maxStorageBufferRange;
    /* RADV without a card divides by its clock of 0 Hz */
    s->timestamp_nanoseconds = isfinite(limits->timestampPeriod) ? limits->timestampPeriod : 0;
}

static void take_properties(VkPhysicalDevice physical, const Extensions *extensions,
                            GpuSnapshot *s)
{
    VkPhysicalDeviceSubgroupSizeControlPropertiesEXT size_control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT};
    VkPhysicalDeviceVulkan12Properties v12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES};
    VkPhysicalDeviceVulkan11Properties v11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES, .pNext = &v12};
    VkPhysicalDeviceProperties2 all = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &v11};
    if (has_extension(extensions, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME))
        v12.pNext = &size_control;
    vkGetPhysicalDeviceProperties2(physical, &all);
    memcpy(s->driver_name, v12.driverName, sizeof s->driver_name);
    memcpy(s->driver_info, v12.driverInfo, sizeof s->driver_info);
    s->driver_id = v12.driverID;
    memcpy(s->driver_uuid, v11.driverUUID, sizeof s->driver_uuid);
    memcpy(s->device_uuid, v11.deviceUUID, sizeof s->device_uuid);
    s->allocation_bytes = v11.maxMemoryAllocationSize;
    s->subgroup_size = v11.subgroupSize;
    const VkSubgroupFeatureFlags wanted = VK_SUBGROUP_FEATURE_BASIC_BIT |
        VK_SUBGROUP_FEATURE_ARITHMETIC_BIT | VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
    s->subgroup_arithmetic = (v11.subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                             (v11.subgroupSupportedOperations & wanted) == wanted;
    s->subgroup_min = size_control.minSubgroupSize;
    s->subgroup_max = size_control.maxSubgroupSize;
    s->max_subgroups = size_control.maxComputeWorkgroupSubgroups;
    s->subgroup_size_control = size_control.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT;
}

static void take_features(VkPhysicalDevice physical, const Extensions *extensions,
                          GpuSnapshot *s)
{
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR coopmat = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR};
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT size_control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT};
    VkPhysicalDeviceVulkan12Features v12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceVulkan11Features v11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, .pNext = &v12};
    VkPhysicalDeviceFeatures2 all = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &v11};
    if (has_extension(extensions, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME))
        v12.pNext = &size_control;
    if (has_extension(extensions, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME)) {
        coopmat.pNext = v12.pNext;
        v12.pNext = &coopmat;
    }
    if (has_extension(extensions, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME)) {
        executables.pNext = v12.pNext;
        v12.pNext = &executables;
    }
    vkGetPhysicalDeviceFeatures2(physical, &all);
    s->f16 = v12.shaderFloat16;
    s->int8 = v12.shaderInt8;
    s->int16 = all.features.shaderInt16;
    s->storage16 = v11.storageBuffer16BitAccess;
    s->storage8 = v12.storageBuffer8BitAccess;
    s->memory_model = v12.vulkanMemoryModel && v12.vulkanMemoryModelDeviceScope;
    s->coopmat = coopmat.cooperativeMatrix;
    s->executables = executables.pipelineExecutableInfo;
    s->subgroup_size_control &= size_control.subgroupSizeControl && size_control.computeFullSubgroups;
    s->memory_budget = has_extension(extensions, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
}

static void take_shapes(VkInstance instance, VkPhysicalDevice physical, GpuSnapshot *s)
{
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR ask =
        (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)vkGetInstanceProcAddr(
            instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    uint32_t count = 0;
    if (!s->coopmat || !ask || ask(physical, &count, NULL) != VK_SUCCESS)
        return;
    VkCooperativeMatrixPropertiesKHR *list = MEM_NEW_ARRAY(VkCooperativeMatrixPropertiesKHR, count);
    for (uint32_t i = 0; i < count; i++)
        list[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    if (ask(physical, &count, list) == VK_SUCCESS)
        for (uint32_t i = 0; i < count && s->shape_count < SNAPSHOT_SHAPES; i++) {
            const VkCooperativeMatrixPropertiesKHR *p = &list[i];
            if (p->AType != VK_COMPONENT_TYPE_FLOAT16_KHR || p->BType != p->AType ||
                p->CType != VK_COMPONENT_TYPE_FLOAT32_KHR || p->ResultType != p->CType ||
                p->scope != VK_SCOPE_SUBGROUP_KHR)
                continue;
            s->shape[s->shape_count].m = p->MSize;
            s->shape[s->shape_count].n = p->NSize;
            s->shape[s->shape_count++].k = p->KSize;
        }
    free(list);
}

/* A compute family without graphics keeps the desktop responsive; else any. */
static void take_queue(VkPhysicalDevice physical, GpuSnapshot *s)
{
    uint32_t count = 0;
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, NULL);
    VkQueueFamilyProperties *families = MEM_NEW_ARRAY(VkQueueFamilyProperties, count);
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    s->queue_family = UINT32_MAX;
    int best = -1;
    for (uint32_t i = 0; i < count; i++) {
        VkQueueFlags flags = families[i].queueFlags;
        if (!(flags & VK_QUEUE_COMPUTE_BIT) || !families[i].queueCount)
            continue;
        /* without timestamps nothing can be measured; beside graphics it waits for the desktop */
        int rank = 2 * (families[i].timestampValidBits > 0) + !(flags & VK_QUEUE_GRAPHICS_BIT);
        if (rank <= best)
            continue;
        s->queue_family = i;
        s->timestamp_bits = families[i].timestampValidBits;
        best = rank;
    }
    free(families);
}

static void take_memory(VkPhysicalDevice physical, GpuSnapshot *s)
{
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(physical, &memory);
    s->heap_count = memory.memoryHeapCount;
    s->type_count = memory.memoryTypeCount;
    for (uint32_t i = 0; i < s->heap_count; i++) {
        s->heap[i].bytes = memory.memoryHeaps[i].size;
        s->heap[i].device_local = memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT;
    }
    for (uint32_t i = 0; i < s->type_count; i++) {
        s->type[i].flags = memory.memoryTypes[i].propertyFlags;
        s->type[i].heap = memory.memoryTypes[i].heapIndex;
    }
}

void snapshot_take(VkInstance instance, VkPhysicalDevice physical, GpuSnapshot *out)
{
    *out = (GpuSnapshot){.queue_family = UINT32_MAX};
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(physical, &properties);
    take_limits(&properties, out);
    if (out->api_version < VK_API_VERSION_1_2)
        return;   /* the structures below do not exist for it */
    Extensions extensions = extensions_of(physical);
    take_properties(physical, &extensions, out);
    take_features(physical, &extensions, out);
    take_shapes(instance, physical, out);
    take_queue(physical, out);
    take_memory(physical, out);
    free(extensions.list);
}
