/* A run and its device: made, watched, and made again when the driver reset it. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/adapter.h"
#include "train/session.h"

enum { LOSSES = 3 };     /* in a row, without a state kept in between: then it is no accident */

/* ---- making ------------------------------------------------------------- */

static tmb_status make_engine(Session *session)
{
    const RunConfig *config = &session->run->config;
    EngineParams params = {.gpu = session->base->gpu, .model = session->base->model,
                           .lora = session->lora, .row_tokens = (uint32_t)config->row_tokens,
                           .train = true, .recompute = session->recompute,
                           .recompute_layers = session->recompute_layers,
                           .adamw = {(float)config->beta1, (float)config->beta2,
                                     (float)config->epsilon}};
    if (session->run->frozen)
        params.frozen = (FrozenKernels){(const char *const *)config->kernels.items,
                                        (uint32_t)config->kernels.count};
    TRY(engine_create(&params, &session->engine));
    const EngineFit *fit = engine_plan(session->engine);
    if (!fit->raised)
        return TMB_OK;
    session->recompute = (int)fit->recompute;
    session->recompute_layers = fit->recompute_layers;
    return session_told(session, "the device had less memory than it said, so more is recomputed "
                        "(level %u): slower, with the same bits", fit->recompute);
}

/* Parameters as they are before the first step. */
static tmb_status begin_values(Session *session)
{
    const RunConfig *config = &session->run->config;
    Store *store = engine_store(session->engine);
    Adapter *initial;
    Rng rng;
    rng_init(&rng, config->seed);
    TRY(lora_initialise(session->lora, store, &rng));
    if (!*config->initial)
        return TMB_OK;
    TRY(adapter_open(config->initial, &initial));
    tmb_status status = adapter_to_store(initial, session->lora, store);
    adapter_destroy(&initial);
    return status;
}

tmb_status session_start(Session *session)
{
    TRY(make_engine(session));
    TRY(begin_values(session));
    session->state = (CheckpointState){.best = INFINITY};
    order_finish(&session->order);
    TRY(order_init(&session->order, session->examples->train_count, session->run->config.seed));
    return session->run->frozen ? session_restore(session) : TMB_OK;
}

/* ---- making again ------------------------------------------------------- */

bool session_survives(const Session *session, tmb_status status)
{
    /* without an engine the plan itself did not fit: nothing to be gained by trying again */
    return status == TMB_DEVICE_LOST || (status == TMB_OUT_OF_DEVICE && session->engine);
}

static tmb_status go_back(Session *session)
{
    Snapshot *snapshot = &session->snapshot;
    if (!snapshot->whole)
        return session_start(session);
    TRY(make_engine(session));
    return session_put_snapshot(session);
}

/* A new device, half the work in a submit; after full memory the next level, if there is one: there
 * may be room again, as other programs come and go. */
static tmb_status open_again(Session *session, tmb_status why, bool *raised)
{
    const EngineFit *fit = why == TMB_OUT_OF_DEVICE ? engine_plan(session->engine) : NULL;
    uint32_t level = fit ? fit->recompute : 0, layers = fit ? fit->recompute_layers : 0;
    *raised = fit && engine_next_level(session->base->model, &level, &layers);
    if (*raised) {
        session->recompute = (int)level;
        session->recompute_layers = layers;
    }
    engine_destroy(&session->engine);
    watch_restart(&session->watch);
    return gpu_reopen(session->base->gpu);
}

/* Saves what there is; the sentence tells what happened and how to go on. */
static tmb_status give_up(Session *session, tmb_status status, uint64_t step)
{
    static const char advice[] = "; close other programs that use the device";
    const bool advise = status == TMB_OUT_OF_DEVICE && !strstr(tmb_last_error(), advice);
    Text cause = {0};
    text_print(&cause, "%s%s", tmb_last_error(), advise ? advice : "");
    const char *why = cause.data;
    const char *model = session->base->model_path, *run = session->run->path;
    bool often = session->losses >= LOSSES;
    const char *what = status == TMB_DEVICE_LOST
                           ? often ? "the device was lost three times in a row" : "the device was lost"
                       : often ? "device memory ran out three times in a row"
                               : "device memory ran out";
    if (!session->run->frozen) {
        status = fail(status, "%s before the first step (%s); nothing was begun", what, why);
    } else if (session_keep_snapshot(session) != TMB_OK) {
        char *unsaved = mem_string(tmb_last_error());
        status = fail(status, "%s after step %" PRIu64 " (%s), and its state could not be saved (%s); "
                      "go on from step %" PRIu64 " with --resume", what, step, why, unsaved,
                      session->saved_step);
        free(unsaved);
    } else if (!session->saved_step) {
        status = fail(status, "%s after step %" PRIu64 " (%s); no step is saved yet, begin again with: "
                      "timbre train \"%s\" -o \"%s\" --resume", what, step, why, model, run);
    } else {
        status = fail(status, "%s after step %" PRIu64 " (%s); the state after step %" PRIu64 " is "
                      "saved, go on with: timbre train \"%s\" -o \"%s\" --resume", what, step, why,
                      session->saved_step, model, run);
    }
    text_finish(&cause);
    return status;
}

tmb_status session_reopen(Session *session, tmb_status status)
{
    tmb_status why = status;
    bool raised;
    if (++session->losses >= LOSSES)
        return give_up(session, status, session->state.step);
    status = open_again(session, status, &raised);
    if (status)
        return give_up(session, status, session->state.step);
    session_note(session, "%s", why == TMB_OUT_OF_DEVICE
                              ? raised ? "device memory ran out while the run was prepared; recomputing more"
                                       : "device memory ran out while the run was prepared; trying again"
                              : "the device was lost while the run was prepared; opened it again with "
                                "half the work per submit");
    return TMB_OK;
}

/* Cuts metrics.jsonl back to the state gone back to, and says in it what happened. */
static tmb_status tell(Session *session, tmb_status why, bool raised, uint64_t step)
{
    Run *run = session->run;
    if (session->snapshot.whole && os_exists(run->metrics_path))
        TRY(metrics_cut(run->metrics_path, session->snapshot.state.metrics_bytes));
    char from[48] = "there";
    if (session->state.step != step)
        snprintf(from, sizeof from, "step %" PRIu64, session->state.step);
    if (why == TMB_OUT_OF_DEVICE && !raised)
        TRY(session_told(session, "device memory ran out after step %" PRIu64 ", with everything recomputed "
                         "already; trying again with half the work per submit, going on from %s", step, from));
    else if (why == TMB_OUT_OF_DEVICE)
        TRY(session_told(session, "device memory ran out after step %" PRIu64 "; recomputing more "
                         "(level %d), going on from %s", step, session->recompute, from));
    else
        TRY(session_told(session, "the device was lost after step %" PRIu64 "; opened it again with "
                         "half the work per submit, going on from %s", step, from));
    session->snapshot.state.metrics_bytes = os_file_bytes(run->metrics_path);
    return TMB_OK;
}

tmb_status session_recover(Session *session, tmb_status status)
{
    tmb_status why = status;
    uint64_t step = session->state.step;
    bool raised;
    do {
        if (++session->losses >= LOSSES)
            return give_up(session, status, step);
        status = open_again(session, status, &raised);
        if (status)
            return give_up(session, status, step);
        status = go_back(session);
    } while (session_survives(session, status));
    if (status == TMB_OUT_OF_DEVICE)
        return give_up(session, status, step);
    TRY(status);
    return tell(session, why, raised, step);
}

/* ---- watching ----------------------------------------------------------- */

tmb_status session_watch(Session *session, const StepMetrics *metrics)
{
    double factor = watch_step(&session->watch, metrics->seconds, metrics->tokens);
    const char *notice = gpu_notice(session->base->gpu);
    if (notice)
        return session_told(session, "step %" PRIu64 ": %s", metrics->step, notice);
    if (!(factor > 0))
        return TMB_OK;
    const GpuCaps *caps = gpu_caps(session->base->gpu);
    GpuMemory memory = gpu_memory(session->base->gpu);
    const char *cause = (caps->bits & GPU_CAP_MEMORY_BUDGET) && !memory.available
                            ? "other programs have taken its memory, and ours is spilled into main "
                              "memory; close them"
                            : "another program may be using it";
    return session_told(session, "step %" PRIu64 " took %.1f s, %.1f times as long as usual; %s (%.0f "
                        "MB of device memory in use, %.0f free)", metrics->step, metrics->seconds,
                        factor, cause, (double)memory.used * 1e-6,
                        (double)memory.available * 1e-6);
}
