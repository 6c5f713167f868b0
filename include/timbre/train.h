#ifndef TIMBRE_TRAIN_H
#define TIMBRE_TRAIN_H
/* Fine-tuning: examples in, a RUN folder with an adapter out. */

#include <stddef.h>
#include <stdint.h>

#include "timbre/device.h"
#include "timbre/model.h"
#include "timbre/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_train_event {
    enum { TMB_EVENT_STEP, TMB_EVENT_EVAL, TMB_EVENT_NOTE, TMB_EVENT_CHECKPOINT } kind;
    uint64_t step, steps;          /* done and planned */
    double loss;                   /* mean over the step's supervised tokens, or held-out loss */
    double learning_rate, grad_norm;
    double tokens_per_second;      /* live tokens (no padding) per wall second */
    double seconds_left;
    double fill;                   /* share of row tokens that are live, 0…1 */
    int best;                      /* EVAL: non-zero when this is the best so far */
    const char *text;              /* NOTE: one sentence; valid during the call */
} tmb_train_event;

/* Zero in any field takes the documented default. */
typedef struct tmb_train_params {
    const char *const *data;       /* JSONL files */
    size_t data_count;
    const char *run;               /* RUN folder; created, never overwritten */
    const char *validation;        /* a file, or a share such as "0.1"; NULL: none */
    double epochs;                 /* 3 */
    uint64_t steps;                /* overrides epochs */
    double max_seconds;            /* measure a few steps, fix once how many steps fit */
    double learning_rate;          /* 1e-3 */
    const char *schedule;          /* "cosine", "linear", "constant" */
    double warmup;                 /* share of the steps, 0.05; negative: none */
    double weight_decay;           /* 0 */
    double max_grad_norm;          /* 1.0; negative: no clipping */
    uint32_t rank;                 /* 16 */
    double alpha;                  /* 2 x rank */
    const char *targets;           /* "all" or a comma-separated list of linears */
    uint32_t step_examples;        /* examples per optimizer step, 8 */
    uint32_t row_tokens;           /* 512, or what the model knows when that is less */
    uint64_t seed;                 /* 0 is a seed */
    uint64_t eval_every;           /* steps; 0: at the end of every epoch */
    uint32_t patience;             /* evaluations without a new best; 0: never stop early */
    uint64_t checkpoint_every;     /* steps; 0: chosen from the step time */
    int resume;                    /* go on with an existing RUN, to the same bits */
    const char *initial;           /* GGUF-LoRA file to begin from; NULL: a fresh draw */
    void (*on_event)(void *user, const tmb_train_event *event);
    void *user;
} tmb_train_params;

typedef struct tmb_train_result {
    uint64_t steps, tokens, supervised;
    double first_loss, last_loss, best_validation;
    double seconds, tokens_per_second;
    int stopped_early;
} tmb_train_result;

/* Trains a LoRA adapter. TMB_INTERRUPTED after Ctrl-C with everything saved;
 * TMB_NOT_FINITE names step and tensor; TMB_BUSY when the RUN is in use. */
TMB_MUST_USE tmb_status tmb_train(tmb_device *device, tmb_model *model,
                                  const tmb_train_params *params, tmb_train_result *result);

/* The plan a run would allocate, without running: device bytes by lifetime. */
typedef struct tmb_fit {
    uint64_t weights, state, work, cache, staging, total;
    uint64_t available;            /* on the device, after memory_cap */
    uint32_t row_tokens, recompute_level;
    int fits;
} tmb_fit;
TMB_MUST_USE tmb_status tmb_train_fit(tmb_device *device, tmb_model *model,
                                      const tmb_train_params *params, tmb_fit *out);

#ifdef __cplusplus
}
#endif
#endif
