#include "train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/adapter.h"
#include "train/session.h"
#include "train/settings.h"

enum {
    SECONDS_BETWEEN_SAVES = 60,
    SNAPSHOT_SPACING = 100,      /* times what taking one costs: 1 % of the time */
};

/* ---- setting up --------------------------------------------------------- */

/* The Lora of the run; with an adapter to begin from, its rank, alpha and targets count. */
static tmb_status make_lora(Session *session)
{
    RunConfig *config = &session->run->config;
    const Model *model = session->base->model;
    uint64_t range = gpu_caps(session->base->gpu)->storage_range;
    Adapter *initial;
    if (!*config->initial) {
        LoraParams params = {(uint32_t)config->rank, (float)config->alpha, config->targets};
        return lora_create(model, &params, range, &session->lora);
    }
    TRY(adapter_open(config->initial, &initial));
    tmb_status status = adapter_check(initial, config->initial, model,
                                      session->base->model_sha256);
    if (!status)
        status = adapter_lora(initial, model, range, &session->lora);
    adapter_destroy(&initial);
    TRY(status);
    config->rank = lora_rank(session->lora);
    config->alpha = (double)lora_alpha(session->lora);
    free(config->targets);
    config->targets = mem_string(lora_targets(session->lora));
    return TMB_OK;
}

/* Everything that is left to decide, then config.json. */
static tmb_status freeze(Session *session, double started)
{
    RunConfig *config = &session->run->config;
    const EngineFit *plan = engine_plan(session->engine);
    uint32_t kernels;
    uint64_t most;
    const char *const *names = engine_kernels(session->engine, &kernels);
    string_list_finish(&config->kernels);      /* of a device that was lost meanwhile */
    for (uint32_t i = 0; i < kernels; i++)
        string_list_add(&config->kernels, names[i]);
    config->recompute_level = plan->recompute;
    config->recompute_layers = plan->recompute_layers;
    TRY(session_steps_that_fit(session, started, &most));
    settings_steps(session->params, session->examples->train_count, most, config);
    if (!session->examples->held_count)
        config->eval_every = 0;
    return run_freeze(session->run);
}

static bool has_line(const StringList *list, const char *line)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->items[i], line))
            return true;
    return false;
}

/* What differs from the machine that began this run, told but not refused. The engine keeps to the
 * kernels of config.json where this Timbre and this device still have them. */
static void compare_machine(const Session *session)
{
    const RunConfig *config = &session->run->config;
    const GpuCaps *caps = gpu_caps(session->base->gpu);
    uint32_t kernels;
    const char *const *names = engine_kernels(session->engine, &kernels);
    bool same = true;
    for (uint32_t i = 0; same && i < kernels; i++)
        same = has_line(&config->kernels, names[i]);
    if (!same || strcmp(caps->name, config->device) || strcmp(caps->driver, config->driver))
        session_note(session, "this run began on %s (%s)%s; the result will differ in its last "
                     "bits", config->device, config->driver,
                     same ? "" : " with other kernels");
}

static void tell_examples(const TrainExamples *examples, const Session *session)
{
    char held[32] = "";
    if (examples->held_count)
        snprintf(held, sizeof held, ", %" PRIu32 " held out", examples->held_count);
    session_note(session, "%" PRIu32 " example%s to learn from%s", examples->train_count,
                 examples->train_count == 1 ? "" : "s", held);
}

/* The device side; what is decided by measuring on it is frozen here. */
static tmb_status begin(Session *session, double started)
{
    TRY(session_start(session));
    if (!session->run->frozen) {
        tell_examples(session->examples, session);
        return freeze(session, started);
    }
    compare_machine(session);
    if (session->state.step)
        session_note(session, "going on after step %" PRIu64 " of %" PRIu64, session->state.step,
                     session->run->config.steps);
    else
        session_note(session, "no checkpoint yet: beginning from the start");
    return TMB_OK;
}

static tmb_status set_up(Session *session, double started)
{
    const RunConfig *config = &session->run->config;
    TRY(schedule_find(config->schedule, &session->schedule));
    TRY(make_lora(session));
    session->step_list = MEM_NEW_ARRAY(const Tokens *, config->step_examples);
    session->step_weights = MEM_NEW_ARRAY(double, config->step_examples);
    session->losses_of_row = MEM_NEW_ARRAY(float, config->row_tokens);
    session->saved_at = os_seconds();
    session->recompute = session->run->frozen ? (int)config->recompute_level : -1;
    session->recompute_layers = (uint32_t)config->recompute_layers;
    session_snapshot_init(session);
    bool fresh = !session->run->frozen;
    if (fresh) {        /* before anything is measured; time may allow less */
        settings_steps(session->params, session->examples->train_count, 0, &session->run->config);
        TRY(session_check_disk(session));
    }
    tmb_status status = begin(session, started);
    while (session_survives(session, status)) {
        TRY(session_reopen(session, status));
        status = begin(session, started);
    }
    TRY(status);
    return fresh ? TMB_OK : session_check_disk(session);     /* restored: the steps left are known */
}

static void finish(Session *session)
{
    engine_destroy(&session->engine);
    session_snapshot_finish(session);
    lora_destroy(&session->lora);
    order_finish(&session->order);
    free(session->step_list);
    free(session->step_weights);
    free(session->losses_of_row);
}

/* ---- the run ------------------------------------------------------------ */

static bool save_is_due(const Session *session)
{
    const RunConfig *config = &session->run->config;
    uint64_t step = session->state.step;
    if (step == config->steps || session->state.stopped)
        return true;
    if (config->checkpoint_every)
        return step % config->checkpoint_every == 0;
    return os_seconds() - session->saved_at >= SECONDS_BETWEEN_SAVES;
}

/* The adapter as it is, where no held-out data says which is the best. */
static tmb_status save_everything(Session *session)
{
    if (!session->state.best_step)
        TRY(session_save_adapter(session));
    return session_save(session);
}

static tmb_status after_step(Session *session)
{
    const RunConfig *config = &session->run->config;
    CheckpointState *state = &session->state;
    if (config->eval_every &&
        (state->step % config->eval_every == 0 || state->step == config->steps)) {
        TRY(session_evaluate(session));
        state->stopped = config->patience && state->worse >= config->patience;
    }
    if (save_is_due(session))
        return save_everything(session);
    const Snapshot *snapshot = &session->snapshot;
    bool due = os_seconds() - snapshot->taken_at >= SNAPSHOT_SPACING * snapshot->cost;
    return due && snapshot->values ? session_snapshot(session) : TMB_OK;
}

/* Files that cannot be written: the run can go on once they can. */
static tmb_status cannot_write(const Session *session, tmb_status status)
{
    char *sentence = mem_string(tmb_last_error());
    if (session->saved_step)
        status = fail(status, "%s; the state after step %" PRIu64 " is kept: make room and go on "
                      "with --resume", sentence, session->saved_step);
    else
        status = fail(status, "%s; no step is saved yet: make room and begin again with --resume",
                      sentence);
    free(sentence);
    return status;
}

static tmb_status interrupted(Session *session)
{
    TRY(save_everything(session));
    return fail(TMB_INTERRUPTED, "stopped after step %" PRIu64 " of %" PRIu64 "; everything is "
                "saved, go on with: timbre train \"%s\" -o \"%s\" --resume", session->state.step,
                session->run->config.steps, session->base->model_path, session->run->path);
}

/* A step with all that follows it. */
static tmb_status advance(Session *session)
{
    tmb_status status = session_step(session);
    if (status == TMB_NOT_FINITE) {
        char *sentence = mem_string(tmb_last_error());
        tmb_status saved = session_save(session);
        status = saved ? saved : fail(status, "%s", sentence);
        free(sentence);
    }
    TRY(status);
    TRY(after_step(session));
    bool more = session->state.step < session->run->config.steps && !session->state.stopped;
    return os_interrupted() && more ? interrupted(session) : TMB_OK;
}

static tmb_status train(Session *session)
{
    const RunConfig *config = &session->run->config;
    CheckpointState *state = &session->state;
    if (state->step == config->steps || state->stopped)
        session_note(session, "this run is complete: %" PRIu64 " step%s", state->step,
                     plural(state->step));
    while (state->step < config->steps && !state->stopped) {
        tmb_status status = advance(session);
        if (session_survives(session, status))
            status = session_recover(session, status);
        if (status == TMB_IO)
            return cannot_write(session, status);
        TRY(status);
    }
    if (state->stopped)
        session_note(session, "stopped after step %" PRIu64 ": no better held-out loss in %"
                     PRIu64 " evaluation%s", state->step, state->worse, plural(state->worse));
    return TMB_OK;
}

static void report(const Session *session, TrainResult *result)
{
    const CheckpointState *state = &session->state;
    *result = (TrainResult){.steps = state->step, .tokens = state->tokens,
                            .supervised = state->supervised, .first_loss = state->first_loss,
                            .last_loss = state->last_loss, .seconds = state->seconds,
                            .stopped_early = state->stopped != 0};
    result->own_steps = session->own_steps;
    result->best_validation = state->best_step ? state->best : NAN;
    result->tokens_per_second = (double)state->tokens / fmax(state->seconds, 1e-9);
}

tmb_status train_examples(const TrainBase *base, const TrainParams *params,
                          const TrainExamples *examples, Run *run, double started,
                          TrainResult *result)
{
    Session session = {.base = base, .params = params, .examples = examples, .run = run};
    tmb_status status = set_up(&session, started);
    if (!status)
        status = train(&session);
    report(&session, result);
    finish(&session);
    return status;
}

tmb_status train_fit(const TrainBase *base, const TrainParams *params, TrainFit *out)
{
    EngineFit fit;
    Lora *lora;
    LoraParams lora_params = {params->rank, (float)params->alpha, params->targets};
    EngineParams engine = {.gpu = base->gpu, .model = base->model, .train = true,
                           .row_tokens = settings_row_tokens(base->model, params->row_tokens),
                           .recompute = -1};
    settings_warn(params);
    TRY(lora_create(base->model, &lora_params, gpu_caps(base->gpu)->storage_range, &lora));
    engine.lora = lora;
    tmb_status status = engine_fit(&engine, &fit);
    lora_destroy(&lora);
    TRY(status);
    *out = (TrainFit){.totals = fit.totals, .available = fit.available, .fits = fit.fits,
                      .total = fit.totals.total, .row_tokens = engine.row_tokens,
                      .recompute_level = fit.recompute};
    return TMB_OK;
}
