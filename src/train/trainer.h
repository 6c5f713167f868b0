#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H
/* Fine-tuning: examples in, a RUN folder with an adapter out. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/template.h"
#include "data/tokenizer.h"
#include "model/lora.h"

/* What training, evaluation and fitting work on; everything outlives the call. */
typedef struct TrainBase {
    Gpu *gpu;
    const Model *model;
    const char *model_path;
    const char *model_sha256;        /* of the file, 64 hexadecimal digits */
    const Tokenizer *tokenizer;
    const ChatTemplate *chat;        /* NULL: the model has none; JSONL is then refused */
    const char *version;             /* of Timbre, for config.json */
} TrainBase;

typedef enum TrainEventKind {
    TRAIN_EVENT_STEP, TRAIN_EVENT_EVAL, TRAIN_EVENT_NOTE, TRAIN_EVENT_CHECKPOINT
} TrainEventKind;

typedef struct TrainEvent {
    TrainEventKind kind;
    uint64_t step, steps;            /* done and planned */
    double loss;                     /* of the step's supervised tokens, or held out */
    double learning_rate, grad_norm;
    double tokens_per_second;        /* live tokens per wall second of this step */
    double seconds_left;
    double fill;                     /* live share of the row tokens, 0…1 */
    bool best;                       /* EVAL: the best so far */
    const char *text;                /* NOTE: one sentence; valid during the call */
} TrainEvent;

typedef struct TrainResult {
    uint64_t steps, tokens, supervised;
    double first_loss, last_loss;
    double best_validation;          /* NaN without held-out data */
    double seconds, tokens_per_second;
    bool stopped_early;
    uint64_t own_steps;              /* of this process, the others were done before */
} TrainResult;

/* Zero in any field takes the default named behind it. */
typedef struct TrainParams {
    const char *const *data;         /* JSONL files with `messages` */
    size_t data_count;
    const char *run;                 /* RUN folder; created, never overwritten */
    const char *validation;          /* a file, or a share such as "0.1"; NULL: none */
    double epochs;                   /* 3 */
    uint64_t steps;                  /* overrides epochs */
    double max_seconds;              /* measures, then fixes once how many steps fit;
                                      * never more than the epochs or steps */
    double learning_rate;            /* 0.8 / hidden size, between 1e-4 and 1e-3 */
    const char *schedule;            /* "cosine" */
    double warmup;                   /* share of the steps, 0.05; negative: none */
    double weight_decay;
    double max_grad_norm;            /* 1.0; negative: no clipping */
    uint32_t rank;                   /* 16 */
    double alpha;                    /* 2 × rank */
    const char *targets;             /* "all" */
    uint32_t step_examples;          /* 8 */
    uint32_t row_tokens;             /* 512 */
    uint64_t seed;
    uint64_t eval_every;             /* steps; 0: at the end of every epoch */
    uint32_t patience;               /* evaluations without a new best; 0: never stop early */
    uint64_t checkpoint_every;       /* steps; 0: by the clock, about every minute */
    bool resume;                     /* go on with the RUN, to the same bits */
    const char *initial;             /* GGUF-LoRA to begin from instead of a fresh draw; its
                                      * rank, alpha and targets are then the run's */
    void (*on_event)(void *user, const TrainEvent *event);
    /* A run has ended well, and nothing of it is on the device any more. NULL: nobody asks. */
    void (*on_end)(void *user, const Tokens *held, uint32_t held_count, const TrainResult *result);
    void *user;
} TrainParams;

/* Trains a LoRA adapter. TMB_INTERRUPTED after Ctrl-C with everything saved;
 * TMB_NOT_FINITE names step and tensor; TMB_BUSY when the RUN is in use. */
TMB_MUST_USE tmb_status train_run(const TrainBase *base, const TrainParams *params,
                                  TrainResult *result);

/* The plan a run would allocate, without a run: bytes of device memory. */
typedef struct TrainFit {
    PlanTotals totals;
    uint64_t staging, total;         /* total: of everything */
    uint64_t available;              /* on the device now */
    uint32_t row_tokens, recompute_level;
    bool fits;
} TrainFit;
TMB_MUST_USE tmb_status train_fit(const TrainBase *base, const TrainParams *params,
                                  TrainFit *out);

#endif
