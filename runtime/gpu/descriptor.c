/* Descriptor sets live as long as the frame that records them: pools are reset as a
 * whole when the frame is begun again, so no set is ever freed or looked up. */
#include <stdlib.h>

#include "base/mem.h"
#include "gpu/internal.h"

static tmb_status add_pool(Gpu *gpu, Frame *frame)
{
    const VkDescriptorPoolSize sizes[] = {
        {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, POOL_SETS * GPU_MAX_BIND},
        {VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER, POOL_SETS * POOL_TEXELS},
    };
    const VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = POOL_SETS,
        .poolSizeCount = COUNT_OF(sizes),
        .pPoolSizes = sizes,
    };
    frame->pools = mem_grow(frame->pools, frame->pool_count + 1, sizeof *frame->pools);
    TRY(gpu_check(gpu, gpu->vk.vkCreateDescriptorPool(gpu->device, &info, NULL,
                                                      &frame->pools[frame->pool_count]),
                  "creating a descriptor pool"));
    frame->pool_count++;
    return TMB_OK;
}

/* Views live and die with the frame's sets: slices are too many and too short-lived to keep
 * them with the buffers, and a view costs less than the dispatch. */
static tmb_status add_view(Gpu *gpu, Frame *frame, const GpuSlice *slice, VkBufferView *out)
{
    if (slice->bytes < 16)
        return fail(TMB_FAILED, "a texel binding of %s covers less than four words",
                    slice->buffer->label);
    const VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = slice->buffer->handle,
        .format = VK_FORMAT_R32G32B32A32_UINT,
        .offset = slice->offset,
        .range = slice->bytes / 16 * 16,
    };
    TRY(gpu_check(gpu, gpu->vk.vkCreateBufferView(gpu->device, &info, NULL, out),
                  "creating a buffer view"));
    if (frame->view_count == frame->view_capacity) {
        frame->view_capacity = frame->view_capacity ? frame->view_capacity * 2 : 256;
        frame->views = mem_grow(frame->views, frame->view_capacity, sizeof *frame->views);
    }
    frame->views[frame->view_count++] = *out;
    return TMB_OK;
}

tmb_status descriptor_set(Gpu *gpu, Frame *frame, const GpuDispatch *dispatch,
                          VkDescriptorSet *out)
{
    const uint32_t bind_count = dispatch->pipeline->bind_count;
    const PipelineLayout *layout = dispatch->pipeline->layout;
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
    DescriptorSource sources[GPU_MAX_BIND];
    for (uint32_t i = 0; i < bind_count; i++) {
        const GpuSlice *slice = &dispatch->bind[i];
        if (layout->texels >> i & 1u)
            TRY(add_view(gpu, frame, slice, &sources[i].view));
        else
            sources[i].slice = (VkDescriptorBufferInfo){slice->buffer->handle, slice->offset,
                                                        slice->bytes};
    }
    gpu->vk.vkUpdateDescriptorSetWithTemplate(gpu->device, *out, layout->update, sources);
    return TMB_OK;
}

void descriptor_reset(Gpu *gpu, Frame *frame)
{
    uint32_t used = frame->pool_at + (frame->pool_sets ? 1 : 0);
    for (uint32_t i = 0; i < used && i < frame->pool_count; i++)
        gpu->vk.vkResetDescriptorPool(gpu->device, frame->pools[i], 0);
    for (size_t i = 0; i < frame->view_count; i++)
        gpu->vk.vkDestroyBufferView(gpu->device, frame->views[i], NULL);
    frame->view_count = 0;
    frame->pool_at = 0;
    frame->pool_sets = 0;
}

void descriptor_finish(Gpu *gpu, Frame *frame)
{
    descriptor_reset(gpu, frame);
    free(frame->views);
    frame->views = NULL;
    frame->view_capacity = 0;
    for (uint32_t i = 0; i < frame->pool_count; i++)
        gpu->vk.vkDestroyDescriptorPool(gpu->device, frame->pools[i], NULL);
    free(frame->pools);
    frame->pools = NULL;
    frame->pool_count = 0;
}
