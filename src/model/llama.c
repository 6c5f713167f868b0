/* The Llama family: Llama 2 and 3, Mistral, SmolLM2, TinyLlama (Touvron et al., 2023).
 * GGUF stores q and k permuted so that RoPE turns adjacent pairs. */
#include <math.h>
#include <string.h>

#include "model/architecture.h"

static tmb_status read_rope(const Gguf *gguf, ModelConfig *config)
{
    TRY(gguf_u32_or(gguf, "llama.rope.dimension_count", config->head_dim, &config->rope_dims));
    if (!config->rope_dims || config->rope_dims % 2 || config->rope_dims > config->head_dim)
        return fail(TMB_BAD_INPUT, "%s: llama.rope.dimension_count is %u, heads have %u values",
                    gguf_path(gguf), config->rope_dims, config->head_dim);
    TRY(gguf_f32_or(gguf, "llama.rope.freq_base", 10000.0f, &config->rope_base));
    if (!(config->rope_base > 1) || !isfinite(config->rope_base))
        return fail(TMB_BAD_INPUT, "%s: llama.rope.freq_base is %g", gguf_path(gguf),
                    (double)config->rope_base);
    /* A factor without a type is linear, and older files call it scale_linear: so says
     * llama.cpp, which wrote them. A factor of 0 stands for none. */
    const char *scaling;
    float older;
    TRY(gguf_string_or(gguf, "llama.rope.scaling.type", "linear", &scaling));
    TRY(gguf_f32_or(gguf, "llama.rope.scale_linear", 1.0f, &older));
    TRY(gguf_f32_or(gguf, "llama.rope.scaling.factor", older, &config->rope_factor));
    if (strcmp(scaling, "linear") && strcmp(scaling, "none"))
        return fail(TMB_UNSUPPORTED, "%s: RoPE scaling \"%.40s\" is not supported (none, linear "
                    "and Llama 3's are)", gguf_path(gguf), scaling);
    if (!strcmp(scaling, "none") || config->rope_factor == 0)
        config->rope_factor = 1;
    config->rope_scaling = config->rope_factor == 1 ? ROPE_SCALING_NONE : ROPE_SCALING_LINEAR;
    if (!(config->rope_factor > 0) || !isfinite(config->rope_factor))
        return fail(TMB_BAD_INPUT, "%s: llama.rope.scaling.factor is %g", gguf_path(gguf),
                    (double)config->rope_factor);
    return TMB_OK;
}

static tmb_status llama_read(const Gguf *gguf, ModelConfig *config)
{
    uint32_t experts, window, value_length;
    TRY(gguf_u32_or(gguf, "llama.expert_count", 0, &experts));
    if (experts)
        return fail(TMB_UNSUPPORTED, "%s: mixtures of experts (%u here) are not supported",
                    gguf_path(gguf), experts);
    TRY(gguf_u32_or(gguf, "llama.attention.sliding_window", 0, &window));
    if (window && window < config->context)
        return fail(TMB_UNSUPPORTED, "%s: sliding-window attention (%u tokens) is not supported",
                    gguf_path(gguf), window);
    TRY(gguf_u32_or(gguf, "llama.attention.key_length", config->hidden / config->heads,
                    &config->head_dim));
    TRY(gguf_u32_or(gguf, "llama.attention.value_length", config->head_dim, &value_length));
    if (config->head_dim != value_length || config->head_dim > 256 || !config->head_dim ||
        config->head_dim % 4)
        return fail(TMB_UNSUPPORTED, "%s: heads of %u keys and %u values are not supported "
                    "(equal, at most 256, a multiple of 4)", gguf_path(gguf), config->head_dim,
                    value_length);
    return read_rope(gguf, config);
}

static void llama_tensors(Model *model)
{
    const ModelConfig *c = &model->config;
    uint64_t q = (uint64_t)c->heads * c->head_dim, kv = (uint64_t)c->kv_heads * c->head_dim;
    model_expect(model, "token_embd.weight", -1, c->vocab, c->hidden, false);
    for (uint32_t i = 0; i < c->layers; i++) {
        int layer = (int)i;
        model_expect(model, "blk.%u.attn_norm.weight", layer, 1, c->hidden, false);
        model_expect(model, "blk.%u.attn_q.weight", layer, q, c->hidden, true);
        model_expect(model, "blk.%u.attn_k.weight", layer, kv, c->hidden, true);
        model_expect(model, "blk.%u.attn_v.weight", layer, kv, c->hidden, true);
        model_expect(model, "blk.%u.attn_output.weight", layer, c->hidden, q, true);
        model_expect(model, "blk.%u.ffn_norm.weight", layer, 1, c->hidden, false);
        model_expect(model, "blk.%u.ffn_gate.weight", layer, c->ffn, c->hidden, true);
        model_expect(model, "blk.%u.ffn_up.weight", layer, c->ffn, c->hidden, true);
        model_expect(model, "blk.%u.ffn_down.weight", layer, c->hidden, c->ffn, true);
    }
    model_expect(model, "output_norm.weight", -1, 1, c->hidden, false);
    if (!c->tied)
        model_expect(model, "output.weight", -1, c->vocab, c->hidden, false);
}

static Tensor *attention_block(ModelGraph *build, uint32_t layer, Tensor *x)
{
    Tensor *h = graph_rmsnorm(build->graph, x,
                              model_weight(build, "blk.%u.attn_norm.weight", layer),
                              model_config(build->model)->norm_eps,
                              model_label(build, layer, "attn_norm"));
    static const char *const names[] = {"blk.%u.attn_q.weight", "blk.%u.attn_k.weight",
                                        "blk.%u.attn_v.weight"};
    Tensor *qkv[3];
    model_apply_all(build, h, names, 3, layer, qkv);
    Tensor *o = model_attention(build, layer, qkv, 0);
    return model_apply_add(build, x, o, "blk.%u.attn_output.weight", layer);
}

static Tensor *ffn_block(ModelGraph *build, uint32_t layer, Tensor *x)
{
    Graph *graph = build->graph;
    Tensor *h = graph_rmsnorm(graph, x, model_weight(build, "blk.%u.ffn_norm.weight", layer),
                              model_config(build->model)->norm_eps,
                              model_label(build, layer, "ffn_norm"));
    static const char *const names[] = {"blk.%u.ffn_gate.weight", "blk.%u.ffn_up.weight"};
    Tensor *both[2];
    model_apply_all(build, h, names, 2, layer, both);
    h = graph_swiglu(graph, both[0], both[1], model_label(build, layer, "swiglu"));
    return model_apply_add(build, x, h, "blk.%u.ffn_down.weight", layer);
}

static void llama_build(ModelGraph *build)
{
    Graph *graph = build->graph;
    Tensor *table = model_weight(build, "token_embd.weight", 0);
    Tensor *x = graph_embedding(graph, build->tokens, table, "embedding");
    for (uint32_t i = 0; i < model_config(build->model)->layers; i++) {
        graph_layer(graph, (int32_t)i, x);
        x = attention_block(build, i, x);
        x = ffn_block(build, i, x);
    }
    graph_layer(graph, -1, x);
    model_head(build, x);
}

const ModelArchitecture model_llama = {"llama", llama_read, llama_tensors, llama_build};
