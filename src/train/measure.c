/* How long the parts of a run take, for a run that is given so many minutes. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "train/session.h"

/* Of the time given, for measuring: a small model is measured often, so that chance evens out. */
static const double MEASURED_SHARE = 0.03;

typedef struct Times {
    double token;            /* seconds per computed token of training … */
    double evaluated;        /* … and of evaluation */
    double step, evaluation; /* what each costs besides: the optimizer, files */
} Times;

/* Forward and backward of `count` examples, without an optimizer step. */
static tmb_status time_examples(Session *session, const uint32_t *items, uint32_t count,
                                double *seconds, double *tokens, double *eval_share)
{
    Batch batch;
    double loss;
    for (uint32_t i = 0; i < count; i++) {
        session->step_list[i] = &session->examples->train[items[i]];
        session->step_weights[i] = 1;
    }
    batch_pack(&batch, session->step_list, session->step_weights, count,
               (uint32_t)session->run->config.row_tokens);
    double started = os_seconds();
    tmb_status status = session_batch(session, &batch, &loss);
    *seconds = os_seconds() - started;
    *tokens = (double)batch.tokens;
    *eval_share = engine_flops(session->engine, &batch.rows[0], false) /
                  engine_flops(session->engine, &batch.rows[0], true);
    batch_finish(&batch);
    return status;
}

/* One example to compile everything, then a few that count: on a slow machine a step is
 * minutes, and the time is better spent on training. */
static tmb_status time_tokens(Session *session, const uint32_t *items, uint32_t got, Times *times)
{
    uint32_t few = got > 3 ? 3 : 1;
    double seconds, tokens, share, all_seconds, all_tokens, whole;
    double most = MEASURED_SHARE * session->run->config.max_seconds;
    TRY(time_examples(session, items, 1, &seconds, &tokens, &share));
    TRY(time_examples(session, items, few, &all_seconds, &all_tokens, &share));
    whole = all_seconds * got / few;      /* of a whole step */
    while (all_seconds + whole < most) {
        TRY(time_examples(session, items, got, &whole, &tokens, &share));
        all_seconds += whole;
        all_tokens += tokens;
    }
    times->token = all_seconds / all_tokens;
    times->evaluated = times->token * share;
    return TMB_OK;
}

/* Writes a line as each step does, and forgets it. */
static tmb_status time_line(Session *session, double *seconds)
{
    char *path = os_join(session->run->path, "config.json.measured");
    double started = os_seconds();
    tmb_status status = metrics_step(path, &(StepMetrics){0});
    *seconds = os_seconds() - started;
    tmb_status removed = os_remove(path);
    free(path);
    return status ? status : removed;
}

/* The optimizer on gradients, moments and a rate of zero changes nothing. The second of each
 * counts: the first compiles, and makes the file. */
static tmb_status time_rest(Session *session, Times *times)
{
    double started = 0, line = 0;
    for (int pass = 0; pass < 2; pass++) {
        EngineUpdate update = {.step = 1, .max_norm = session->run->config.max_grad_norm};
        started = os_seconds();
        TRY(engine_begin(session->engine));
        TRY(engine_update(session->engine, &update));
        times->step = os_seconds() - started;
        TRY(time_line(session, &line));
    }
    times->step += line;
    times->evaluation = 4 * line;      /* its own line, and the adapter when it is the best */
    return TMB_OK;
}

static tmb_status measure(Session *session, Times *times)
{
    uint32_t got;
    Order before = session->order;
    const RunConfig *config = &session->run->config;
    const uint32_t *items = order_next(&session->order, (uint32_t)config->step_examples, &got);
    tmb_status status = time_tokens(session, items, got, times);
    if (!status)
        status = time_rest(session, times);
    order_restore(&session->order, before.epoch, before.position, &before.rng);
    return status;
}

static double count_tokens(const Tokens *examples, uint32_t count)
{
    double tokens = 0;
    for (uint32_t i = 0; i < count; i++)
        tokens += (double)examples[i].count;
    return tokens;
}

tmb_status session_steps_that_fit(Session *session, double started, uint64_t *most)
{
    const RunConfig *config = &session->run->config;
    const TrainExamples *examples = session->examples;
    Times times;
    *most = 0;
    if (!(config->max_seconds > 0))
        return TMB_OK;
    TRY(measure(session, &times));
    double train_tokens = count_tokens(examples->train, examples->train_count);
    double held_tokens = count_tokens(examples->held, examples->held_count);
    uint64_t per_epoch = (examples->train_count + config->step_examples - 1) /
                         config->step_examples;
    uint64_t interval = session->params->eval_every ? session->params->eval_every : per_epoch;
    double step = times.token * train_tokens / (double)per_epoch + times.step;
    double evaluation = held_tokens > 0 ? times.evaluated * held_tokens + times.evaluation : 0;
    /* 5 % kept back for checkpoints and a machine that slows down */
    double left = 0.95 * (config->max_seconds - (os_seconds() - started)) - evaluation;
    double fit = left / (step + evaluation / (double)interval);
    *most = fit < 1 ? 1 : fit > 1e9 ? 1000000000 : (uint64_t)fit;
    session_note(session, "a step takes %.3g s, so %" PRIu64 " fit%s into what is left of %.0f s", step, *most,
                 *most == 1 ? "s" : "", config->max_seconds);
    return TMB_OK;
}
