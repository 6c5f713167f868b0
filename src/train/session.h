#ifndef TRAIN_SESSION_H
#define TRAIN_SESSION_H
/* One training run in progress: the RUN folder, the device side, the data and the state
 * that a checkpoint holds. Private to src/train. */

#include "train/checkpoint.h"
#include "train/engine.h"
#include "train/order.h"
#include "train/run.h"
#include "train/schedule.h"
#include "train/score.h"
#include "train/trainer.h"

/* Tokenized examples; the arrays belong to the caller. */
typedef struct TrainExamples {
    const Tokens *train, *held;
    const double *train_weights; /* NULL: all 1 */
    uint32_t train_count, held_count;
} TrainExamples;

typedef struct Session {
    const TrainBase *base;
    const TrainParams *params;
    const TrainExamples *examples;
    Run *run;
    const Schedule *schedule;
    Lora *lora;
    Engine *engine;
    Order order;
    CheckpointState state;       /* everything of it but the cursor is kept up to date */
    const Tokens **step_list;    /* [step_examples] */
    double *step_weights;        /* [step_examples] */
    float *losses;               /* [row_tokens] */
    double saved_at;             /* os_seconds of the last checkpoint */
    uint64_t saved_step;
    double step_seconds;         /* mean of the steps of this process so far */
    uint64_t own_steps;          /* steps of this process */
} Session;

/* Loss, gradients, optimizer, metrics.jsonl and the event of one step. */
TMB_MUST_USE tmb_status session_step(Session *session);
/* Scores the held-out examples, saves the adapter when it is the best so far. */
TMB_MUST_USE tmb_status session_evaluate(Session *session);
/* Forward and backward of a few examples without any effect, timed (for max_seconds):
 * seconds per computed token of training and of evaluation. */
TMB_MUST_USE tmb_status session_measure(Session *session, double *train_seconds,
                                        double *eval_seconds);

/* session_state.c: the state on disk. */
TMB_MUST_USE tmb_status session_save_adapter(Session *session);
TMB_MUST_USE tmb_status session_save(Session *session);
/* Puts back the newest whole checkpoint, or leaves the fresh state when there is none. */
TMB_MUST_USE tmb_status session_restore(Session *session);

/* One sentence for people, as an event. */
void session_note(const Session *session, const char *format, ...) TMB_PRINTF(2, 3);

/* Trains on examples that are tokenized already; train_run is this behind the readers. The
 * Run is open: unfrozen (its config is filled but for what the examples and the plan
 * decide) or frozen (going on). */
TMB_MUST_USE tmb_status train_examples(const TrainBase *base, const TrainParams *params,
                                       const TrainExamples *examples, Run *run,
                                       double started, TrainResult *result);

#endif
