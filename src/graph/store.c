#include "graph/store.h"

#include <stdlib.h>

#include "graph/layout.h"

struct Store {
    Gpu *gpu;
    Layout *layout;
    GpuBuffer **buffers[LIFE_COUNT];   /* as layout->blocks */
    const Plan **plans;                /* of the graphs, in the order of their io areas */
    uint32_t plan_count;
};

static const char *const life_labels[LIFE_COUNT] = {
    [LIFE_WEIGHT] = "weights", [LIFE_PARAMETER] = "parameters", [LIFE_GRADIENT] = "gradients",
    [LIFE_MOMENT1] = "first moments", [LIFE_MOMENT2] = "second moments", [LIFE_WORK] = "work arena",
    [LIFE_CACHE] = "cache", [LIFE_INPUT] = "inputs and outputs", [LIFE_OUTPUT] = "outputs",
};

static tmb_status allocate(Store *store)
{
    for (uint32_t life = 0; life < LIFE_COUNT; life++) {
        const Sizes *sizes = &store->layout->blocks[life];
        store->buffers[life] = MEM_NEW_ARRAY(GpuBuffer *, sizes->count + 1);
        for (uint32_t i = 0; i < sizes->count; i++) {
            if (!sizes->bytes[i])
                continue;   /* a graph without inputs and outputs */
            GpuBuffer **buffer = &store->buffers[life][i];
            TRY(gpu_buffer_create(store->gpu, sizes->bytes[i], GPU_HEAP_DEVICE,
                                  life_labels[life], buffer));
            if (life == LIFE_WEIGHT)
                continue;   /* written completely by the model */
            TRY(gpu_fill(store->gpu, (GpuSlice){*buffer, 0, sizes->bytes[i]}, 0));
        }
    }
    return TMB_OK;
}

tmb_status store_create(Gpu *gpu, const PlannedGraph *graphs, uint32_t count, Store **out)
{
    Store *store = MEM_NEW(Store);
    store->gpu = gpu;
    store->plans = MEM_NEW_ARRAY(const Plan *, count + 1);
    for (uint32_t i = 0; i < count; i++)
        store->plans[store->plan_count++] = graphs[i].plan;
    tmb_status status = layout_create(graphs, count, gpu_caps(gpu)->block_bytes, &store->layout);
    if (status == TMB_OK)
        status = allocate(store);
    if (status != TMB_OK)
        store_destroy(&store);
    *out = store;
    return status;
}

void store_destroy(Store **store)
{
    if (!*store)
        return;
    for (uint32_t life = 0; (*store)->layout && life < LIFE_COUNT; life++) {
        for (uint32_t i = 0; (*store)->buffers[life] && i < (*store)->layout->blocks[life].count; i++)
            gpu_buffer_destroy((*store)->gpu, &(*store)->buffers[life][i]);
        free((*store)->buffers[life]);
    }
    layout_destroy(&(*store)->layout);
    free((*store)->plans);
    free(*store);
    *store = NULL;
}

const Tensor *store_tensor(const Store *store, uint32_t index)
{
    return index < store->layout->shared_count ? store->layout->shared[index].tensor : NULL;
}

static tmb_status find_shared(const Store *store, const char *name, uint64_t offset,
                              uint64_t bytes, const SharedTensor **out)
{
    *out = layout_find(store->layout, name);
    if (!*out)
        return fail(TMB_USAGE, "no program uses a weight or cache named %s", name);
    if (offset > (*out)->bytes || bytes > (*out)->bytes - offset)
        return fail(TMB_USAGE, "%s has %.0f bytes, %.0f at %.0f lie outside", name,
                    (double)(*out)->bytes, (double)bytes, (double)offset);
    return TMB_OK;
}

tmb_status store_write(Store *store, const char *name, uint64_t offset, const void *data,
                       uint64_t bytes)
{
    const SharedTensor *shared;
    TRY(find_shared(store, name, offset, bytes, &shared));
    return gpu_upload(store->gpu, store->buffers[shared->tensor->life][shared->block],
                      shared->offset + offset, data, bytes);
}

/* ---- regions ------------------------------------------------------------ */

static tmb_status find_region(const Store *store, TensorLife life, const Parameter *parameter,
                              GpuSlice *out)
{
    const Sizes *sizes = &store->layout->blocks[life];
    uint64_t offset = parameter->offset * 4, bytes = parameter->rows * parameter->cols * 4;
    if (parameter->chunk >= sizes->count || offset + bytes > sizes->bytes[parameter->chunk])
        return fail(TMB_USAGE, "no program uses the %s of %s", life_labels[life],
                    parameter->name);
    *out = (GpuSlice){store->buffers[life][parameter->chunk], offset, bytes};
    return TMB_OK;
}

tmb_status store_set(Store *store, TensorLife life, const Parameter *parameter,
                     const float *values)
{
    GpuSlice slice;
    TRY(find_region(store, life, parameter, &slice));
    return gpu_upload(store->gpu, slice.buffer, slice.offset, values, slice.bytes);
}

tmb_status store_get(Store *store, TensorLife life, const Parameter *parameter, float *values)
{
    GpuSlice slice;
    TRY(find_region(store, life, parameter, &slice));
    return gpu_download(store->gpu, slice.buffer, slice.offset, values, slice.bytes);
}

tmb_status store_clear(Store *store, TensorLife life)
{
    for (uint32_t i = 0; i < store->layout->blocks[life].count; i++)
        TRY(gpu_fill(store->gpu,
                     (GpuSlice){store->buffers[life][i], 0, store->layout->blocks[life].bytes[i]},
                     0));
    return TMB_OK;
}

/* ---- slices ------------------------------------------------------------- */

static tmb_status not_planned(const Tensor *tensor)
{
    return fail(TMB_USAGE, "the store was created without the graph that holds %s",
                tensor->name);
}

/* Where the weights of a stretch begin; they lie one behind the other if every graph of the Store
 * chains them. */
static const SharedTensor *find_stretch(const Layout *layout, const Tensor *stretch)
{
    const SharedTensor *first = layout_find(layout, stretch->next->name), *here = first;
    for (const Tensor *part = stretch->next->next; here && part; part = part->next) {
        const SharedTensor *next = layout_find(layout, part->name);
        bool behind = next && next->block == here->block &&
                      next->offset == here->offset + here->bytes;
        here = behind ? next : NULL;
    }
    return here ? first : NULL;
}

tmb_status store_slice(const Store *store, const Plan *plan, const View *view, GpuSlice *out)
{
    const Tensor *tensor = view->tensor;
    const PlanSlot *slot = &plan->slots[tensor->index];
    TensorLife life = tensor->life == LIFE_OUTPUT ? LIFE_INPUT : tensor->life;
    uint32_t block = 0;
    uint64_t offset = 0;
    const SharedTensor *shared = NULL;
    switch (life) {
    case LIFE_WEIGHT:
    case LIFE_CACHE:
        shared = tensor->stretch ? find_stretch(store->layout, tensor)
                                 : layout_find(store->layout, tensor->name);
        if (!shared || shared->tensor->dtype != tensor->dtype)
            return not_planned(tensor);
        block = shared->block;
        offset = shared->offset;
        break;
    case LIFE_WORK:
        block = slot->block;
        offset = slot->offset;
        break;
    case LIFE_INPUT:
        while (block < store->plan_count && store->plans[block] != plan)
            block++;
        offset = slot->offset;
        break;
    default:
        block = tensor->chunk;
        offset = tensor->offset * 4;
        break;
    }
    offset += dtype_bytes(tensor->dtype, view->offset);
    uint64_t bytes = (dtype_bytes(tensor->dtype, view->count) + 3) & ~(uint64_t)3;
    const Sizes *sizes = &store->layout->blocks[life];
    if (block >= sizes->count || offset + bytes > sizes->bytes[block])
        return not_planned(tensor);
    *out = (GpuSlice){store->buffers[life][block], offset, bytes};
    return TMB_OK;
}
