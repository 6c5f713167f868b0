#include "graph/program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/store.h"

/* What a node became: everything about its dispatch that no value changes. */
typedef struct Record {
    const KernelRow *row;    /* NULL: a fill */
    GpuPipeline *pipeline;
    KernelTuning tuning;
    GpuSlice bind[GPU_MAX_BIND];
} Record;

struct Program {
    Gpu *gpu;
    const Graph *graph;
    const Plan *plan;
    Store *store;
    const FrozenKernels *frozen;   /* while compiling; may be NULL */
    Record *records;         /* one per node */
    unsigned char *inputs;   /* host copy of the input area, uploaded by every run */
};

/* ---- compiling ---------------------------------------------------------- */

static tmb_status check_extents(const Node *node, const KernelRow *row)
{
    uint64_t elements[GPU_MAX_BIND] = {0};
    row->extent(node->push, elements);
    for (uint32_t b = 0; b < node->bind_count; b++) {
        const View *view = &node->bind[b];
        uint64_t have = dtype_elements(view->tensor->dtype, view->count);
        if (row->bind[b].dtype == DTYPE_F16 || row->bind[b].dtype == DTYPE_BF16)
            have += have % 2;    /* whole words are stored, and counted by extents */
        if (elements[b] > have)
            return fail(TMB_FAILED, "%s: %s touches %.0f elements of %s, which has %.0f",
                        node->label, row->name, (double)elements[b], view->tensor->name,
                        (double)have);
    }
    return TMB_OK;
}

static tmb_status choose(Program *program, const Node *node, Record *record)
{
    Dtype dtypes[GPU_MAX_BIND] = {0};
    for (uint32_t b = 0; b < node->bind_count; b++)
        dtypes[b] = node->bind[b].tensor->dtype;
    record->row = frozen_row(program->frozen, node->family, dtypes, gpu_caps(program->gpu),
                             node->push);
    if (!record->row)
        record->row = kernel_choose(node->family, dtypes, gpu_caps(program->gpu), node->push);
    if (!record->row)
        return fail(TMB_UNSUPPORTED, "%s: no kernel %s of this build runs on %s with %s weights",
                    node->label, node->family, gpu_caps(program->gpu)->name,
                    dtype_info(dtypes[node->bind_count > 1 ? 1 : 0])->name);
    TRY(check_extents(node, record->row));
    if (!kernel_fit(gpu_caps(program->gpu), record->row, NULL, node->push, &record->tuning))
        return fail(TMB_UNSUPPORTED, "%s: no tuning of kernel %s fits %s", node->label,
                    record->row->name, gpu_caps(program->gpu)->name);
    frozen_tuning(program->frozen, record->row, gpu_caps(program->gpu), node->push,
                  &record->tuning);
    return kernel_pipeline(program->gpu, record->row, &record->tuning, &record->pipeline);
}

static tmb_status compile_node(Program *program, uint32_t index)
{
    const Node *node = &program->graph->nodes[index];
    Record *record = &program->records[index];
    for (uint32_t b = 0; b < node->bind_count; b++)
        TRY(store_slice(program->store, program->plan, &node->bind[b], &record->bind[b]));
    return node->family ? choose(program, node, record) : TMB_OK;
}

tmb_status program_create(Gpu *gpu, const PlannedGraph *planned, Store *store, Program **out)
{
    return program_create_frozen(gpu, planned, store, NULL, out);
}

tmb_status program_create_frozen(Gpu *gpu, const PlannedGraph *planned, Store *store,
                                 const FrozenKernels *frozen, Program **out)
{
    Program *program = MEM_NEW(Program);
    *program = (Program){.gpu = gpu, .graph = planned->graph, .plan = planned->plan,
                         .store = store, .frozen = frozen};
    program->records = MEM_NEW_ARRAY(Record, planned->graph->node_count + 1);
    program->inputs = mem_new(planned->plan->input_bytes + 1, 1);
    tmb_status status = TMB_OK;
    for (uint32_t i = 0; i < planned->graph->node_count && status == TMB_OK; i++)
        status = compile_node(program, i);
    program->frozen = NULL;
    if (status != TMB_OK)
        program_destroy(&program);
    *out = program;
    return status;
}

void program_destroy(Program **program)
{
    if (!*program)
        return;
    free((*program)->records);
    free((*program)->inputs);
    free(*program);
    *program = NULL;
}

/* ---- inputs and outputs ------------------------------------------------- */

static tmb_status find_io(const Program *program, const char *name, TensorLife life,
                          uint64_t bytes, const Tensor **out)
{
    *out = graph_find(program->graph, name);
    if (!*out || (*out)->life != life)
        return fail(TMB_USAGE, "the program has no %s named %s",
                    life == LIFE_INPUT ? "input" : "output", name);
    if (bytes > tensor_bytes(*out))
        return fail(TMB_USAGE, "%s has %.0f bytes, %.0f were given", name,
                    (double)tensor_bytes(*out), (double)bytes);
    return TMB_OK;
}

tmb_status program_write(Program *program, const char *name, const void *data, uint64_t bytes)
{
    const Tensor *tensor;
    TRY(find_io(program, name, LIFE_INPUT, bytes, &tensor));
    memcpy(program->inputs + program->plan->slots[tensor->index].offset, data, bytes);
    return TMB_OK;
}

static tmb_status read_tensor(Program *program, const Tensor *tensor, void *data, uint64_t bytes)
{
    View view = {(Tensor *)tensor, 0, tensor_elements(tensor)};
    GpuSlice slice;
    TRY(store_slice(program->store, program->plan, &view, &slice));
    return gpu_download(program->gpu, slice.buffer, slice.offset, data, bytes);
}

tmb_status program_read(Program *program, const char *name, void *data, uint64_t bytes)
{
    const Tensor *tensor;
    TRY(find_io(program, name, LIFE_OUTPUT, bytes, &tensor));
    return read_tensor(program, tensor, data, bytes);
}

/* All inputs lie together at the start of the io area. */
static tmb_status upload_inputs(Program *program)
{
    for (uint32_t i = 0; i < program->graph->tensor_count; i++) {
        const Tensor *tensor = program->graph->tensors[i];
        if (tensor->life != LIFE_INPUT)
            continue;
        View view = {(Tensor *)tensor, 0, tensor_elements(tensor)};
        GpuSlice slice;
        TRY(store_slice(program->store, program->plan, &view, &slice));
        return gpu_upload(program->gpu, slice.buffer, 0, program->inputs,
                          program->plan->input_bytes);
    }
    return TMB_OK;
}

/* ---- running ------------------------------------------------------------ */

static double dispatch_bytes(const Node *node, const KernelRow *row, const void *push)
{
    uint64_t elements[GPU_MAX_BIND] = {0};
    double bytes = 0;
    row->extent(push, elements);
    for (uint32_t b = 0; b < node->bind_count; b++) {
        double size = node->bind[b].tensor->dtype == DTYPE_F16 ||
                      node->bind[b].tensor->dtype == DTYPE_BF16 ? 2 : 4;
        bytes += size * (double)elements[b] * (row->bind[b].access == GPU_ADD ? 2 : 1);
    }
    return bytes;
}

static tmb_status run_node(Program *program, uint32_t index, const Values *values)
{
    const Node *node = &program->graph->nodes[index];
    const Record *record = &program->records[index];
    GpuDispatch dispatch = {.pipeline = record->pipeline};
    if (!node_patch(node, values, dispatch.push))
        return TMB_OK;
    if (!node->family)
        return gpu_fill(program->gpu, record->bind[0], 0);
    memcpy(dispatch.bind, record->bind, sizeof record->bind);
    record->row->grid(dispatch.push, &record->tuning, dispatch.groups);
    dispatch.flops = record->row->flops ? record->row->flops(dispatch.push) : 0;
    dispatch.bytes = dispatch_bytes(node, record->row, dispatch.push);
    return gpu_dispatch(program->gpu, &dispatch);
}

tmb_status program_run(Program *program, const Values *values)
{
    TRY(upload_inputs(program));
    for (uint32_t i = 0; i < program->graph->node_count; i++)
        TRY(run_node(program, i, values));
    return TMB_OK;
}

double program_flops(const Program *program, const Values *values)
{
    _Alignas(16) unsigned char push[GPU_MAX_PUSH];
    double flops = 0;
    for (uint32_t i = 0; i < program->graph->node_count; i++) {
        const KernelRow *row = program->records[i].row;
        if (row && row->flops && node_patch(&program->graph->nodes[i], values, push))
            flops += row->flops(push);
    }
    return flops;
}

uint32_t program_count(const Program *program)
{
    return program->graph->node_count;
}

void program_kernel(const Program *program, uint32_t index, char *line, size_t capacity)
{
    const Record *record = &program->records[index];
    *line = '\0';
    if (record->row)
        frozen_line(record->row, &record->tuning, line, capacity);
}

/* ---- comparing with the interpreter ------------------------------------- */

static bool is_half(const View *view)
{
    return view->tensor->dtype == DTYPE_F16;
}

/* Gives the device what the interpreter has. A kernel may leave parts of an output as they are (a
 * block of columns, say): these must start equal on both sides. */
static tmb_status equalise(Program *program, Interp *interp, uint32_t node_index, uint32_t bind)
{
    const View *view = &program->graph->nodes[node_index].bind[bind];
    const GpuSlice *slice = &program->records[node_index].bind[bind];
    const double *from = interp_data(interp, view->tensor) + view->offset;
    float *values = mem_try(view->count, sizeof *values);
    if (!values)
        return fail(TMB_OUT_OF_HOST, "no main memory to compare %s", view->tensor->name);
    uint16_t *halves = (uint16_t *)values;   /* those of f16 fill the same memory from its start */
    for (uint64_t i = 0; i < view->count; i++)
        if (is_half(view))
            halves[i] = float_to_half((float)from[i]);
        else
            values[i] = (float)from[i];
    tmb_status status = gpu_upload(program->gpu, slice->buffer, slice->offset, values,
                                   dtype_bytes(view->tensor->dtype, view->count));
    free(values);
    return status;
}

static bool compared(const Node *node, uint32_t bind)
{
    const View *view = &node->bind[bind];
    return node_access(node, bind) != GPU_READ &&
           (view->tensor->dtype == DTYPE_F32 || is_half(view));
}

/* ‖device − double‖ / ‖double‖ over what the kernel's extent says it wrote. */
static tmb_status difference(Program *program, Interp *interp, uint32_t node_index,
                             uint32_t bind, const unsigned char *push, double *out)
{
    const Node *node = &program->graph->nodes[node_index];
    const View *view = &node->bind[bind];
    uint64_t elements[GPU_MAX_BIND] = {view->count};
    const KernelRow *row = program->records[node_index].row;
    if (row)
        row->extent(push, elements);
    float *got = mem_try(view->count, sizeof *got);
    if (!got)
        return fail(TMB_OUT_OF_HOST, "no main memory to compare %s", node->label);
    const GpuSlice *slice = &program->records[node_index].bind[bind];
    tmb_status status = gpu_download(program->gpu, slice->buffer, slice->offset, got,
                                     dtype_bytes(view->tensor->dtype, view->count));
    const double *want = interp_data(interp, view->tensor) + view->offset;
    const uint16_t *halves = (const uint16_t *)got;
    double error = 0, size = 0;
    for (uint64_t i = 0; i < elements[bind] && i < view->count; i++) {
        double value = is_half(view) ? half_to_float(halves[i]) : got[i];
        error += (value - want[i]) * (value - want[i]);
        size += want[i] * want[i];
    }
    *out = sqrt(error) / (sqrt(size) + 1e-30);
    free(got);
    return status;
}

tmb_status program_compare(Program *program, Interp *interp, const Values *values, double limit,
                           char *report, size_t capacity)
{
    _Alignas(16) unsigned char push[GPU_MAX_PUSH];
    TRY(upload_inputs(program));
    for (uint32_t i = 0; i < program->graph->node_count; i++) {
        const Node *node = &program->graph->nodes[i];
        if (!node_patch(node, values, push))
            continue;
        for (uint32_t b = 0; b < node->bind_count; b++)
            if (compared(node, b))
                TRY(equalise(program, interp, i, b));
        TRY(run_node(program, i, values));
        TRY(interp_run_node(interp, i, values));
        for (uint32_t b = 0; b < node->bind_count; b++) {
            const KernelRow *row = program->records[i].row;
            double apart = 0;
            if (compared(node, b)) {
                TRY(difference(program, interp, i, b, push, &apart));
                TRY(equalise(program, interp, i, b));
            }
            if (apart <= fmax(limit, row ? row->bind[b].tolerance : 0))
                continue;
            snprintf(report, capacity, "%s (%s): %s differs by %.3g", node->label,
                     row ? row->name : "fill", node->bind[b].tensor->name, apart);
            return TMB_OK;
        }
    }
    snprintf(report, capacity, "%s", "");
    return TMB_OK;
}
