/* Pipelines are compiled on demand and kept until the device closes; what the driver
 * wants to remember of them lies in the user's cache folder, one file per driver. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "gpu/internal.h"

/* ---- the cache file ------------------------------------------------------- */

/* Drivers have crashed on damaged caches, so the contents carry our own checksum. */
typedef struct CacheHeader {
    char magic[8];
    uint64_t bytes, checksum;
} CacheHeader;

static const char CACHE_MAGIC[8] = "TMBPIPE1";

static uint64_t fnv64(const unsigned char *data, size_t bytes)
{
    uint64_t hash = 14695981039346656037ull;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ data[i]) * 1099511628211ull;
    return hash;
}

static char *cache_path(const GpuSnapshot *snapshot)
{
    char name[96] = "pipelines-";
    char *folder = os_cache_directory();
    if (!folder)
        return NULL;
    for (size_t i = 0; i < sizeof snapshot->cache_uuid; i++)
        snprintf(name + 10 + 2 * i, 3, "%02x", snapshot->cache_uuid[i]);
    size_t used = strlen(name);
    snprintf(name + used, sizeof name - used, "-%08x-%08x.bin", snapshot->device_id,
             snapshot->driver_version);
    char *path = os_join(folder, name);
    free(folder);
    return path;
}

/* The driver's part of the cache file, NULL when there is none that can be trusted. */
static void *cache_read(const char *path, size_t *bytes)
{
    char *data = NULL;
    size_t size = 0;
    CacheHeader header;
    if (!os_exists(path) || os_read_file(path, &data, &size) != TMB_OK)
        return NULL;
    bool good = size > sizeof header;
    if (good)
        memcpy(&header, data, sizeof header);
    good = good && !memcmp(header.magic, CACHE_MAGIC, sizeof header.magic) &&
           header.bytes == size - sizeof header &&
           header.checksum == fnv64((unsigned char *)data + sizeof header, size - sizeof header);
    if (good) {
        *bytes = size - sizeof header;
        memmove(data, data + sizeof header, *bytes);
        return data;
    }
    free(data);
    return NULL;
}

/* A cache that cannot be written costs time at the next start and nothing else. */
static void cache_write(Gpu *gpu)
{
    size_t bytes = 0;
    if (gpu->vk.vkGetPipelineCacheData(gpu->device, gpu->cache, &bytes, NULL) != VK_SUCCESS ||
        !bytes)
        return;
    char *data = mem_try(1, sizeof(CacheHeader) + bytes);
    if (data && gpu->vk.vkGetPipelineCacheData(gpu->device, gpu->cache, &bytes,
                                               data + sizeof(CacheHeader)) == VK_SUCCESS) {
        CacheHeader header = {.bytes = bytes,
                              .checksum = fnv64((unsigned char *)data + sizeof header, bytes)};
        memcpy(header.magic, CACHE_MAGIC, sizeof header.magic);
        memcpy(data, &header, sizeof header);
        (void)!os_write_file(gpu->cache_path, data, sizeof header + bytes);
    }
    free(data);
}

tmb_status pipelines_init(Gpu *gpu)
{
    size_t bytes = 0;
    void *data = NULL;
    /* CPU drivers keep nothing in it (lavapipe has a shader cache of its own) */
    if (gpu->snapshot.kind != GPU_CPU && !gpu->params.compile_only)
        gpu->cache_path = cache_path(&gpu->snapshot);
    if (gpu->cache_path)
        data = cache_read(gpu->cache_path, &bytes);
    const VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = bytes,
        .pInitialData = data,
    };
    tmb_status status = gpu_check(gpu, gpu->vk.vkCreatePipelineCache(gpu->device, &info, NULL,
                                                                     &gpu->cache),
                                  "creating a pipeline cache");
    free(data);
    return status;
}

void pipelines_finish(Gpu *gpu)
{
    if (gpu->cache && gpu->cache_path && gpu->cache_grew)
        cache_write(gpu);
    for (size_t i = 0; i < gpu->pipeline_count; i++) {
        gpu->vk.vkDestroyPipeline(gpu->device, gpu->pipelines[i]->handle, NULL);
        free(gpu->pipelines[i]->name);
        free(gpu->pipelines[i]);
    }
    for (size_t i = 0; i < gpu->layout_count; i++) {
        PipelineLayout *layout = gpu->layouts[i];
        gpu->vk.vkDestroyDescriptorUpdateTemplate(gpu->device, layout->update, NULL);
        gpu->vk.vkDestroyPipelineLayout(gpu->device, layout->pipeline, NULL);
        gpu->vk.vkDestroyDescriptorSetLayout(gpu->device, layout->set, NULL);
        free(layout);
    }
    free(gpu->layouts);
    gpu->vk.vkDestroyPipelineCache(gpu->device, gpu->cache, NULL);
    free(gpu->pipelines);
    free(gpu->cache_path);
    gpu->layouts = NULL;
    gpu->pipelines = NULL;
    gpu->layout_count = gpu->pipeline_count = 0;
    gpu->cache = VK_NULL_HANDLE;
    gpu->cache_path = NULL;
    gpu->cache_grew = false;
}

/* ---- layouts: one per number and kind of bindings ---------------------------------- */

static VkDescriptorType descriptor_type(const PipelineLayout *layout, uint32_t bind)
{
    return layout->texels >> bind & 1u ? VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER
                                       : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
}

static tmb_status create_update_template(Gpu *gpu, PipelineLayout *layout)
{
    VkDescriptorUpdateTemplateEntry entries[GPU_MAX_BIND];
    for (uint32_t i = 0; i < layout->bind_count; i++)
        entries[i] = (VkDescriptorUpdateTemplateEntry){
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType = descriptor_type(layout, i),
            .offset = i * sizeof(DescriptorSource),
            .stride = sizeof(DescriptorSource),
        };
    const VkDescriptorUpdateTemplateCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_UPDATE_TEMPLATE_CREATE_INFO,
        .descriptorUpdateEntryCount = layout->bind_count,
        .pDescriptorUpdateEntries = entries,
        .templateType = VK_DESCRIPTOR_UPDATE_TEMPLATE_TYPE_DESCRIPTOR_SET,
        .descriptorSetLayout = layout->set,
    };
    return gpu_check(gpu, gpu->vk.vkCreateDescriptorUpdateTemplate(gpu->device, &info, NULL,
                                                                   &layout->update),
                     "creating a descriptor update template");
}

static tmb_status create_layout(Gpu *gpu, PipelineLayout *layout)
{
    VkDescriptorSetLayoutBinding bindings[GPU_MAX_BIND];
    for (uint32_t i = 0; i < layout->bind_count; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = descriptor_type(layout, i),
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    const VkDescriptorSetLayoutCreateInfo set_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = layout->bind_count,
        .pBindings = bindings,
    };
    TRY(gpu_check(gpu, gpu->vk.vkCreateDescriptorSetLayout(gpu->device, &set_info, NULL,
                                                           &layout->set),
                  "creating a descriptor set layout"));
    const VkPushConstantRange push = {VK_SHADER_STAGE_COMPUTE_BIT, 0, GPU_MAX_PUSH};
    const VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &layout->set,
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &push,
    };
    TRY(gpu_check(gpu, gpu->vk.vkCreatePipelineLayout(gpu->device, &info, NULL, &layout->pipeline),
                  "creating a pipeline layout"));
    return layout->bind_count ? create_update_template(gpu, layout) : TMB_OK;
}

static tmb_status find_layout(Gpu *gpu, uint32_t bind_count, uint32_t texels, PipelineLayout **out)
{
    for (size_t i = 0; i < gpu->layout_count; i++) {
        *out = gpu->layouts[i];
        if ((*out)->bind_count == bind_count && (*out)->texels == texels)
            return (*out)->pipeline ? TMB_OK : create_layout(gpu, *out);
    }
    *out = MEM_NEW(PipelineLayout);
    (*out)->bind_count = bind_count;
    (*out)->texels = texels;
    gpu->layouts = mem_grow(gpu->layouts, gpu->layout_count + 1, sizeof *gpu->layouts);
    gpu->layouts[gpu->layout_count++] = *out;
    return create_layout(gpu, *out);
}

/* ---- pipelines ------------------------------------------------------------ */

static bool same(const GpuPipeline *pipeline, const GpuPipelineInfo *info)
{
    return pipeline->spec_count == info->spec_count &&
           pipeline->subgroup_size == info->subgroup_size &&
           !memcmp(pipeline->spec, info->spec, info->spec_count * sizeof *info->spec) &&
           !strcmp(pipeline->name, info->name);
}

static tmb_status check_info(const Gpu *gpu, const GpuPipelineInfo *info)
{
    uint32_t binds = gpu->snapshot.storage_buffers_per_stage;
    if (info->bind_count > GPU_MAX_BIND || info->spec_count > GPU_MAX_SPEC ||
        info->push_bytes > GPU_MAX_PUSH || info->push_bytes % 4)
        return fail(TMB_FAILED, "kernel %s: %u bindings, %u constants, %u push bytes exceed %d, %d, %d",
                    info->name, info->bind_count, info->spec_count, info->push_bytes,
                    GPU_MAX_BIND, GPU_MAX_SPEC, GPU_MAX_PUSH);
    if (info->bind_count > binds)
        return fail(TMB_UNSUPPORTED, "kernel %s binds %u buffers, %s allows %u", info->name,
                    info->bind_count, gpu->caps.name, binds);
    if (info->texels && !(gpu->caps.bits & GPU_CAP_TEXEL))
        return fail(TMB_UNSUPPORTED, "kernel %s needs texel buffers, %s has none large enough",
                    info->name, gpu->caps.name);
    if (info->subgroup_size && !(gpu->caps.bits & GPU_CAP_SUBGROUP_SIZE))
        return fail(TMB_UNSUPPORTED, "kernel %s needs subgroups of %u, %s cannot choose their size",
                    info->name, info->subgroup_size, gpu->caps.name);
    return TMB_OK;
}

static tmb_status compile(Gpu *gpu, const GpuPipelineInfo *info, GpuPipeline *pipeline)
{
    VkShaderModule module;
    VkSpecializationMapEntry entries[GPU_MAX_SPEC];
    TRY(find_layout(gpu, info->bind_count, info->texels, &pipeline->layout));
    for (uint32_t i = 0; i < info->spec_count; i++)
        entries[i] = (VkSpecializationMapEntry){i, i * sizeof(uint32_t), sizeof(uint32_t)};
    const VkSpecializationInfo constants = {info->spec_count, entries,
                                            info->spec_count * sizeof(uint32_t), info->spec};
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT subgroup = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO_EXT,
        .requiredSubgroupSize = info->subgroup_size,
    };
    const VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = info->spirv_bytes,
        .pCode = info->spirv,
    };
    TRY(gpu_check(gpu, gpu->vk.vkCreateShaderModule(gpu->device, &module_info, NULL, &module),
                  info->name));
    const VkPipelineCreateFlags told = gpu->params.compile_only && gpu->snapshot.executables
        ? VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR |
              VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR : 0;
    const VkComputePipelineCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = VK_PIPELINE_CREATE_DISPATCH_BASE_BIT | told,
        .stage = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
            .pNext = info->subgroup_size ? &subgroup : NULL,
            .flags = info->subgroup_size
                         ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT : 0,
            .stage = VK_SHADER_STAGE_COMPUTE_BIT,
            .module = module,
            .pName = "main",
            .pSpecializationInfo = &constants,
        },
        .layout = pipeline->layout->pipeline,
    };
    VkResult result = gpu->vk.vkCreateComputePipelines(gpu->device, gpu->cache, 1, &create, NULL,
                                                       &pipeline->handle);
    gpu->vk.vkDestroyShaderModule(gpu->device, module, NULL);
    gpu->cache_grew = true;
    return gpu_check(gpu, result, info->name);
}

tmb_status gpu_pipeline_get(Gpu *gpu, const GpuPipelineInfo *info, GpuPipeline **out)
{
    *out = NULL;
    TRY(lost_check(gpu));
    for (size_t i = 0; i < gpu->pipeline_count; i++)
        if (same(gpu->pipelines[i], info)) {
            *out = gpu->pipelines[i];
            return TMB_OK;
        }
    TRY(check_info(gpu, info));
    GpuPipeline *pipeline = MEM_NEW(GpuPipeline);
    tmb_status status = compile(gpu, info, pipeline);
    if (status != TMB_OK) {
        free(pipeline);
        return fail_in(status, "compiling a kernel on %s: ", gpu->caps.name);
    }
    pipeline->name = mem_string(info->name);
    memcpy(pipeline->access, info->access, sizeof pipeline->access);
    memcpy(pipeline->spec, info->spec, sizeof pipeline->spec);
    pipeline->bind_count = info->bind_count;
    pipeline->push_bytes = info->push_bytes;
    pipeline->spec_count = info->spec_count;
    pipeline->subgroup_size = info->subgroup_size;
    gpu->pipelines = mem_grow(gpu->pipelines, gpu->pipeline_count + 1, sizeof *gpu->pipelines);
    gpu->pipelines[gpu->pipeline_count++] = pipeline;
    *out = pipeline;
    return TMB_OK;
}
