#ifndef OPS_WEIGHT_H
#define OPS_WEIGHT_H
/* Products with a weight of any dtype, block by block of its rows: a block is expanded
 * to f32 scratch (f32 weights are read where they lie) and multiplied. Shared by linear
 * layers and the head. With GraphParams.half both operands are f16 instead: activations are
 * cast with a power of two for each row, weights as they are, infinite beyond f16's range.
 * Types in GraphParams.in_tile need no scratch: their blocks, as large as a binding may be, are
 * decoded by the product. */

#include "graph/ops.h"

/* Rows of activations as f16 (an odd number of columns is padded), and what each row is to be
 * multiplied by. */
typedef struct HalfRows {
    Tensor *values, *scale;
} HalfRows;

/* `rows` rows of x [.., in] from x_first on, and of y [.., out] from y_first on. The live
 * rows are those of `live`, counted from x_first. */
typedef struct WeightProduct {
    Tensor *weight;          /* [out, in] */
    Tensor *x, *y, *live;
    uint32_t x_first, y_first, rows;
    uint32_t accumulate;     /* forward only: y += x · Wᵀ */
    HalfRows half;           /* forward only: all of x, cast before; NULL: as needed */
} WeightProduct;

/* Whether products with this weight take f16 operands. */
bool weight_is_half(const Graph *graph, const Tensor *weight);
/* Casts all rows of x for the forward products of several weights. */
HalfRows weight_cast(Graph *graph, Tensor *x, const char *name);

/* y = x · Wᵀ: each block fills its own columns of y. */
void weight_forward(Graph *graph, const WeightProduct *product, const char *name);
/* x (+)= y · W, where x and y are gradients: later blocks add in order. */
void weight_backward(Graph *graph, const WeightProduct *product, uint32_t accumulate,
                     const char *name);
/* dW += yᵀ · x for a trained f32 weight, y a gradient; dw has the weight's shape. */
void weight_gradient(Graph *graph, const WeightProduct *product, Tensor *dw, const char *name);
/* y = x · Wᵀ straight from the weight's own type, for few rows. */
void weight_matvec(Graph *graph, const WeightProduct *product, const char *name);
/* Chains weights that can be one matrix, their rows one behind the other: those of one type next
 * to each other in the list. Every graph of a Store must do so: it decides where weights lie. */
void weight_chain(Graph *graph, Tensor *const *weights, uint32_t count);
/* The same as weight_matvec for the chain of two or three weights that begins with product's, in
 * one dispatch; y has one tensor for each. */
void weight_matvec_chain(Graph *graph, const WeightProduct *product, Tensor *const *y,
                         const char *name);
/* push.field = live rows that belong to this product; skips the node when there are none. */
void weight_patch_rows(Node *node, size_t field, const WeightProduct *product);

#endif
