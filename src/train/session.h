#ifndef TRAIN_SESSION_H
#define TRAIN_SESSION_H
/* One training run in progress: the RUN folder, the device side, the data and the state
 * that a checkpoint holds. Private to src/train. */

#include "train/checkpoint.h"
#include "train/engine.h"
#include "train/metrics.h"
#include "train/order.h"
#include "train/run.h"
#include "train/schedule.h"
#include "train/score.h"
#include "train/trainer.h"
#include "train/watch.h"

/* Tokenized examples; the arrays belong to the caller. */
typedef struct TrainExamples {
    const Tokens *train, *held;
    const double *train_weights; /* NULL: all 1 */
    uint32_t train_count, held_count;
} TrainExamples;

/* The training state in main memory, as a checkpoint holds it: what a lost device took can be
 * computed again from here. Taken so seldom that it costs a hundredth of the time. */
typedef struct Snapshot {
    CheckpointState state;
    unsigned char *values;       /* the sections' bytes; NULL: main memory is too small, and the
                                  * checkpoints on disk have to do */
    unsigned char *spare;        /* where the next one is put together; NULL: over the last, which
                                  * is whole again at once as the device's memory is mapped */
    uint64_t *offsets;           /* [sections] into values */
    CheckpointSection *sections;
    size_t count;
    bool whole;                  /* false: none was taken, or the device went while it was */
    double taken_at, cost;       /* os_seconds; seconds */
} Snapshot;

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
    float *losses_of_row;        /* [row_tokens] */
    double saved_at;             /* os_seconds of the last checkpoint */
    uint64_t saved_step;
    double step_seconds;         /* mean of the steps of this process so far */
    uint64_t own_steps;          /* steps of this process */
    Snapshot snapshot;
    int recompute;               /* level to ask the engine for, -1: its choice */
    uint32_t recompute_layers;
    uint32_t losses;             /* of the device since a state was last kept */
    StepWatch watch;
} Session;

/* Loss, gradients, optimizer, metrics.jsonl and the event of one step. */
TMB_MUST_USE tmb_status session_step(Session *session);
/* Scores the held-out examples, saves the adapter when it is the best so far. */
TMB_MUST_USE tmb_status session_evaluate(Session *session);
/* Losses and gradients of all rows; *loss is the weighted mean over the supervised tokens. */
TMB_MUST_USE tmb_status session_batch(Session *session, const Batch *batch, double *loss);
/* measure.c: how many steps fit into what is left of max_seconds, which began at `started`; 0: no
 * limit. Nothing of the state changes. */
TMB_MUST_USE tmb_status session_steps_that_fit(Session *session, double started, uint64_t *most);

/* session_state.c: the state in main memory and on disk. */
void session_snapshot_init(Session *session);
void session_snapshot_finish(Session *session);
/* Keeps the state as it is now in main memory, where there is room for it. */
TMB_MUST_USE tmb_status session_snapshot(Session *session);
TMB_MUST_USE tmb_status session_put_snapshot(Session *session);
/* Writes a snapshot that is newer than the last checkpoint: needs no device. */
TMB_MUST_USE tmb_status session_keep_snapshot(Session *session);
TMB_MUST_USE tmb_status session_save_adapter(Session *session);
TMB_MUST_USE tmb_status session_save(Session *session);
/* Puts back the newest whole checkpoint, or leaves the fresh state when there is none. */
TMB_MUST_USE tmb_status session_restore(Session *session);

/* TMB_IO when the disk has no room for what the rest of the run will write; the step it begins after
 * is known. */
TMB_MUST_USE tmb_status session_check_disk(const Session *session);

/* recover.c: the device side, made and made again. */

/* The engine, the values of the beginning and, where the run is frozen, the state it had. */
TMB_MUST_USE tmb_status session_start(Session *session);
/* A failure that a new device, or a plan that needs less memory, can mend. */
bool session_survives(const Session *session, tmb_status status);
/* Opens the device again, without an engine; a note where the run has not begun. */
TMB_MUST_USE tmb_status session_reopen(Session *session, tmb_status status);
/* Opens the device again, makes the engine and goes back to the last state kept. The third
 * failure in a row saves that state and is final. */
TMB_MUST_USE tmb_status session_recover(Session *session, tmb_status status);
/* After each step: says when steps have become slow, and what befell the device. */
TMB_MUST_USE tmb_status session_watch(Session *session, const StepMetrics *metrics);

/* One sentence for people, as an event; told also writes it into metrics.jsonl. */
void session_note(const Session *session, const char *format, ...) TMB_PRINTF(2, 3);
TMB_MUST_USE tmb_status session_told(const Session *session, const char *format, ...)
    TMB_PRINTF(2, 3);

/* Trains on examples that are tokenized already; train_run is this behind the readers. The
 * Run is open: unfrozen (its config is filled but for what the examples and the plan
 * decide) or frozen (going on). */
TMB_MUST_USE tmb_status train_examples(const TrainBase *base, const TrainParams *params,
                                       const TrainExamples *examples, Run *run,
                                       double started, TrainResult *result);

#endif
