/* tmb_train, tmb_train_fit, tmb_evaluate: the public face of src/train. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/samples.h"
#include "export/export.h"
#include "train/evaluate.h"
#include "train/trainer.h"

static tmb_status train_base(tmb_device *device, tmb_model *model, TrainBase *out)
{
    tmb_model_info info;
    TRY(tmb_model_describe(model, &info));
    *out = (TrainBase){
        .gpu = device->gpu,
        .model = model->model,
        .model_path = model->path,
        .model_sha256 = model->sha256,
        .tokenizer = model->tokenizer,
        .chat = model->chat,
        .version = tmb_version(),
    };
    return TMB_OK;
}

typedef struct EventRelay {
    const tmb_train_params *params;
    const TrainBase *base;
} EventRelay;

static void relay_event(void *user, const TrainEvent *event)
{
    const EventRelay *relay = user;
    tmb_train_event out = {
        .step = event->step,
        .steps = event->steps,
        .loss = event->loss,
        .learning_rate = event->learning_rate,
        .grad_norm = event->grad_norm,
        .tokens_per_second = event->tokens_per_second,
        .seconds_left = event->seconds_left,
        .fill = event->fill,
        .best = event->best,
        .text = event->text,
    };
    switch (event->kind) {
    case TRAIN_EVENT_STEP: out.kind = TMB_EVENT_STEP; break;
    case TRAIN_EVENT_EVAL: out.kind = TMB_EVENT_EVAL; break;
    case TRAIN_EVENT_NOTE: out.kind = TMB_EVENT_NOTE; break;
    case TRAIN_EVENT_CHECKPOINT: out.kind = TMB_EVENT_CHECKPOINT; break;
    }
    relay->params->on_event(relay->params->user, &out);
}

/* A few answers for people to look at; a run is complete without them. */
static void write_samples(void *user, const Tokens *held, uint32_t held_count,
                          const TrainResult *result)
{
    const EventRelay *relay = user;
    char text[512];
    unsigned shown = held_count < SAMPLES ? held_count : SAMPLES;
    if (!held_count || !result->own_steps || !samples_are_cheap(held, held_count, result))
        return;
    if (samples_write(relay->base, relay->params->run, held, held_count) == TMB_OK)
        snprintf(text, sizeof text, "%u held-out letter%s answered in %s/samples.jsonl", shown,
                 shown == 1 ? " is" : "s are", relay->params->run);
    else
        snprintf(text, sizeof text, "no held-out letters were answered: %s", tmb_last_error());
    if (relay->params->on_event)
        relay_event(user, &(TrainEvent){.kind = TRAIN_EVENT_NOTE, .step = result->steps,
                                        .steps = result->steps, .text = text});
}

static TrainParams inner_params(const tmb_train_params *params, EventRelay *relay)
{
    return (TrainParams){
        .data = params->data,
        .data_count = params->data_count,
        .run = params->run,
        .validation = params->validation,
        .epochs = params->epochs,
        .steps = params->steps,
        .max_seconds = params->max_seconds,
        .learning_rate = params->learning_rate,
        .schedule = params->schedule,
        .warmup = params->warmup,
        .weight_decay = params->weight_decay,
        .max_grad_norm = params->max_grad_norm,
        .rank = params->rank,
        .alpha = params->alpha,
        .targets = params->targets,
        .step_examples = params->step_examples,
        .row_tokens = params->row_tokens,
        .seed = params->seed,
        .eval_every = params->eval_every,
        .patience = params->patience,
        .checkpoint_every = params->checkpoint_every,
        .resume = params->resume != 0,
        .initial = params->initial,
        .on_event = params->on_event ? relay_event : NULL,
        .on_end = write_samples,
        .user = relay,
    };
}

tmb_status tmb_train(tmb_device *device, tmb_model *model, const tmb_train_params *params,
                     tmb_train_result *result)
{
    TrainBase base;
    TrainResult inner = {0};
    EventRelay relay = {params, &base};
    TRY(train_base(device, model, &base));
    TrainParams inner_parameters = inner_params(params, &relay);
    tmb_status status = train_run(&base, &inner_parameters, &inner);
    *result = (tmb_train_result){
        .steps = inner.steps,
        .tokens = inner.tokens,
        .supervised = inner.supervised,
        .first_loss = inner.first_loss,
        .last_loss = inner.last_loss,
        .best_validation = inner.best_validation,
        .seconds = inner.seconds,
        .tokens_per_second = inner.tokens_per_second,
        .stopped_early = inner.stopped_early,
    };
    return status;
}

tmb_status tmb_train_fit(tmb_device *device, tmb_model *model, const tmb_train_params *params,
                         tmb_fit *out)
{
    TrainBase base;
    TrainFit fit;
    EventRelay relay = {params, &base};
    TRY(train_base(device, model, &base));
    TrainParams inner_parameters = inner_params(params, &relay);
    TRY(train_fit(&base, &inner_parameters, &fit));
    *out = (tmb_fit){
        .weights = fit.totals.weights,
        .state = fit.totals.parameters + fit.totals.gradients + fit.totals.moments,
        .work = fit.totals.work + fit.totals.io,
        .cache = fit.totals.cache,
        .staging = fit.staging,
        .total = fit.total,
        .available = fit.available,
        .row_tokens = fit.row_tokens,
        .recompute_level = fit.recompute_level,
        .fits = fit.fits,
    };
    return TMB_OK;
}

tmb_status tmb_evaluate(tmb_device *device, tmb_model *model, const tmb_eval_params *params,
                        tmb_eval_result *out)
{
    TrainBase base;
    Adapter *adapter = NULL;
    EvaluateResult inner;
    TRY(train_base(device, model, &base));
    if (params->adapter)
        TRY(adapter_load(params->adapter, model->model, model->sha256, &adapter));
    tmb_status status = evaluate_file(&base,
                                      &(EvaluateParams){.file = params->file,
                                                        .adapter = adapter,
                                                        .window = params->window,
                                                        .by_line = params->by_line != 0,
                                                        .bos = params->bos,
                                                        .limit = params->limit,
                                                        .seed = params->seed,
                                                        .row_tokens = params->row_tokens,
                                                        .system = params->system},
                                      &inner);
    adapter_destroy(&adapter);
    if (status == TMB_OK)
        *out = (tmb_eval_result){
            .tokens = inner.tokens,
            .mean_nll = inner.mean_nll,
            .perplexity = inner.perplexity,
            .pairs = inner.pairs,
            .mean_margin = inner.mean_margin,
            .chosen_wins = inner.chosen_wins,
            .seconds = inner.seconds,
            .read_as = inner.text ? "text" : inner.pairs ? "pairs" : "chat",
            .examples = inner.examples,
            .window = inner.window,
            .by_line = inner.by_line,
            .bos = inner.bos,
        };
    return status;
}
