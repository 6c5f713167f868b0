/* Buffers, each with an allocation of its own, and copies between them and the host. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gpu/internal.h"

#define MIB (1024.0 * 1024.0)

static uint64_t heap_budget(Gpu *gpu, uint32_t heap)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, .pNext = &budget};
    vkGetPhysicalDeviceMemoryProperties2(gpu->physical, &memory);
    uint64_t limit = budget.heapBudget[heap], usage = budget.heapUsage[heap];
    return limit > usage ? limit - usage : 0;
}

uint64_t memory_available(Gpu *gpu)
{
    int type = caps_memory_type(&gpu->snapshot, GPU_HEAP_DEVICE, UINT32_MAX);
    uint64_t capped = gpu->caps.heap_bytes > gpu->used ? gpu->caps.heap_bytes - gpu->used : 0;
    if (type < 0 || gpu->lost || !(gpu->caps.bits & GPU_CAP_MEMORY_BUDGET))
        return capped;
    uint64_t live = heap_budget(gpu, gpu->snapshot.type[type].heap);
    return live < capped ? live : capped;
}

GpuMemory gpu_memory(Gpu *gpu)
{
    return (GpuMemory){gpu->used, gpu->peak, memory_available(gpu)};
}

static tmb_status does_not_fit(Gpu *gpu, const char *label, uint64_t bytes, uint64_t available)
{
    return fail(TMB_OUT_OF_DEVICE, "%s needs %.1f MiB of device memory, but only %.1f of %.1f MiB "
                "are free on %s; try a smaller --row-tokens%s", label, (double)bytes / MIB,
                (double)available / MIB, (double)gpu->caps.heap_bytes / MIB, gpu->caps.name,
                gpu->params.vram_cap ? ", or raise --vram" : "");
}

static tmb_status check_size(Gpu *gpu, uint64_t bytes, GpuHeap heap, const char *label)
{
    if (!bytes)
        return fail(TMB_FAILED, "%s: a buffer of 0 bytes was asked for", label);
    if (bytes > gpu->caps.block_bytes)
        return fail(TMB_OUT_OF_DEVICE, "%s needs one block of %.1f MiB, but %s allows %.1f MiB; "
                    "try a smaller --row-tokens", label, (double)bytes / MIB, gpu->caps.name,
                    (double)gpu->caps.block_bytes / MIB);
    uint64_t available = heap == GPU_HEAP_DEVICE ? memory_available(gpu) : UINT64_MAX;
    return bytes > available ? does_not_fit(gpu, label, bytes, available) : TMB_OK;
}

static tmb_status bind_memory(Gpu *gpu, GpuBuffer *buffer)
{
    VkMemoryRequirements needs;
    gpu->vk.vkGetBufferMemoryRequirements(gpu->device, buffer->handle, &needs);
    int type = caps_memory_type(&gpu->snapshot, buffer->heap, needs.memoryTypeBits);
    if (type < 0)
        return fail(TMB_OUT_OF_DEVICE, "%s has no memory type for the buffer %s", gpu->caps.name,
                    buffer->label);
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = needs.size,
        .memoryTypeIndex = (uint32_t)type,
    };
    VkResult result = gpu->vk.vkAllocateMemory(gpu->device, &info, NULL, &buffer->memory);
    if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY)
        return does_not_fit(gpu, buffer->label, buffer->bytes, memory_available(gpu));
    TRY(gpu_check(gpu, result, "allocating device memory"));
    TRY(gpu_check(gpu, gpu->vk.vkBindBufferMemory(gpu->device, buffer->handle, buffer->memory, 0),
                  "binding device memory"));
    bool mapped = buffer->heap == GPU_HEAP_STAGING || gpu->caps.unified;
    if (!mapped || !(gpu->snapshot.type[type].flags & MEMORY_HOST_VISIBLE))
        return TMB_OK;
    return gpu_check(gpu, gpu->vk.vkMapMemory(gpu->device, buffer->memory, 0, VK_WHOLE_SIZE, 0,
                                              &buffer->host), "mapping device memory");
}

tmb_status gpu_buffer_create(Gpu *gpu, uint64_t bytes, GpuHeap heap, const char *label,
                             GpuBuffer **out)
{
    *out = NULL;
    TRY(lost_check(gpu));
    TRY(check_size(gpu, bytes, heap, label));
    GpuBuffer *buffer = MEM_NEW(GpuBuffer);
    gpu->buffers++;
    buffer->bytes = bytes;
    buffer->heap = heap;
    buffer->id = ++gpu->next_id;
    buffer->label = mem_string(label);
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = bytes,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_STORAGE_TEXEL_BUFFER_BIT,
    };
    gpu->used += heap == GPU_HEAP_DEVICE ? bytes : 0;
    tmb_status status = gpu_check(gpu, gpu->vk.vkCreateBuffer(gpu->device, &info, NULL,
                                                              &buffer->handle),
                                  "creating a buffer");
    if (status == TMB_OK)
        status = bind_memory(gpu, buffer);
    if (status != TMB_OK)
        gpu_buffer_destroy(gpu, &buffer);
    gpu->peak = gpu->used > gpu->peak ? gpu->used : gpu->peak;
    *out = buffer;
    return status;
}

void gpu_buffer_destroy(Gpu *gpu, GpuBuffer **pointer)
{
    GpuBuffer *buffer = *pointer;
    if (!buffer)
        return;
    /* work that uses it may be pending; a failure here shows again at the next wait */
    if (buffer->memory && !gpu->lost)
        (void)!stream_drain(gpu);
    gpu->buffers--;
    gpu->used -= buffer->heap == GPU_HEAP_DEVICE ? buffer->bytes : 0;
    gpu->vk.vkDestroyBuffer(gpu->device, buffer->handle, NULL);
    gpu->vk.vkFreeMemory(gpu->device, buffer->memory, NULL);
    free(buffer->label);
    free(buffer);
    *pointer = NULL;
}

uint64_t gpu_buffer_bytes(const GpuBuffer *buffer)
{
    return buffer->bytes;
}

void *gpu_buffer_host(const GpuBuffer *buffer)
{
    return buffer->host;
}

static tmb_status check_range(const GpuBuffer *buffer, uint64_t offset, uint64_t bytes)
{
    if (offset > buffer->bytes || bytes > buffer->bytes - offset)
        return fail(TMB_FAILED, "copy of %" PRIu64 " bytes at %" PRIu64 " exceeds the buffer %s of "
                    "%" PRIu64 " bytes", bytes, offset, buffer->label, buffer->bytes);
    return TMB_OK;
}

static tmb_status staging_buffer(Gpu *gpu)
{
    if (gpu->staging)
        return TMB_OK;
    return gpu_buffer_create(gpu, STAGING_BYTES, GPU_HEAP_STAGING, "staging", &gpu->staging);
}

tmb_status gpu_upload(Gpu *gpu, GpuBuffer *to, uint64_t offset, const void *from, uint64_t bytes)
{
    TRY(check_range(to, offset, bytes));
    TRY(gpu_wait(gpu));
    if (to->host) {
        memcpy((char *)to->host + offset, from, bytes);
        return TMB_OK;
    }
    TRY(staging_buffer(gpu));
    for (uint64_t done = 0; done < bytes;) {
        uint64_t part = bytes - done < STAGING_BYTES ? bytes - done : STAGING_BYTES;
        memcpy(gpu->staging->host, (const char *)from + done, part);
        TRY(gpu_copy(gpu, (GpuSlice){gpu->staging, 0, part}, (GpuSlice){to, offset + done, part}));
        TRY(gpu_wait(gpu));
        done += part;
    }
    return TMB_OK;
}

tmb_status gpu_download(Gpu *gpu, const GpuBuffer *from, uint64_t offset, void *to, uint64_t bytes)
{
    TRY(check_range(from, offset, bytes));
    TRY(gpu_wait(gpu));
    if (from->host) {
        memcpy(to, (const char *)from->host + offset, bytes);
        return TMB_OK;
    }
    TRY(staging_buffer(gpu));
    for (uint64_t done = 0; done < bytes;) {
        uint64_t part = bytes - done < STAGING_BYTES ? bytes - done : STAGING_BYTES;
        /* the copy reads from; GpuSlice holds no const because dispatches write */
        GpuSlice source = {(GpuBuffer *)from, offset + done, part};
        TRY(gpu_copy(gpu, source, (GpuSlice){gpu->staging, 0, part}));
        TRY(gpu_wait(gpu));
        memcpy((char *)to + done, gpu->staging->host, part);
        done += part;
    }
    return TMB_OK;
}

void memory_finish(Gpu *gpu)
{
    gpu_buffer_destroy(gpu, &gpu->staging);
}
