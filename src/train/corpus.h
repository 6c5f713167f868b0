#ifndef TRAIN_CORPUS_H
#define TRAIN_CORPUS_H
/* The examples of a run, read and tokenized, split into training and held-out ones. */

#include "train/session.h"

typedef struct Corpus {
    Tokens *tokens;          /* [count]: training first, held-out behind them */
    double *weights;         /* [count] */
    uint32_t count;
    TrainExamples examples;
    uint32_t truncated;      /* training examples that lose supervised tokens */
    uint32_t empty;          /* examples with nothing but white space as their reply */
    uint32_t repeated;       /* training examples that equal an earlier one */
    uint32_t known;          /* held-out examples that equal a training example */
    uint32_t left_out;       /* examples that would lose all of them, and are not in here */
} Corpus;

/* Reads the files of config->data and its validation; fills the digests, or compares them
 * where the run is frozen. A share is drawn with the run's seed. */
TMB_MUST_USE tmb_status corpus_read(const TrainBase *base, Run *run, Corpus *out);
void corpus_finish(Corpus *corpus);

#endif
