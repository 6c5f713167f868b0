#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H
/* A static graph: tensors, and nodes in execution order. One node is exactly one
 * kernel dispatch (or one fill). Ops (graph/ops.h) append nodes and leave a record
 * on a tape; graph_backward walks the tape once in reverse and appends ordinary
 * nodes, so planner, interpreter and Program see no difference between directions.
 *
 * A Graph holds shapes only: no values, no device. Tensors of several graphs that
 * have the same name and one of the shared lives (WEIGHT, PARAMETER, GRADIENT,
 * MOMENT1, MOMENT2, CACHE) are one piece of memory in a Store (graph/program.h).
 *
 * Programming errors (shapes that do not fit inside one of our builders) are
 * asserts; what depends on files or users is checked before a graph is built. */

#include "base/dtype.h"
#include "base/mem.h"
#include "base/status.h"
#include "kernels/kernel.h"

/* ---- values known only when a Program runs ------------------------------ */

typedef enum ValueId {
    VALUE_NONE,
    VALUE_ROWS,           /* live token rows of this run, <= the graph's row_tokens */
    VALUE_LABELS,         /* supervised rows, or rows whose logits are wanted */
    VALUE_LOSS_SCALE,     /* 1 / supervised tokens of the whole optimizer step */
    VALUE_LEARNING_RATE,
    VALUE_WEIGHT_DECAY,
    VALUE_CORRECTION1,    /* 1 - beta1^t, t = 1 at the first step */
    VALUE_CORRECTION2,    /* 1 - beta2^t */
    VALUE_MAX_NORM,       /* 0: gradients are not clipped */
    VALUE_COUNT
} ValueId;

typedef struct Values {
    double at[VALUE_COUNT];
} Values;

/* ---- tensors ------------------------------------------------------------ */

typedef enum TensorLife {
    LIFE_WEIGHT,      /* read-only from load to end; any dtype */
    LIFE_PARAMETER,   /* trained, f32 */
    LIFE_GRADIENT,    /* of a parameter; cleared once per optimizer step, then added to */
    LIFE_MOMENT1, LIFE_MOMENT2,
    LIFE_WORK,        /* activations and scratch: first to last use inside one run */
    LIFE_CACHE,       /* keys and values, kept between runs */
    LIFE_INPUT,       /* written by the host before a run */
    LIFE_OUTPUT,      /* read by the host after a run */
    LIFE_COUNT
} TensorLife;

typedef struct Tensor Tensor;
struct Tensor {
    const char *name;        /* unique in its graph; the arena of the graph owns it */
    Dtype dtype;
    uint64_t rows, cols;     /* row-major [rows, cols]; the maximum if `live` is set */
    TensorLife life;
    ValueId live;            /* rows in use at run time, VALUE_NONE: always all */
    uint32_t index;          /* in graph->tensors */
    uint32_t chunk;          /* PARAMETER, GRADIENT, MOMENT: chunk of the region … */
    uint64_t offset;         /* … and first element inside it (graph/parameters.h) */
    Tensor *whole;           /* WORK: the tensor in which it lies, from element `offset` on */
    bool stretch;            /* PARAMETER: [1, cols] of the chunk, in which others lie; WEIGHT:
                              * the chain that begins with `next`, as one matrix */
    Tensor *next;            /* WEIGHT: lies right behind this one, whose bytes are whole 256s */
    bool follows;            /* WEIGHT: some other's `next` */

    /* differentiation; private to graph.c */
    bool needs_grad;         /* a parameter, or computed from one */
    Tensor *grad;            /* NULL until the first gradient arrives */
    int32_t producer;        /* tape index, -1: leaf */
    Tensor *again;           /* the recomputed copy used by backward nodes */
    bool keep;               /* never recomputed (input of a layer) */
};

/* Values of the tensor, and its bytes in device memory (rounded up to 4). */
uint64_t tensor_elements(const Tensor *tensor);
uint64_t tensor_bytes(const Tensor *tensor);

/* ---- nodes -------------------------------------------------------------- */

/* A part of a tensor, in values (also for quantised types: multiples of the block). */
typedef struct View {
    Tensor *tensor;
    uint64_t offset, count;
} View;

/* push field at byte `field` = clamp(values.at[value] - subtract, 0, limit) * factor,
 * as uint; or the value itself as float when `real`. */
typedef struct Patch {
    uint16_t field;
    uint8_t value;           /* ValueId */
    bool real;
    uint32_t subtract, limit, factor;
} Patch;

enum { NODE_MAX_PATCH = 4 };

typedef struct Node {
    const char *family;      /* kernel family; NULL: fill bind[0] with zero bits */
    const char *label;       /* "layers.3.q.fwd", for messages and comparisons */
    unsigned char push[GPU_MAX_PUSH];
    View bind[GPU_MAX_BIND];
    uint32_t bind_count;
    Patch patch[NODE_MAX_PATCH];
    uint32_t patch_count;
    uint8_t guard;           /* ValueId; the node is skipped unless … */
    uint32_t guard_above;    /* … values.at[guard] > guard_above */
} Node;

/* False when the node is skipped in this run; otherwise push receives the patched
 * constants (GPU_MAX_PUSH bytes). */
bool node_patch(const Node *node, const Values *values, unsigned char *push);
/* A kernel row of the node's family that reads the dtypes it binds, whatever its needs:
 * reference, extent and access are the same for all of them. NULL: a fill, or none. */
const KernelRow *node_row(const Node *node);
GpuAccess node_access(const Node *node, uint32_t index);
/* Array elements behind this many values: the values, or 32-bit words of blocks. */
uint64_t dtype_elements(Dtype dtype, uint64_t values);

/* ---- adapters ----------------------------------------------------------- */

/* Low-rank addition to a linear: y += scale * (x Aᵀ) Bᵀ. */
typedef struct LinearAdapter {
    Tensor *a;               /* [rank, in] f32 parameter */
    Tensor *b;               /* [out, rank] */
    float scale;             /* alpha / rank */
} LinearAdapter;

typedef struct Graph Graph;

/* Asked once per linear by its weight name, "blk.0.attn_q.weight"; returns false
 * when no adapter is attached there. */
typedef bool (*LinearHook)(void *context, Graph *graph, const char *name, uint64_t in,
                           uint64_t out, LinearAdapter *adapter);

/* ---- the graph ---------------------------------------------------------- */

/* Types of quantised weights, as bits 1 << Dtype, whose products forward (NT) and backward (NN) decode
 * them in the tile; the others are expanded first. */
typedef struct InTile {
    uint32_t forward, backward;
} InTile;

typedef struct GraphParams {
    uint64_t range;          /* bytes one binding may cover (caps.storage_range); 0: 128 MiB */
    uint64_t scratch;        /* bytes of an expanded weight block; 0: 32 MiB */
    uint64_t logits;         /* bytes of a chunk of logits; 0: 64 MiB */
    bool train;              /* loss ops also emit gradients */
    bool half;               /* products with frozen weights take both operands as f16 */
    InTile in_tile;          /* of frozen weights */
    uint32_t recompute;      /* 0 none, 1 norms and SwiGLU, 2 whole layers from their input */
    uint32_t recompute_layers; /* level 2: this many first layers; 0: all */
    LinearHook hook;
    void *hook_context;
} GraphParams;

typedef struct TapeRecord TapeRecord;   /* graph/ops.h */

struct Graph {
    Arena arena;
    GraphParams params;
    Tensor **tensors;
    uint32_t tensor_count, tensor_capacity;
    Node *nodes;
    uint32_t node_count, node_capacity;
    TapeRecord *tape;
    uint32_t tape_count, tape_capacity;
    int32_t walking;         /* tape index of the backward walk, -1: forward */
    int32_t layer;           /* of the nodes appended now, -1: outside layers */
    uint32_t backward_node;  /* first node of the backward walk */
};

Graph *graph_create(const GraphParams *params);
void graph_destroy(Graph **graph);

/* A new tensor; the name is copied. */
Tensor *graph_tensor(Graph *graph, TensorLife life, Dtype dtype, uint64_t rows,
                     uint64_t cols, const char *name);
/* A new WORK tensor [1, values] in which these f32 ones lie, none of them used by a node yet; each
 * begins at a legal buffer offset. */
Tensor *graph_whole(Graph *graph, Tensor *const *parts, uint32_t count, const char *name);
/* NULL when the graph has no such tensor. */
Tensor *graph_find(const Graph *graph, const char *name);
/* Marks the start of layer `index` whose input x is kept by recomputation; -1 ends. */
void graph_layer(Graph *graph, int32_t index, Tensor *x);

/* Appends gradients: of the losses recorded on the tape, and of `seed` (WORK or
 * INPUT, shape of `output`) through `output` when both are given (tests). */
void graph_backward(Graph *graph, Tensor *output, Tensor *seed);

/* Joins neighbouring nodes for which there is one kernel with the same bits (a sum and the norm
 * of it). The last thing done to a graph: nothing is appended afterwards. */
void graph_fuse(Graph *graph);

#endif
