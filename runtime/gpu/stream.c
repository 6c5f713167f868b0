/* Recording and submitting. Command buffers are recorded anew for every submit; three
 * frames take turns. Barriers come from hazard.c, the length of a submit from budget.c. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "gpu/internal.h"

static const VkPipelineStageFlags WORK_STAGES =
    VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
static const VkAccessFlags WORK_WRITES = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
static const VkAccessFlags WORK_ACCESS = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                                         VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;

/* ---- frames --------------------------------------------------------------- */

static tmb_status frame_init(Gpu *gpu, Frame *frame)
{
    const VkCommandBufferAllocateInfo commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = gpu->command_pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    const VkQueryPoolCreateInfo queries = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = FRAME_QUERIES,
    };
    TRY(gpu_check(gpu, gpu->vk.vkAllocateCommandBuffers(gpu->device, &commands, &frame->commands),
                  "allocating a command buffer"));
    TRY(gpu_check(gpu, gpu->vk.vkCreateFence(gpu->device, &fence, NULL, &frame->fence),
                  "creating a fence"));
    if (!(gpu->caps.bits & GPU_CAP_TIMESTAMPS))
        return TMB_OK;
    return gpu_check(gpu, gpu->vk.vkCreateQueryPool(gpu->device, &queries, NULL, &frame->queries),
                     "creating a query pool");
}

tmb_status stream_init(Gpu *gpu)
{
    const VkCommandPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT |
                 VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = gpu->snapshot.queue_family,
    };
    TRY(gpu_check(gpu, gpu->vk.vkCreateCommandPool(gpu->device, &info, NULL, &gpu->command_pool),
                  "creating a command pool"));
    for (int i = 0; i < FRAME_COUNT; i++)
        TRY(frame_init(gpu, &gpu->frames[i]));
    return TMB_OK;
}

void stream_finish(Gpu *gpu)
{
    for (int i = 0; i < FRAME_COUNT; i++) {
        Frame *frame = &gpu->frames[i];
        descriptor_finish(gpu, frame);
        gpu->vk.vkDestroyFence(gpu->device, frame->fence, NULL);
        gpu->vk.vkDestroyQueryPool(gpu->device, frame->queries, NULL);
    }
    gpu->vk.vkDestroyCommandPool(gpu->device, gpu->command_pool, NULL);
    memset(gpu->frames, 0, sizeof gpu->frames);
    gpu->command_pool = VK_NULL_HANDLE;
    gpu->frame_at = 0;
    gpu->hazards.count = 0;
}

tmb_status stream_frame_wait(Gpu *gpu, Frame *frame)
{
    if (!frame->in_flight)
        return TMB_OK;
    /* no time limit: a stalled device is waited for, and a watchdog ends what hangs */
    double started = os_seconds();
    TRY(gpu_check(gpu, gpu->vk.vkWaitForFences(gpu->device, 1, &frame->fence, VK_TRUE, UINT64_MAX),
                  "waiting for the device"));
    lost_watch(gpu, os_seconds() - started);
    frame->in_flight = false;
    return profile_collect(gpu, frame);
}

tmb_status stream_frame(Gpu *gpu, Frame **out)
{
    TRY(lost_check(gpu));
    Frame *frame = &gpu->frames[gpu->frame_at];
    *out = frame;
    if (frame->recording)
        return TMB_OK;
    TRY(stream_frame_wait(gpu, frame));
    const VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    TRY(gpu_check(gpu, gpu->vk.vkResetFences(gpu->device, 1, &frame->fence), "resetting a fence"));
    descriptor_reset(gpu, frame);
    TRY(gpu_check(gpu, gpu->vk.vkBeginCommandBuffer(frame->commands, &info),
                  "beginning a command buffer"));
    frame->recording = true;
    frame->dispatches = 0;
    frame->cost = 0;
    profile_begin(gpu, frame);
    return TMB_OK;
}

/* ---- order ---------------------------------------------------------------- */

static void barrier(Gpu *gpu, Frame *frame)
{
    const VkMemoryBarrier all = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = WORK_WRITES,
        .dstAccessMask = WORK_ACCESS,
    };
    gpu->vk.vkCmdPipelineBarrier(frame->commands, WORK_STAGES, WORK_STAGES, 0, 1, &all, 0, NULL, 0,
                                 NULL);
}

void stream_order(Gpu *gpu, Frame *frame, const HazardAccess *accesses, size_t count)
{
    bool needed = hazard_add(&gpu->hazards, accesses, count);
    /* timed commands must not overlap, or their times would count twice */
    if (needed || gpu->params.profile)
        barrier(gpu, frame);
}

/* Results become visible to the host once the fence is signalled. */
static void host_barrier(Gpu *gpu, Frame *frame)
{
    const VkMemoryBarrier all = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = WORK_WRITES,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    gpu->vk.vkCmdPipelineBarrier(frame->commands, WORK_STAGES, VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
                                 &all, 0, NULL, 0, NULL);
}

/* ---- dispatches ----------------------------------------------------------- */

static tmb_status check_slice(const Gpu *gpu, const char *name, uint32_t bind, GpuSlice slice)
{
    if (!slice.buffer || !slice.bytes)
        return fail(TMB_FAILED, "%s: binding %u has no memory", name, bind);
    if (slice.offset % gpu->caps.offset_align)
        return fail(TMB_FAILED, "%s: binding %u starts at %" PRIu64 ", which is no multiple of %u",
                    name, bind, slice.offset, gpu->caps.offset_align);
    if (slice.offset > slice.buffer->bytes || slice.bytes > slice.buffer->bytes - slice.offset)
        return fail(TMB_FAILED, "%s: binding %u covers %" PRIu64 " bytes at %" PRIu64
                    ", but the buffer %s has %" PRIu64, name, bind, slice.bytes, slice.offset,
                    slice.buffer->label, slice.buffer->bytes);
    if (slice.bytes > gpu->caps.storage_range)
        return fail(TMB_OUT_OF_DEVICE, "%s: binding %u covers %" PRIu64 " bytes, but %s binds "
                    "at most %" PRIu64 "; the tensor must be split", name, bind, slice.bytes,
                    gpu->caps.name, gpu->caps.storage_range);
    return TMB_OK;
}

tmb_status stream_check(Gpu *gpu, const GpuDispatch *dispatch)
{
    const GpuPipeline *pipeline = dispatch->pipeline;
    TRY(lost_check(gpu));
    for (uint32_t i = 0; i < pipeline->bind_count; i++)
        TRY(check_slice(gpu, pipeline->name, i, dispatch->bind[i]));
    for (int i = 0; i < 3; i++)
        if (dispatch->groups[i] > gpu->caps.max_groups)
            return fail(TMB_FAILED, "%s: %u workgroups in dimension %d exceed %u", pipeline->name,
                        dispatch->groups[i], i, gpu->caps.max_groups);
    return TMB_OK;
}

static size_t accesses_of(const GpuDispatch *dispatch, HazardAccess out[GPU_MAX_BIND])
{
    const GpuPipeline *pipeline = dispatch->pipeline;
    for (uint32_t i = 0; i < pipeline->bind_count; i++) {
        const GpuSlice *slice = &dispatch->bind[i];
        out[i] = (HazardAccess){slice->buffer->id, slice->offset, slice->offset + slice->bytes,
                                pipeline->access[i] != GPU_READ};
    }
    return pipeline->bind_count;
}

/* Bytes moved at least: every slice once, those updated in place twice. */
static double bytes_of(const GpuDispatch *dispatch)
{
    double bytes = 0;
    for (uint32_t i = 0; i < dispatch->pipeline->bind_count; i++)
        bytes += (double)dispatch->bind[i].bytes *
                 (dispatch->pipeline->access[i] == GPU_ADD ? 2 : 1);
    return bytes;
}

tmb_status stream_record(Gpu *gpu, Frame *frame, const GpuDispatch *dispatch,
                         const uint32_t base[3], const uint32_t count[3])
{
    const GpuPipeline *pipeline = dispatch->pipeline;
    VkDescriptorSet set;
    TRY(descriptor_set(gpu, frame, dispatch, &set));
    gpu->vk.vkCmdBindPipeline(frame->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->handle);
    gpu->vk.vkCmdBindDescriptorSets(frame->commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                                    pipeline->layout->pipeline, 0, 1, &set, 0, NULL);
    if (pipeline->push_bytes)
        gpu->vk.vkCmdPushConstants(frame->commands, pipeline->layout->pipeline,
                                   VK_SHADER_STAGE_COMPUTE_BIT, 0, pipeline->push_bytes,
                                   dispatch->push);
    gpu->vk.vkCmdDispatchBase(frame->commands, base[0], base[1], base[2], count[0], count[1],
                              count[2]);
    frame->dispatches++;
    return TMB_OK;
}

/* The frame with room for work of this cost: a full one is submitted first. */
static tmb_status frame_for(Gpu *gpu, double cost, Frame **out)
{
    TRY(stream_frame(gpu, out));
    bool full = (*out)->dispatches == FRAME_DISPATCHES ||
                (gpu->budget.seconds > 0 && (*out)->dispatches &&
                 (*out)->cost + cost > gpu->budget.seconds);
    if (!full)
        return TMB_OK;
    TRY(gpu_flush(gpu));
    return stream_frame(gpu, out);
}

tmb_status gpu_dispatch(Gpu *gpu, const GpuDispatch *dispatch)
{
    TRY(stream_check(gpu, dispatch));
    if (!dispatch->groups[0] || !dispatch->groups[1] || !dispatch->groups[2])
        return TMB_OK;
    const char *label = dispatch->label ? dispatch->label : dispatch->pipeline->name;
    double bytes = dispatch->bytes > 0 ? dispatch->bytes : bytes_of(dispatch);
    double cost = budget_cost(&gpu->budget, dispatch->flops, bytes);
    uint32_t pieces = budget_pieces(&gpu->budget, cost, dispatch->groups);
    HazardAccess accesses[GPU_MAX_BIND];
    size_t access_count = accesses_of(dispatch, accesses);
    for (uint32_t piece = 0; piece < pieces; piece++) {
        uint32_t base[3], count[3];
        Frame *frame;
        TRY(frame_for(gpu, cost / pieces, &frame));
        /* the pieces write different outputs: only the first waits for earlier work */
        if (!piece)
            stream_order(gpu, frame, accesses, access_count);
        budget_piece(dispatch->groups, piece, pieces, base, count);
        TRY(stream_record(gpu, frame, dispatch, base, count));
        frame->cost += cost / pieces;
        profile_mark(gpu, frame, (ProfileMark){label, dispatch->flops / pieces, bytes / pieces,
                                               piece == 0});
    }
    return TMB_OK;
}

/* ---- fills and copies ----------------------------------------------------- */

static tmb_status check_transfer(const char *name, GpuSlice slice)
{
    if (!slice.buffer || slice.offset > slice.buffer->bytes ||
        slice.bytes > slice.buffer->bytes - slice.offset)
        return fail(TMB_FAILED, "%s of %" PRIu64 " bytes at %" PRIu64 " exceeds its buffer", name,
                    slice.bytes, slice.offset);
    return TMB_OK;
}

tmb_status gpu_fill(Gpu *gpu, GpuSlice slice, uint32_t pattern)
{
    TRY(check_transfer("fill", slice));
    if (slice.bytes % 4 || slice.offset % 4)
        return fail(TMB_FAILED, "fill: offset %" PRIu64 " and size %" PRIu64
                    " must be multiples of 4", slice.offset, slice.bytes);
    if (!slice.bytes)
        return TMB_OK;
    Frame *frame;
    const HazardAccess access = {slice.buffer->id, slice.offset, slice.offset + slice.bytes, true};
    double cost = budget_cost(&gpu->budget, 0, (double)slice.bytes);
    TRY(frame_for(gpu, cost, &frame));
    stream_order(gpu, frame, &access, 1);
    gpu->vk.vkCmdFillBuffer(frame->commands, slice.buffer->handle, slice.offset, slice.bytes,
                            pattern);
    frame->dispatches++;
    frame->cost += cost;
    profile_mark(gpu, frame, (ProfileMark){"fill", 0, (double)slice.bytes, 1});
    return TMB_OK;
}

tmb_status stream_check_copy(GpuSlice from, GpuSlice to)
{
    TRY(check_transfer("copy", from));
    TRY(check_transfer("copy", to));
    if (from.bytes != to.bytes)
        return fail(TMB_FAILED, "copy: %" PRIu64 " bytes into %" PRIu64, from.bytes, to.bytes);
    if (from.buffer == to.buffer && from.offset < to.offset + to.bytes &&
        to.offset < from.offset + from.bytes)
        return fail(TMB_FAILED, "copy: source and target overlap in %s", from.buffer->label);
    return TMB_OK;
}

tmb_status gpu_copy(Gpu *gpu, GpuSlice from, GpuSlice to)
{
    TRY(stream_check_copy(from, to));
    if (!from.bytes)
        return TMB_OK;
    Frame *frame;
    const HazardAccess accesses[] = {
        {from.buffer->id, from.offset, from.offset + from.bytes, false},
        {to.buffer->id, to.offset, to.offset + to.bytes, true},
    };
    const VkBufferCopy region = {from.offset, to.offset, from.bytes};
    double cost = budget_cost(&gpu->budget, 0, 2.0 * (double)from.bytes);
    TRY(frame_for(gpu, cost, &frame));
    stream_order(gpu, frame, accesses, COUNT_OF(accesses));
    gpu->vk.vkCmdCopyBuffer(frame->commands, from.buffer->handle, to.buffer->handle, 1, &region);
    frame->dispatches++;
    frame->cost += cost;
    profile_mark(gpu, frame, (ProfileMark){"transfer", 0, 2.0 * (double)from.bytes, 1});
    return TMB_OK;
}

/* ---- submitting ----------------------------------------------------------- */

tmb_status gpu_flush(Gpu *gpu)
{
    Frame *frame = &gpu->frames[gpu->frame_at];
    TRY(lost_check(gpu));
    if (!frame->recording)
        return TMB_OK;
    profile_end(gpu, frame);
    host_barrier(gpu, frame);
    frame->recording = false;
    TRY(gpu_check(gpu, gpu->vk.vkEndCommandBuffer(frame->commands), "ending a command buffer"));
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &frame->commands,
    };
    TRY(gpu_check(gpu, gpu->vk.vkQueueSubmit(gpu->queue, 1, &info, frame->fence),
                  "submitting work to the device"));
    frame->in_flight = true;
    gpu->frame_at = (gpu->frame_at + 1) % FRAME_COUNT;
    return TMB_OK;
}

tmb_status stream_drain(Gpu *gpu)
{
    TRY(gpu_flush(gpu));
    for (uint32_t i = 0; i < FRAME_COUNT; i++)
        TRY(stream_frame_wait(gpu, &gpu->frames[(gpu->frame_at + i) % FRAME_COUNT]));
    return TMB_OK;
}

tmb_status gpu_wait(Gpu *gpu)
{
    TRY(stream_drain(gpu));
    Validation *validation = gpu->instance.validation;
    if (validation && validation->errors) {
        uint64_t errors = validation->errors;
        validation->errors = 0;
        return fail(TMB_FAILED, "%" PRIu64 " validation error%s, the first: %s", errors, plural(errors),
                    validation->first);
    }
    return TMB_OK;
}
