#ifndef TRAIN_SCORE_H
#define TRAIN_SCORE_H
/* Losses of many examples without gradients, packed as training packs them. */

#include "train/engine.h"

typedef struct Score {
    double nll;              /* summed over the example's supervised tokens */
    uint64_t tokens;         /* how many of them were scored */
} Score;

/* Scores `count` examples; scores[count] is filled. With `stoppable`, Ctrl-C ends it with
 * TMB_INTERRUPTED. A loss that is not finite is TMB_NOT_FINITE. */
TMB_MUST_USE tmb_status score_examples(Engine *engine, const Tokens *const *examples,
                                       uint32_t count, uint32_t row_tokens, bool stoppable,
                                       Score *scores);
/* Sums over all of them. */
Score score_total(const Score *scores, uint32_t count);

#endif
