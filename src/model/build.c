/* From a model to a graph: inputs, the helpers of architecture files, the head. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/architecture.h"
#include "model/lora.h"

static bool with_losses(const ModelGraph *build)
{
    return build->params->mode == MODEL_TRAIN || build->params->mode == MODEL_EVAL;
}

/* The name with the layer in place of %u. */
static const char *layer_name(ModelGraph *build, const char *format, uint32_t layer)
{
    const char *mark = strstr(format, "%u");
    if (!mark)
        return format;
    return arena_format(&build->graph->arena, "%.*s%u%s", (int)(mark - format), format, layer,
                        mark + 2);
}

Tensor *model_weight(ModelGraph *build, const char *format, uint32_t layer)
{
    const char *name = layer_name(build, format, layer);
    Tensor *known = graph_find(build->graph, name);
    if (known)
        return known;
    const GgufTensor *tensor = model_tensor(build->model, name);
    return graph_tensor(build->graph, LIFE_WEIGHT, tensor->dtype, tensor->shape[1],
                        tensor->shape[0], name);
}

void model_apply_all(ModelGraph *build, Tensor *x, const char *const *formats, uint32_t count,
                     uint32_t layer, Tensor **out)
{
    Tensor *weights[3];
    for (uint32_t i = 0; i < count; i++)
        weights[i] = model_weight(build, formats[i], layer);
    graph_linears(build->graph, x, weights, count, out);
}

Tensor *model_apply_add(ModelGraph *build, Tensor *residual, Tensor *x, const char *format,
                        uint32_t layer)
{
    Tensor *weight = model_weight(build, format, layer);
    return graph_linear_add(build->graph, residual, x, weight, weight->name);
}

const char *model_label(ModelGraph *build, uint32_t layer, const char *what)
{
    return arena_format(&build->graph->arena, "blk.%u.%s", layer, what);
}

/* The layer's keys and values so far, after those of these rows; qkv become what attention
 * reads. One dispatch for few rows. */
static void through_cache(ModelGraph *build, uint32_t layer, Tensor *qkv[3],
                          const RopeShape *rope, bool rotated)
{
    Graph *graph = build->graph;
    CacheSlots cache = {.slot = build->slots};
    const char *const names[] = {model_label(build, layer, "cache_k"),
                                 model_label(build, layer, "cache_v")};
    Tensor **const cached[] = {&cache.cache_k, &cache.cache_v};
    for (uint32_t i = 0; i < 2; i++) {
        *cached[i] = graph_tensor(graph, LIFE_CACHE, DTYPE_F32, build->params->cache_rows,
                                  qkv[i + 1]->cols, names[i]);
        if (rotated)
            graph_kv_append(graph, qkv[i + 1], build->slots, *cached[i], names[i]);
    }
    if (!rotated)
        qkv[0] = graph_rope_append(graph, qkv, build->positions, build->rope_table, rope, &cache,
                                   model_label(build, layer, "rope"));
    qkv[1] = cache.cache_k;
    qkv[2] = cache.cache_v;
}

static Tensor *rotate(ModelGraph *build, Tensor *x, RopeShape shape, const char *name)
{
    shape.heads = (uint32_t)x->cols / shape.head_dim;
    return graph_rope(build->graph, x, build->positions, build->rope_table, &shape, name);
}

Tensor *model_attention(ModelGraph *build, uint32_t layer, Tensor *const qkv[3], uint32_t pairs)
{
    const ModelConfig *config = model_config(build->model);
    AttentionShape shape = {config->heads, config->kv_heads, config->head_dim,
                            (float)(1 / sqrt((double)config->head_dim))};
    RopeShape rope = {config->heads, config->head_dim, config->rope_dims, pairs};
    Tensor *parts[] = {qkv[0], qkv[1], qkv[2]};
    bool separate = !build->slots || parts[0]->rows > LINEAR_MATVEC_ROWS;
    if (separate) {
        parts[0] = rotate(build, qkv[0], rope, model_label(build, layer, "rope_q"));
        parts[1] = rotate(build, qkv[1], rope, model_label(build, layer, "rope_k"));
    }
    if (build->slots)
        through_cache(build, layer, parts, &rope, separate);
    return graph_attention(build->graph, parts[0], parts[1], parts[2], build->span, build->last,
                           &shape, model_label(build, layer, "attention"));
}

void model_head(ModelGraph *build, Tensor *x)
{
    const ModelConfig *config = model_config(build->model);
    Graph *graph = build->graph;
    Tensor *weight = model_weight(build, config->tied ? "token_embd.weight" : "output.weight", 0);
    Tensor *h = graph_gather(graph, x, build->label_rows, "head_rows");
    h = graph_rmsnorm(graph, h, model_weight(build, "output_norm.weight", 0), config->norm_eps,
                      "output_norm");
    if (with_losses(build)) {
        graph_loss(graph, h, weight, build->labels, build->label_weights, build->losses, "head");
        return;
    }
    Tensor *logits = graph_linear(graph, h, weight, "head");
    logits->life = LIFE_OUTPUT;
    logits->name = "logits";
}

/* ---- inputs ------------------------------------------------------------- */

static Tensor *input(ModelGraph *build, Dtype dtype, uint64_t cols, ValueId live,
                     const char *name)
{
    uint64_t rows = live == VALUE_ROWS ? build->params->row_tokens : build->params->max_labels;
    Tensor *tensor = graph_tensor(build->graph, LIFE_INPUT, dtype, rows, cols, name);
    tensor->live = live;
    return tensor;
}

static void add_inputs(ModelGraph *build)
{
    ModelMode mode = build->params->mode;
    build->tokens = input(build, DTYPE_U32, 1, VALUE_ROWS, "tokens");
    build->positions = input(build, DTYPE_U32, 1, VALUE_ROWS, "positions");
    build->span = input(build, DTYPE_U32, 2, VALUE_ROWS, "span");
    build->label_rows = input(build, DTYPE_U32, 1, VALUE_LABELS, "label_rows");
    if (mode == MODEL_TRAIN) {
        build->last = input(build, DTYPE_U32, 1, VALUE_ROWS, "last");
        build->label_weights = input(build, DTYPE_F32, 1, VALUE_LABELS, "label_weights");
    }
    if (with_losses(build)) {
        build->labels = input(build, DTYPE_U32, 1, VALUE_LABELS, "labels");
        build->losses = graph_tensor(build->graph, LIFE_OUTPUT, DTYPE_F32,
                                     build->params->max_labels, 1, "losses");
        build->losses->live = VALUE_LABELS;
    } else {
        build->slots = input(build, DTYPE_U32, 1, VALUE_ROWS, "slots");
    }
    build->rope_table = graph_tensor(build->graph, LIFE_WEIGHT, DTYPE_F32,
                                     build->params->positions,
                                     build->model->config.rope_dims, "rope.table");
}

static tmb_status check_build(const Model *model, const ModelBuild *params)
{
    if (params->row_tokens == 0 || params->row_tokens > 1 << 20)
        return fail(TMB_USAGE, "a row of %u tokens is not possible; choose 1 to %d",
                    params->row_tokens, 1 << 20);
    if (params->positions > model->config.context)
        return fail(TMB_USAGE, "%u positions exceed the model's context of %u; use shorter rows",
                    params->positions, model->config.context);
    bool cached = params->mode == MODEL_PREFILL || params->mode == MODEL_DECODE;
    if (cached && !params->cache_rows)
        return fail(TMB_USAGE, "a graph that generates needs cache rows");
    return TMB_OK;
}

tmb_status model_build(const Model *model, const ModelBuild *build, Graph **out)
{
    ModelBuild params = *build;
    *out = NULL;
    params.max_labels = params.max_labels ? params.max_labels : params.row_tokens;
    params.positions = params.positions ? params.positions : params.row_tokens;
    TRY(check_build(model, &params));
    GraphParams graph_params = {
        .range = params.range,
        .train = params.mode == MODEL_TRAIN,
        .half = params.half,
        .in_tile = params.in_tile,
        .recompute = params.recompute,
        .recompute_layers = params.recompute_layers,
        .hook = params.lora ? lora_hook : NULL,
        .hook_context = (void *)(uintptr_t)params.lora,
    };
    ModelGraph under = {.model = model, .params = &params, .graph = graph_create(&graph_params)};
    add_inputs(&under);
    model->architecture->build(&under);
    if (params.mode == MODEL_TRAIN)
        graph_backward(under.graph, NULL, NULL);
    graph_fuse(under.graph);
    *out = under.graph;
    return TMB_OK;
}
