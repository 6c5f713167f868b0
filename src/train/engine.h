#ifndef TRAIN_ENGINE_H
#define TRAIN_ENGINE_H
/* The device side of training and evaluation: graphs, plans, one Store and the three
 * Programs over it (train, optimizer, evaluate). Knows rows of tokens and optimizer
 * steps; nothing of files, epochs or schedules. */

#include <stdbool.h>
#include <stdint.h>

#include "data/pack.h"
#include "model/lora.h"

typedef struct Engine Engine;

typedef struct EngineParams {
    Gpu *gpu;                    /* outlives the engine, as model and lora do */
    const Model *model;
    const Lora *lora;            /* NULL: the bare model, which cannot be trained */
    uint32_t row_tokens;
    bool train;                  /* false: evaluation only */
    int recompute;               /* -1: the lowest level that fits the free memory */
    uint32_t recompute_layers;   /* with level 2: so many first layers, 0: all */
    AdamwParams adamw;
    FrozenKernels frozen;        /* kernels to keep to, none: the best ones of now */
} EngineParams;

/* What the engine would allocate, decided without allocating. */
typedef struct EngineFit {
    PlanTotals totals;
    uint64_t available;          /* bytes free on the device now */
    uint32_t recompute, recompute_layers;
    bool fits;
    bool raised;                 /* the driver had less memory than it said: more is recomputed
                                  * than was asked for, to the same bits */
} EngineFit;
/* The next level that needs less memory and more time, to the same bits; false beyond the last. */
bool engine_next_level(const Model *model, uint32_t *recompute, uint32_t *recompute_layers);
TMB_MUST_USE tmb_status engine_fit(const EngineParams *params, EngineFit *out);

/* Plans, allocates, uploads the weights and compiles. TMB_OUT_OF_DEVICE before anything
 * is allocated when the plan does not fit. Adapter values and moments are zero. */
TMB_MUST_USE tmb_status engine_create(const EngineParams *params, Engine **out);
void engine_destroy(Engine **engine);
Store *engine_store(Engine *engine);
const EngineFit *engine_plan(const Engine *engine);
/* Kernels chosen, each line of FrozenKernels once; count of them. Owned by the engine. */
const char *const *engine_kernels(const Engine *engine, uint32_t *count);

/* Begins an optimizer step: gradients become zero. */
TMB_MUST_USE tmb_status engine_begin(Engine *engine);
/* Adds one row's gradients of `loss_scale` · Σ weight · loss; losses[labels] receives each
 * label's own loss, unweighted. */
TMB_MUST_USE tmb_status engine_row(Engine *engine, const BatchRow *row, double loss_scale,
                                   float *losses);

typedef struct EngineUpdate {
    uint64_t step;               /* 1 is the first: AdamW's bias correction */
    double learning_rate, weight_decay;
    double max_norm;             /* 0: no clipping */
    /* filled */
    double norm;                 /* of all gradients before clipping */
    bool finite;                 /* false: nothing was changed */
    const char *culprit;         /* the first parameter whose gradient is not finite */
} EngineUpdate;
TMB_MUST_USE tmb_status engine_update(Engine *engine, EngineUpdate *update);

/* Floating-point operations of one row, with gradients or without. */
double engine_flops(const Engine *engine, const BatchRow *row, bool train);

/* Losses of one row without gradients. */
TMB_MUST_USE tmb_status engine_evaluate(Engine *engine, const BatchRow *row, float *losses);

#endif
