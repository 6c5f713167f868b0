/* Times: of submits (for the budget), of every command (GpuParams.profile), and of one
 * dispatch run repeatedly (gpu_time). A command's time runs from the end of the one
 * before it, so the times of a submit add up to the whole. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "gpu/internal.h"

static void timestamp(Gpu *gpu, Frame *frame, uint32_t query)
{
    gpu->vk.vkCmdWriteTimestamp(frame->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                                frame->queries, query);
}

void profile_begin(Gpu *gpu, Frame *frame)
{
    frame->mark_count = 0;
    frame->elapsed = 0;
    if (!frame->queries)
        return;
    gpu->vk.vkCmdResetQueryPool(frame->commands, frame->queries, 0, FRAME_QUERIES);
    timestamp(gpu, frame, 0);
}

void profile_mark(Gpu *gpu, Frame *frame, ProfileMark mark)
{
    if (!gpu->params.profile || !frame->queries)
        return;
    frame->marks[frame->mark_count++] = mark;
    timestamp(gpu, frame, frame->mark_count);
}

void profile_end(Gpu *gpu, Frame *frame)
{
    if (frame->queries)
        timestamp(gpu, frame, frame->mark_count + 1);
}

static GpuProfileRow *row_of(Profile *profile, const char *label)
{
    for (size_t i = 0; i < profile->count; i++)
        if (profile->rows[i].label == label || !strcmp(profile->rows[i].label, label))
            return &profile->rows[i];
    if (profile->count == profile->capacity) {
        profile->capacity = profile->capacity ? 2 * profile->capacity : 64;
        profile->rows = mem_grow(profile->rows, profile->capacity, sizeof *profile->rows);
    }
    profile->rows[profile->count] = (GpuProfileRow){.label = mem_string(label)};
    return &profile->rows[profile->count++];
}

static double seconds_between(const Gpu *gpu, uint64_t begin, uint64_t end)
{
    uint32_t bits = gpu->snapshot.timestamp_bits;
    uint64_t mask = bits >= 64 ? UINT64_MAX : (1ull << bits) - 1;
    return (double)((end - begin) & mask) * gpu->caps.timestamp_seconds;
}

tmb_status profile_collect(Gpu *gpu, Frame *frame)
{
    if (!frame->queries)
        return TMB_OK;
    uint64_t ticks[FRAME_QUERIES];
    const uint32_t last = frame->mark_count + 1;
    TRY(gpu_check(gpu, gpu->vk.vkGetQueryPoolResults(
                           gpu->device, frame->queries, 0, last + 1, sizeof ticks, ticks,
                           sizeof *ticks, VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
                  "reading timestamps"));
    frame->elapsed = seconds_between(gpu, ticks[0], ticks[last]);
    budget_learn(&gpu->budget, frame->cost, frame->elapsed);
    for (uint32_t i = 0; i < frame->mark_count; i++) {
        const ProfileMark *mark = &frame->marks[i];
        GpuProfileRow *row = row_of(&gpu->profile, mark->label);
        row->dispatches += mark->dispatches;
        row->seconds += seconds_between(gpu, ticks[i], ticks[i + 1]);
        row->flops += mark->flops;
        row->bytes += mark->bytes;
    }
    return TMB_OK;
}

static int longest_first(const void *a, const void *b)
{
    const GpuProfileRow *left = a, *right = b;
    return left->seconds < right->seconds ? 1 : left->seconds > right->seconds ? -1
           : strcmp(left->label, right->label);
}

const GpuProfileRow *gpu_profile(Gpu *gpu, size_t *count)
{
    Profile *profile = &gpu->profile;
    *count = profile->count;
    if (profile->count)
        qsort(profile->rows, profile->count, sizeof *profile->rows, longest_first);
    return profile->rows;
}

void gpu_profile_reset(Gpu *gpu)
{
    for (size_t i = 0; i < gpu->profile.count; i++)
        free((char *)gpu->profile.rows[i].label);   /* copied in row_of */
    gpu->profile.count = 0;
}

void profile_finish(Gpu *gpu)
{
    gpu_profile_reset(gpu);
    free(gpu->profile.rows);
}

/* Runs what was recorded into an otherwise empty frame. */
static tmb_status time_frame(Gpu *gpu, Frame *frame, double *seconds)
{
    double begin = os_seconds();
    TRY(gpu_wait(gpu));
    *seconds = frame->elapsed > 0 ? frame->elapsed : os_seconds() - begin;
    return TMB_OK;
}

static tmb_status time_once(Gpu *gpu, const GpuDispatch *dispatch, double *seconds)
{
    const uint32_t base[3] = {0};
    Frame *frame;
    TRY(stream_frame(gpu, &frame));
    TRY(stream_record(gpu, frame, dispatch, base, dispatch->groups));
    return time_frame(gpu, frame, seconds);
}

tmb_status gpu_time(Gpu *gpu, const GpuDispatch *dispatches, size_t count, size_t repeats,
                    double *seconds)
{
    double warm_up;
    for (size_t i = 0; i < count; i++)
        TRY(stream_check(gpu, &dispatches[i]));
    TRY(gpu_wait(gpu));
    /* the first run compiles on some drivers and wakes the clock on others */
    TRY(time_once(gpu, &dispatches[0], &warm_up));
    for (size_t i = 0; i < repeats; i++)
        TRY(time_once(gpu, &dispatches[i % count], &seconds[i]));
    return TMB_OK;
}

tmb_status gpu_time_copy(Gpu *gpu, GpuSlice from, GpuSlice to, size_t repeats, double *seconds)
{
    const VkBufferCopy region = {from.offset, to.offset, from.bytes};
    TRY(stream_check_copy(from, to));
    TRY(gpu_wait(gpu));
    for (size_t i = 0; i < repeats; i++) {
        Frame *frame;
        TRY(stream_frame(gpu, &frame));
        gpu->vk.vkCmdCopyBuffer(frame->commands, from.buffer->handle, to.buffer->handle, 1,
                                &region);
        TRY(time_frame(gpu, frame, &seconds[i]));
    }
    return TMB_OK;
}
