/* What a driver tells about the code it made: VK_KHR_pipeline_executable_properties. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "gpu/internal.h"

static double statistic_value(const VkPipelineExecutableStatisticKHR *statistic)
{
    switch (statistic->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: return statistic->value.b32;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR: return (double)statistic->value.i64;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR: return (double)statistic->value.u64;
    default: return statistic->value.f64;
    }
}

static tmb_status take_statistics(Gpu *gpu, const VkPipelineExecutableInfoKHR *info, GpuCode *code)
{
    uint32_t count = 0;
    TRY(gpu_check(gpu, gpu->vk.vkGetPipelineExecutableStatisticsKHR(gpu->device, info, &count, NULL),
                  "asking for a pipeline's statistics"));
    VkPipelineExecutableStatisticKHR *list = MEM_NEW_ARRAY(VkPipelineExecutableStatisticKHR, count);
    for (uint32_t i = 0; i < count; i++)
        list[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
    tmb_status status = gpu_check(
        gpu, gpu->vk.vkGetPipelineExecutableStatisticsKHR(gpu->device, info, &count, list),
        "asking for a pipeline's statistics");
    code->statistics = MEM_NEW_ARRAY(GpuStatistic, count);
    for (; status == TMB_OK && code->count < count; code->count++) {
        GpuStatistic *statistic = &code->statistics[code->count];
        snprintf(statistic->name, sizeof statistic->name, "%.63s", list[code->count].name);
        statistic->value = statistic_value(&list[code->count]);
    }
    free(list);
    return status;
}

/* Asked twice: for the sizes, then for the texts. Drivers that give no text are fine. */
static void take_text(Gpu *gpu, const VkPipelineExecutableInfoKHR *info, GpuCode *code)
{
    typedef VkPipelineExecutableInternalRepresentationKHR Representation;
    uint32_t count = 0;
    Text text = {0};
    size_t last = 0;
    gpu->vk.vkGetPipelineExecutableInternalRepresentationsKHR(gpu->device, info, &count, NULL);
    Representation *list = MEM_NEW_ARRAY(Representation, count);
    for (uint32_t i = 0; i < count; i++)
        list[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR;
    gpu->vk.vkGetPipelineExecutableInternalRepresentationsKHR(gpu->device, info, &count, list);
    for (uint32_t i = 0; i < count; i++)
        list[i].pData = mem_new(list[i].dataSize + 1, 1);
    gpu->vk.vkGetPipelineExecutableInternalRepresentationsKHR(gpu->device, info, &count, list);
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].isText) {
            last = text.bytes;
            text_print(&text, "%s\n", (const char *)list[i].pData);
        }
        free(list[i].pData);
    }
    code->text = text.data;
    code->machine = text.data ? text.data + last : NULL;
    free(list);
}

tmb_status gpu_pipeline_codes(Gpu *gpu, const GpuPipeline *pipeline, GpuCode **out, uint32_t *count)
{
    const VkPipelineInfoKHR info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR,
                                    .pipeline = pipeline->handle};
    *out = NULL;
    *count = 0;
    if (!gpu->params.compile_only || !gpu->snapshot.executables)
        return fail(TMB_UNSUPPORTED, "%s tells nothing about its code", gpu->caps.name);
    TRY(gpu_check(gpu, gpu->vk.vkGetPipelineExecutablePropertiesKHR(gpu->device, &info, count, NULL),
                  "asking for a pipeline's code"));
    VkPipelineExecutablePropertiesKHR *list = MEM_NEW_ARRAY(VkPipelineExecutablePropertiesKHR, *count);
    for (uint32_t i = 0; i < *count; i++)
        list[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR;
    tmb_status status = gpu_check(
        gpu, gpu->vk.vkGetPipelineExecutablePropertiesKHR(gpu->device, &info, count, list),
        "asking for a pipeline's code");
    *out = MEM_NEW_ARRAY(GpuCode, *count);
    for (uint32_t i = 0; i < *count && status == TMB_OK; i++) {
        const VkPipelineExecutableInfoKHR executable = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
            .pipeline = pipeline->handle, .executableIndex = i};
        snprintf((*out)[i].name, sizeof (*out)[i].name, "%.63s", list[i].name);
        (*out)[i].subgroup_size = list[i].subgroupSize;
        status = take_statistics(gpu, &executable, &(*out)[i]);
        if (status == TMB_OK)
            take_text(gpu, &executable, &(*out)[i]);
    }
    free(list);
    if (status != TMB_OK)
        gpu_codes_free(out, *count);
    return status;
}

void gpu_codes_free(GpuCode **codes, uint32_t count)
{
    for (uint32_t i = 0; *codes && i < count; i++) {
        free((*codes)[i].statistics);
        free((*codes)[i].text);
    }
    free(*codes);
    *codes = NULL;
}
