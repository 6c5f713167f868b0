#ifndef OPS_WEIGHT_H
#define OPS_WEIGHT_H
/* Products with a weight of any dtype, block by block of its rows: a block is expanded
 * to f32 scratch (f32 weights are read where they lie) and multiplied. Shared by linear
 * layers and the head. */

#include "graph/ops.h"

/* `rows` rows of x [.., in] from x_first on, and of y [.., out] from y_first on. The live
 * rows are those of `live`, counted from x_first. */
typedef struct WeightProduct {
    Tensor *weight;          /* [out, in] */
    Tensor *x, *y, *live;
    uint32_t x_first, y_first, rows;
    uint32_t accumulate;     /* forward only: y += x · Wᵀ */
} WeightProduct;

/* y = x · Wᵀ: each block fills its own columns of y. */
void weight_forward(Graph *graph, const WeightProduct *product, const char *name);
/* x (+)= y · W, where x and y are gradients: later blocks add in order. */
void weight_backward(Graph *graph, const WeightProduct *product, uint32_t accumulate,
                     const char *name);
/* dW += yᵀ · x for a trained f32 weight, y a gradient; dw has the weight's shape. */
void weight_gradient(Graph *graph, const WeightProduct *product, Tensor *dw, const char *name);
/* y = x · Wᵀ straight from the weight's own type, for few rows. */
void weight_matvec(Graph *graph, const WeightProduct *product, const char *name);
/* push.field = live rows that belong to this product; skips the node when there are none. */
void weight_patch_rows(Node *node, size_t field, const WeightProduct *product);

#endif
