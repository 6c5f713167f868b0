#ifndef MODEL_ARCHITECTURE_H
#define MODEL_ARCHITECTURE_H
/* What an architecture file provides, and the helpers it builds with. A new
 * architecture is one file and one line of models.def. */

#include "graph/ops.h"
#include "model/model.h"

/* A tensor the file must hold: cols values a row. */
typedef struct ModelTensor {
    const char *name;
    uint64_t rows, cols;
    bool linear;             /* an adapter may attach */
    uint32_t layer;
} ModelTensor;

typedef struct ModelGraph ModelGraph;

typedef struct ModelArchitecture {
    const char *name;        /* general.architecture */
    /* Reads and checks what the common keys do not say (they are read before). */
    tmb_status (*read)(const Gguf *gguf, ModelConfig *config);
    /* Names every tensor by model_expect. */
    void (*tensors)(Model *model);
    /* Appends the forward nodes. */
    void (*build)(ModelGraph *build);
} ModelArchitecture;

struct Model {
    Gguf *gguf;
    Arena arena;
    ModelConfig config;
    const ModelArchitecture *architecture;
    ModelTensor *tensors;
    uint32_t tensor_count, tensor_capacity;
    bool rope_factors;       /* rope_freqs.weight is there */
};

/* Adds a tensor to the model's list; layer < 0: format has no %u. */
void model_expect(Model *model, const char *format, int layer, uint64_t rows, uint64_t cols,
                  bool linear);

/* A graph under construction and its inputs (see model_build). */
struct ModelGraph {
    const Model *model;
    const ModelBuild *params;
    Graph *graph;
    Tensor *tokens, *positions, *span, *last, *slots;
    Tensor *label_rows, *labels, *label_weights, *losses;
    Tensor *rope_table;
};

/* The weight of this GGUF name ("blk.%u.attn_q.weight" with the layer). */
Tensor *model_weight(ModelGraph *build, const char *format, uint32_t layer);
/* x · Wᵀ with the adapters of these weights, if any: `count` <= 3 weights of one x. */
void model_apply_all(ModelGraph *build, Tensor *x, const char *const *formats, uint32_t count,
                     uint32_t layer, Tensor **out);
/* residual + that; the residual itself is added to where nothing is trained. */
Tensor *model_apply_add(ModelGraph *build, Tensor *residual, Tensor *x, const char *format,
                        uint32_t layer);
/* A name for an op of this layer. */
const char *model_label(ModelGraph *build, uint32_t layer, const char *what);
/* RoPE (pairs: RopeShape's) and attention of one layer: over the rows themselves, or through
 * the cache when the graph has one. */
Tensor *model_attention(ModelGraph *build, uint32_t layer, Tensor *const qkv[3], uint32_t pairs);
/* Gathers the rows that reach the head, norms them, and ends in losses or logits. */
void model_head(ModelGraph *build, Tensor *x);

/* Cosines and sines of every position below `positions`: [positions, rope_dims/2, 2]. */
void model_rope_table(const Model *model, uint64_t positions, float *table);
/* A weight's tensor in the file; it was checked when the model was opened. */
const GgufTensor *model_tensor(const Model *model, const char *name);

#endif
