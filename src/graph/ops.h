#ifndef GRAPH_OPS_H
#define GRAPH_OPS_H
/* The ops a model is made of. Each appends forward nodes, returns its output and
 * records itself for the backward walk; one file per op in graph/ops/. Activations
 * are f32. Outputs carry the `live` rows of their input. */

#include "graph/graph.h"

/* y[r,:] = table[ids[r],:]. ids U32 [rows,1], table any dtype [vocab, cols]. A frozen
 * table only: training the embedding is not part of this op. */
Tensor *graph_embedding(Graph *graph, Tensor *ids, Tensor *table, const char *name);

/* y = x · rsqrt(mean(x²) + eps) · weight, by rows. weight f32 [1, cols]. */
Tensor *graph_rmsnorm(Graph *graph, Tensor *x, Tensor *weight, float eps, const char *name);

/* y[rows, out] = x[rows, in] · weight[out, in]ᵀ, plus the adapter that the hook gives
 * for `name`. A quantised weight is expanded block by block into scratch, or decoded by the
 * product where GraphParams.in_tile says so; with at most
 * LINEAR_MATVEC_ROWS rows it is read directly. */
enum { LINEAR_MATVEC_ROWS = 8 };
Tensor *graph_linear(Graph *graph, Tensor *x, Tensor *weight, const char *name);

/* Up to three linears of one input, named after their weights; y[count] receives the outputs.
 * While decoding, their adapters are one dispatch. */
void graph_linears(Graph *graph, Tensor *x, Tensor *const *weights, uint32_t count, Tensor **y);
/* x + y of that linear. Where nothing is trained, x itself is added to and returned. */
Tensor *graph_linear_add(Graph *graph, Tensor *x, Tensor *y, Tensor *weight, const char *name);

typedef struct RopeShape {
    uint32_t heads, head_dim, rope_dims;
    uint32_t pairs;          /* 0: adjacent values, 1: halves of the head */
} RopeShape;
/* x [rows, heads·head_dim], positions U32 [rows,1], table f32 [positions, rope_dims]
 * of (cos, sin) pairs. */
Tensor *graph_rope(Graph *graph, Tensor *x, Tensor *positions, Tensor *table,
                   const RopeShape *shape, const char *name);

typedef struct AttentionShape {
    uint32_t heads, kv_heads, head_dim;
    float scale;             /* usually 1/sqrt(head_dim) */
} AttentionShape;
/* Segmented causal attention: row i of q sees rows [span[i,0], span[i,1]) of k and v.
 * `last` (end of the segment of each row) is needed for training only, else NULL. */
Tensor *graph_attention(Graph *graph, Tensor *q, Tensor *k, Tensor *v, Tensor *span,
                        Tensor *last, const AttentionShape *shape, const char *name);

/* cache[slot[r],:] = x[r,:]. slot U32 [rows,1], 0xffffffff: skipped. */
void graph_kv_append(Graph *graph, Tensor *x, Tensor *slot, Tensor *cache, const char *name);

/* Both for few rows that only generate, in one dispatch: rotates q (the result) and k, whose
 * rows go to cache_k as those of v go to cache_v. shape->heads are q's. */
typedef struct CacheSlots {
    Tensor *slot, *cache_k, *cache_v;
} CacheSlots;
Tensor *graph_rope_append(Graph *graph, Tensor *const qkv[3], Tensor *positions, Tensor *table,
                          const RopeShape *shape, const CacheSlots *cache, const char *name);

/* silu(gate) · up. */
Tensor *graph_swiglu(Graph *graph, Tensor *gate, Tensor *up, const char *name);
Tensor *graph_add(Graph *graph, Tensor *a, Tensor *b, const char *name);
Tensor *graph_softmax(Graph *graph, Tensor *x, const char *name);
/* y[i,:] = x[index[i],:]; index U32 [n,1], distinct; y's live rows are index's. */
Tensor *graph_gather(Graph *graph, Tensor *x, Tensor *index, const char *name);

/* Loss of the rows of x against the head weight [vocab, cols], chunk by chunk of
 * rows; the logits of all rows never exist together. labels U32, weights f32 (signed),
 * losses f32 OUTPUT [n,1] = -log p(label), unweighted. When the graph trains, the
 * gradient of LOSS_SCALE · Σ weight·loss with respect to x is emitted as well. */
void graph_loss(Graph *graph, Tensor *x, Tensor *weight, Tensor *labels, Tensor *weights,
                Tensor *losses, const char *name);

/* ---- for the files in graph/ops/ ---------------------------------------- */

enum { TAPE_MAX_TENSORS = 10 };

/* What an op leaves behind for its backward. */
typedef struct OpType {
    const char *name;
    uint32_t level;          /* recomputed from this GraphParams.recompute on; 3: never */
    void (*backward)(Graph *graph, const TapeRecord *record);
} OpType;

struct TapeRecord {
    const OpType *op;
    const char *name;
    Tensor *in[TAPE_MAX_TENSORS];
    uint32_t in_count;
    Tensor *out[2];
    uint32_t out_count;
    uint32_t first_node, node_count;   /* its forward nodes, for recomputation */
    int32_t layer;
    union {
        float eps;
        RopeShape rope;
        AttentionShape attention;
        LinearAdapter adapter;
    } u;
};

/* Starts and ends the record of an op: nodes appended between belong to it. The
 * pointer is valid until the next tape_begin. */
TapeRecord *tape_begin(Graph *graph, const OpType *op, const char *name);
void tape_in(TapeRecord *record, Tensor *tensor);
void tape_out(TapeRecord *record, Graph *graph, Tensor *tensor);
void tape_end(Graph *graph);

/* Appends a node. The pointer is valid until the next one. */
Node *graph_node(Graph *graph, const char *family, const char *name, const char *suffix,
                 const void *push, size_t push_bytes);
void node_bind(Node *node, Tensor *tensor);
void node_bind_view(Node *node, Tensor *tensor, uint64_t offset, uint64_t count);
/* push.field (byte offset) = live rows of the tensor · factor; nothing if all live. */
void node_patch_rows(Node *node, size_t field, const Tensor *tensor, uint32_t factor);
void node_patch_value(Node *node, size_t field, ValueId value);
void graph_fill_zero(Graph *graph, Tensor *tensor, const char *name);

/* An f32 WORK tensor "name.suffix" with these live rows. */
Tensor *graph_work(Graph *graph, uint64_t rows, uint64_t cols, ValueId live,
                   const char *name, const char *suffix);

/* For backward: where to put a gradient of `tensor` and whether to add; the value of a
 * forward tensor, recomputed when the graph's level says so. */
Tensor *graph_grad_to(Graph *graph, Tensor *tensor, uint32_t *accumulate);
Tensor *graph_saved(Graph *graph, Tensor *tensor);
/* For y = a + b: passes dy on to both terms that need it. */
void graph_grad_sum(Graph *graph, Tensor *a, Tensor *b, Tensor *dy);

/* Rows of a [rows, cols] weight in one block: at most `limit` bytes of f32, 16384 rows and the
 * graph's range; unless it is all rows, blocks start at multiples of 256 bytes. limit 0:
 * only the weight's own bytes must fit the range. */
uint64_t graph_block_rows(const Graph *graph, const Tensor *weight, uint64_t limit);

#endif
