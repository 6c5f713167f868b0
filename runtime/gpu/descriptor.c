/* Descriptor sets live as long as the frame that records them: pools are reset as a
 * whole when the frame is begun again, so no set is ever freed or looked up. */
#include <stdlib.h>

#include "base/mem.h"
#include "gpu/internal.h"

static tmb_status add_pool(Gpu *gpu, Frame *frame)
{
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, POOL_SETS * GPU_MAX_BIND};
    const VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = POOL_SETS,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    frame->pools = mem_grow(frame->pools, frame->pool_count + 1, sizeof *frame->pools);
    TRY(gpu_check(gpu, gpu->vk.vkCreateDescriptorPool(gpu->device, &info, NULL,
                                                      &frame->pools[frame->pool_count]),
                  "creating a descriptor pool"));
    frame->pool_count++;
    return TMB_OK;
}

tmb_status descriptor_set(Gpu *gpu, Frame *frame, const GpuDispatch *dispatch,
                          VkDescriptorSet *out)
{
    const uint32_t bind_count = dispatch->pipeline->bind_count;
    PipelineLayout *layout;
    TRY(pipeline_layout(gpu, bind_count, &layout));
    if (frame->pool_sets == POOL_SETS) {
        frame->pool_at++;
        frame->pool_sets = 0;
    }
    if (frame->pool_at == frame->pool_count)
        TRY(add_pool(gpu, frame));
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = frame->pools[frame->pool_at],
        .descriptorSetCount = 1,
        .pSetLayouts = &layout->set,
    };
    TRY(gpu_check(gpu, gpu->vk.vkAllocateDescriptorSets(gpu->device, &info, out),
                  "allocating a descriptor set"));
    frame->pool_sets++;
    if (!bind_count)
        return TMB_OK;
    VkDescriptorBufferInfo slices[GPU_MAX_BIND];
    for (uint32_t i = 0; i < bind_count; i++)
        slices[i] = (VkDescriptorBufferInfo){dispatch->bind[i].buffer->handle,
                                             dispatch->bind[i].offset, dispatch->bind[i].bytes};
    gpu->vk.vkUpdateDescriptorSetWithTemplate(gpu->device, *out, layout->update, slices);
    return TMB_OK;
}

void descriptor_reset(Gpu *gpu, Frame *frame)
{
    uint32_t used = frame->pool_at + (frame->pool_sets ? 1 : 0);
    for (uint32_t i = 0; i < used && i < frame->pool_count; i++)
        gpu->vk.vkResetDescriptorPool(gpu->device, frame->pools[i], 0);
    frame->pool_at = 0;
    frame->pool_sets = 0;
}

void descriptor_finish(Gpu *gpu, Frame *frame)
{
    for (uint32_t i = 0; i < frame->pool_count; i++)
        gpu->vk.vkDestroyDescriptorPool(gpu->device, frame->pools[i], NULL);
    free(frame->pools);
    frame->pools = NULL;
    frame->pool_count = 0;
}
