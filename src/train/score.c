#include "train/score.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/os.h"

enum { PACKED_TOGETHER = 512 };   /* examples; bounds the memory of a batch */

static tmb_status score_row(Engine *engine, const BatchRow *row, float *losses, Score *scores)
{
    TRY(engine_evaluate(engine, row, losses));
    for (uint32_t i = 0; i < row->labels; i++) {
        Score *score = &scores[row->label_groups[i]];
        score->nll += (double)losses[i];
        score->tokens++;
    }
    return TMB_OK;
}

static tmb_status score_batch(Engine *engine, const Tokens *const *examples, uint32_t count,
                              uint32_t row_tokens, bool stoppable, float *losses, Score *scores)
{
    Batch batch;
    batch_pack(&batch, examples, NULL, count, row_tokens);
    tmb_status status = TMB_OK;
    for (uint32_t i = 0; !status && i < batch.count; i++) {
        status = score_row(engine, &batch.rows[i], losses, scores);
        if (!status && stoppable && os_interrupted())
            status = fail(TMB_INTERRUPTED, "stopped before the evaluation was done");
    }
    batch_finish(&batch);
    return status;
}

tmb_status score_examples(Engine *engine, const Tokens *const *examples, uint32_t count,
                          uint32_t row_tokens, bool stoppable, Score *scores)
{
    float *losses = MEM_NEW_ARRAY(float, row_tokens);
    tmb_status status = TMB_OK;
    for (uint32_t i = 0; i < count; i++)
        scores[i] = (Score){0};
    for (uint32_t first = 0; !status && first < count; first += PACKED_TOGETHER) {
        uint32_t taken = count - first < PACKED_TOGETHER ? count - first : PACKED_TOGETHER;
        status = score_batch(engine, examples + first, taken, row_tokens, stoppable, losses,
                             scores + first);
    }
    free(losses);
    for (uint32_t i = 0; !status && i < count; i++)
        if (!isfinite(scores[i].nll))
            status = fail(TMB_NOT_FINITE, "the loss of example %u is not finite; the model or "
                          "the adapter is damaged", i + 1);
    return status;
}

Score score_total(const Score *scores, uint32_t count)
{
    Score total = {0};
    for (uint32_t i = 0; i < count; i++) {
        total.nll += scores[i].nll;
        total.tokens += scores[i].tokens;
    }
    return total;
}
