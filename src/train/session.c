#include "train/session.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/mem.h"

static void send_note(const Session *session, const char *text)
{
    if (!session->params->on_event)
        return;
    TrainEvent event = {.kind = TRAIN_EVENT_NOTE, .step = session->state.step,
                        .steps = session->run->config.steps, .text = text};
    session->params->on_event(session->params->user, &event);
}

void session_note(const Session *session, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    send_note(session, text);
}

tmb_status session_told(const Session *session, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    send_note(session, text);
    return session->run->frozen ? metrics_note(session->run->metrics_path, session->state.step,
                                               text) : TMB_OK;
}

/* ---- one optimizer step ------------------------------------------------- */

tmb_status session_batch(Session *session, const Batch *batch, double *loss)
{
    double sum = 0;
    TRY(engine_begin(session->engine));
    for (uint32_t r = 0; r < batch->count; r++) {
        const BatchRow *row = &batch->rows[r];
        TRY(engine_row(session->engine, row, 1.0 / batch->weight,
                       session->losses_of_row));
        for (uint32_t i = 0; i < row->labels; i++)
            sum += (double)row->label_weights[i] * (double)session->losses_of_row[i];
    }
    *loss = sum / batch->weight;
    return TMB_OK;
}

static void next_batch(Session *session, Batch *batch)
{
    uint32_t got;
    const RunConfig *config = &session->run->config;
    const uint32_t *items = order_next(&session->order, (uint32_t)config->step_examples, &got);
    const double *weights = session->examples->train_weights;
    for (uint32_t i = 0; i < got; i++) {
        session->step_list[i] = &session->examples->train[items[i]];
        session->step_weights[i] = weights ? weights[items[i]] : 1;
    }
    batch_pack(batch, session->step_list, session->step_weights, got,
               (uint32_t)config->row_tokens);
}

/* The sentence of a step that cannot be used, naming the tensor and what to try. */
static tmb_status not_finite(const Session *session, double loss, const EngineUpdate *update)
{
    unsigned long long step = session->state.step + 1;
    const char *folder = session->run->path;
    double rate = session->run->config.learning_rate;
    if (!isfinite(loss))
        return fail(TMB_NOT_FINITE, "step %llu: the loss is not finite; nothing was changed by "
                    "it, %s holds the state before; try a new run with a lower --lr (now %g)",
                    step, folder, rate);
    return fail(TMB_NOT_FINITE, "step %llu: the gradient of %s is not finite; nothing was changed "
                "by it, %s holds the state before; try a new run with a lower --lr (now %g) or "
                "--clip", step, update->culprit ? update->culprit : "a tensor", folder,
                rate);
}

static tmb_status use_batch(Session *session, const Batch *batch, StepMetrics *metrics)
{
    const RunConfig *config = &session->run->config;
    EngineUpdate update = {.step = session->state.step + 1,
                           .weight_decay = config->weight_decay,
                           .max_norm = config->max_grad_norm};
    update.learning_rate =
        schedule_rate(session->schedule, config->learning_rate, session->state.step,
                      config->warmup_steps, config->steps);
    TRY(session_batch(session, batch, &metrics->loss));
    if (!isfinite(metrics->loss))
        return not_finite(session, metrics->loss, &update);
    TRY(engine_update(session->engine, &update));
    if (!update.finite)
        return not_finite(session, metrics->loss, &update);
    metrics->step = update.step;
    metrics->learning_rate = update.learning_rate;
    metrics->grad_norm = update.norm;
    metrics->tokens = batch->tokens;
    metrics->supervised = batch->supervised;
    metrics->fill = (double)batch->tokens /
                    ((double)batch->count * (double)config->row_tokens);
    return TMB_OK;
}

static void tell_step(Session *session, const StepMetrics *metrics)
{
    const RunConfig *config = &session->run->config;
    session->own_steps++;
    session->step_seconds += (metrics->seconds - session->step_seconds) /
                             (double)session->own_steps;
    if (!session->params->on_event)
        return;
    TrainEvent event = {.kind = TRAIN_EVENT_STEP, .step = metrics->step, .steps = config->steps,
                        .loss = metrics->loss, .learning_rate = metrics->learning_rate,
                        .grad_norm = metrics->grad_norm, .fill = metrics->fill};
    event.tokens_per_second = (double)metrics->tokens / fmax(metrics->seconds, 1e-9);
    event.seconds_left = session->step_seconds * (double)(config->steps - metrics->step);
    session->params->on_event(session->params->user, &event);
}

tmb_status session_step(Session *session)
{
    Batch batch;
    StepMetrics metrics = {0};
    CheckpointState *state = &session->state;
    Order before = session->order;
    double started = os_seconds();
    next_batch(session, &batch);
    tmb_status status = use_batch(session, &batch, &metrics);
    batch_finish(&batch);
    if (status) {
        order_restore(&session->order, before.epoch, before.position, &before.rng);
        return status;
    }
    metrics.seconds = os_seconds() - started;
    if (!state->step)
        state->first_loss = metrics.loss;
    state->last_loss = metrics.loss;
    state->step++;
    state->tokens += metrics.tokens;
    state->supervised += metrics.supervised;
    state->seconds += metrics.seconds;
    TRY(metrics_step(session->run->metrics_path, &metrics));
    tell_step(session, &metrics);
    return session_watch(session, &metrics);
}

/* ---- held-out data ------------------------------------------------------ */

static tmb_status score_held(Session *session, Score *total)
{
    uint32_t count = session->examples->held_count;
    const Tokens **list = mem_try(count, sizeof *list);
    Score *scores = mem_try(count, sizeof *scores);
    tmb_status status = TMB_OK;
    if (!list || !scores)
        TRY_OR(done, status, fail(TMB_OUT_OF_HOST, "no memory to score %u examples", count));
    for (uint32_t i = 0; i < count; i++)
        list[i] = &session->examples->held[i];
    TRY_OR(done, status, score_examples(session->engine, list, count,
                                        (uint32_t)session->run->config.row_tokens, false, scores));
    *total = score_total(scores, count);
done:
    free(list);
    free(scores);
    return status;
}

tmb_status session_evaluate(Session *session)
{
    Score total;
    CheckpointState *state = &session->state;
    TRY(score_held(session, &total));
    EvalMetrics metrics = {state->step, total.tokens, total.nll / (double)total.tokens, 0};
    metrics.best = metrics.loss < state->best;
    if (metrics.best) {
        state->best = metrics.loss;
        state->best_step = state->step;
        state->worse = 0;
        TRY(session_save_adapter(session));
    } else {
        state->worse++;
    }
    TRY(metrics_eval(session->run->metrics_path, &metrics));
    if (session->params->on_event) {
        TrainEvent event = {.kind = TRAIN_EVENT_EVAL, .step = state->step,
                            .steps = session->run->config.steps, .loss = metrics.loss,
                            .best = metrics.best};
        session->params->on_event(session->params->user, &event);
    }
    return TMB_OK;
}
