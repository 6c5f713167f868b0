#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H
/* A base model on disk: configuration, checked weights, and the graphs built from it.
 * An architecture is one file that appends forward nodes and one line of models.def;
 * it knows nothing of adapters. */

#include "data/gguf.h"
#include "graph/interp.h"
#include "graph/program.h"

typedef enum RopeScaling { ROPE_SCALING_NONE, ROPE_SCALING_LINEAR, ROPE_SCALING_LLAMA3 } RopeScaling;

typedef struct ModelConfig {
    char architecture[32];   /* "llama" */
    char name[128];          /* general.name, "" when missing */
    uint32_t layers, hidden, ffn, vocab;
    uint32_t heads, kv_heads, head_dim;
    uint32_t context;        /* trained context length */
    uint32_t rope_dims;
    float rope_base;
    RopeScaling rope_scaling;
    float rope_factor;       /* positions are divided by it; 1: as they are */
    float norm_eps;
    bool tied;               /* the head is the embedding table */
    uint64_t parameters;     /* values in all tensors */
    uint64_t weight_bytes;   /* as they lie in device memory */
    uint32_t block_types;    /* 1 << Dtype of its matrices that are stored in blocks */
} ModelConfig;

typedef struct Model Model;

/* Opens and checks a GGUF: architecture known, every tensor present with the expected
 * shape and a type we have kernels for, norm weights finite. TMB_BAD_INPUT or
 * TMB_UNSUPPORTED with one sentence. */
TMB_MUST_USE tmb_status model_open(const char *path, Model **out);
void model_close(Model **model);
const ModelConfig *model_config(const Model *model);
/* The open file (tokenizer, chat template, metadata); the model owns it. */
const Gguf *model_gguf(const Model *model);

/* The linears an adapter may attach to: name "blk.3.attn_q.weight", out × in, layer by
 * layer in the order q k v o gate up down. Returns false beyond the last. */
typedef struct ModelLinear {
    const char *name;        /* owned by the model */
    uint32_t layer;
    uint64_t out, in;
} ModelLinear;
bool model_linear(const Model *model, uint32_t index, ModelLinear *out);

/* ---- graphs ------------------------------------------------------------- */

typedef enum ModelMode {
    MODEL_TRAIN,     /* losses and gradients */
    MODEL_EVAL,      /* losses */
    MODEL_PREFILL,   /* prompt rows into the cache, logits of chosen rows */
    MODEL_DECODE     /* one row a sequence: the same inputs, few rows */
} ModelMode;

typedef struct ModelBuild {
    ModelMode mode;
    uint32_t row_tokens;     /* most token rows of one run (decode: sequences) */
    uint32_t max_labels;     /* most rows that reach the head; 0: row_tokens */
    uint32_t positions;      /* positions are below this; 0: row_tokens */
    uint32_t cache_rows;     /* prefill, decode: rows of the cache (slots × context) */
    uint32_t recompute, recompute_layers;   /* see GraphParams */
    uint64_t range;          /* caps.storage_range; 0: 128 MiB */
    bool half;               /* see GraphParams; frozen_half says where it pays */
    InTile in_tile;          /* the same; frozen_in_tile */
    const struct Lora *lora; /* NULL: the bare model */
} ModelBuild;

/* Builds a graph. All index inputs are U32; rows = VALUE_ROWS, n = VALUE_LABELS.
 *
 *   every mode        "tokens" [rows], "positions" [rows], "span" [rows,2]
 *   train, eval       "label_rows" [n] rows of the supervised tokens (distinct),
 *                     "labels" [n] the token each of them should predict,
 *                     output "losses" f32 [n]
 *   train             "label_weights" f32 [n], "last" [rows]; eval needs neither
 *   prefill, decode   "slots" [rows] cache row of each token (0xffffffff: none; span
 *                     then counts cache rows), "label_rows" [n] rows whose logits are
 *                     wanted, output "logits" f32 [n, vocab]
 *
 * Span of row i: [first row of its segment, i + 1); a dead row has begin == end. last of
 * row i: one past the last row of its segment; a dead row has last == i. Rows beyond
 * VALUE_ROWS are not touched, so a row that is not full needs no dead rows at all. */
TMB_MUST_USE tmb_status model_build(const Model *model, const ModelBuild *build, Graph **out);

/* Copies every weight the Store's graphs name (and the rope table) to the device, and
 * lets the file's pages go. */
TMB_MUST_USE tmb_status model_upload(const Model *model, Store *store);
/* The same for the interpreter of one graph. */
TMB_MUST_USE tmb_status model_load_interp(const Model *model, const Graph *graph, Interp *interp);
/* Weights widened to f32: rows [first, first + count) of a tensor, count × cols values. */
TMB_MUST_USE tmb_status model_weight_rows(const Model *model, const char *name, uint64_t first,
                                          uint64_t count, float *out);

#endif
