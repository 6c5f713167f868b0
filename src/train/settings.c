#include "train/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "model/lora.h"
#include "train/schedule.h"

enum { MOST_STEPS = 1000000000 };    /* as run_config.c reads back */

/* One number of TrainParams and the range it must lie in; zero always means the default. */
typedef struct Range {
    const char *option;
    double value, least, most;
} Range;

tmb_status settings_check(const TrainParams *params)
{
    const Range ranges[] = {
        {"--epochs", params->epochs, 0, 1e6},
        {"--steps", (double)params->steps, 0, MOST_STEPS},
        {"--minutes", params->max_seconds / 60, 0, 1e7},
        {"--lr", params->learning_rate, 0, 10},
        {"--warmup", params->warmup, -1e9, 1},
        {"--weight-decay", params->weight_decay, 0, 10},
        {"--clip", params->max_grad_norm, -1e9, 1e9},
        {"--rank", params->rank, 0, 1024},
        {"--alpha", params->alpha, 0, 1e6},
        {"--step-examples", params->step_examples, 0, 65536},
        {"--row-tokens", params->row_tokens, 0, 65536},
        {"--seed", (double)params->seed, 0, 0x1p53},
    };
    for (size_t i = 0; i < COUNT_OF(ranges); i++)
        if (!(ranges[i].value >= ranges[i].least && ranges[i].value <= ranges[i].most))
            return fail(TMB_USAGE, "%s %g makes no sense; it must lie between %g and %g",
                        ranges[i].option, ranges[i].value, ranges[i].least, ranges[i].most);
    const Schedule *schedule;
    TRY(schedule_find(params->schedule ? params->schedule : "cosine", &schedule));
    if (!params->run || !*params->run)
        return fail(TMB_USAGE, "name the folder of the run with -o");
    return TMB_OK;
}

/* kept NULL: the run began without the option. */
static tmb_status changed(const char *path, const char *option, const char *kept, const char *given)
{
    return fail(TMB_USAGE, "%s began with%s %s%s%s, not %s, and a run that goes on keeps its options; "
                "leave it out, or start a new run", path, kept ? "" : "out", option, kept ? " " : "",
                kept ? kept : "", given);
}

static tmb_status changed_number(const char *path, const char *option, double kept, double given)
{
    char kept_text[32], given_text[32];      /* negative: none, which is said as 0 */
    snprintf(kept_text, sizeof kept_text, "%.10g", kept < 0 ? 0 : kept);
    snprintf(given_text, sizeof given_text, "%.10g", given < 0 ? 0 : given);
    return changed(path, option, kept == 0 ? NULL : kept_text, given_text);
}

tmb_status settings_unchanged(const TrainParams *params, const RunConfig *config,
                              const char *path)
{
    bool timed = config->max_seconds > 0, begun = config->initial && *config->initial;
    const struct {
        const char *option;
        double given, kept;     /* given 0: not given */
    } numbers[] = {
        {"--steps", timed ? 0 : (double)params->steps, (double)config->steps},
        {"--minutes", params->max_seconds / 60, config->max_seconds / 60},
        {"--lr", params->learning_rate, config->learning_rate},
        {"--weight-decay", params->weight_decay, config->weight_decay},
        {"--clip", params->max_grad_norm, config->max_grad_norm > 0 ? config->max_grad_norm : -1},
        {"--rank", begun ? 0 : params->rank, (double)config->rank},
        {"--alpha", begun ? 0 : params->alpha, config->alpha},
        {"--step-examples", params->step_examples, (double)config->step_examples},
        {"--row-tokens", params->row_tokens, (double)config->row_tokens},
        {"--seed", (double)params->seed, (double)config->seed},
        {"--eval-every", config->eval_every ? (double)params->eval_every : 0,
         (double)config->eval_every},
        {"--patience", params->patience, (double)config->patience},
        {"--checkpoint-every", (double)params->checkpoint_every,
         (double)config->checkpoint_every},
    };
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (numbers[i].given != 0 && numbers[i].given != numbers[i].kept)
            return changed_number(path, numbers[i].option, numbers[i].kept, numbers[i].given);
    if (params->schedule && strcmp(params->schedule, config->schedule))
        return changed(path, "--schedule", config->schedule, params->schedule);
    if (params->targets && !begun && strcmp(params->targets, config->targets))
        return changed(path, "--targets", config->targets, params->targets);
    if (params->data_count && params->data_count != config->data.count)
        return fail(TMB_USAGE, "%s learns from %zu file%s, not %zu; leave them out, or start a new "
                    "run", path, config->data.count, plural(config->data.count), params->data_count);
    double share = settings_share(params->validation), kept = settings_share(config->validation);
    if (params->validation && (share != kept || (!share && !*config->validation)))
        return fail(TMB_USAGE, "%s began with %s%s, not --val %s; leave it out, or start a new "
                    "run", path, *config->validation ? "--val " : "no --val", config->validation,
                    params->validation);
    return TMB_OK;
}

tmb_status settings_length_unchanged(const TrainParams *params, const RunConfig *config,
                                     uint64_t examples, const char *path)
{
    static const char rest[] = "a run that goes on keeps its options; leave it out, or start a new run";
    RunConfig would = {.step_examples = config->step_examples};
    settings_steps(params, examples, 0, &would);
    if (params->epochs > 0 && !params->steps && !(config->max_seconds > 0) &&
        would.steps != config->steps)
        return fail(TMB_USAGE, "%s began with %llu step%s, --epochs %g would be %llu, and %s", path,
                    (unsigned long long)config->steps, plural(config->steps), params->epochs,
                    (unsigned long long)would.steps, rest);
    TrainParams same = *params;
    same.steps = config->steps;
    settings_steps(&same, examples, 0, &would);
    if (params->warmup != 0 && would.warmup_steps != config->warmup_steps)
        return fail(TMB_USAGE, "%s began with %llu step%s of warm-up, --warmup %g would be %llu, and %s",
                    path, (unsigned long long)config->warmup_steps, plural(config->warmup_steps),
                    params->warmup < 0 ? 0 : params->warmup, (unsigned long long)would.warmup_steps,
                    rest);
    return TMB_OK;
}

double settings_share(const char *validation)
{
    char *end;
    if (!validation || !*validation)
        return 0;
    double share = strtod(validation, &end);
    return !*end && share > 0 && share < 1 ? share : 0;
}

/* A value of zero takes the default, a negative one means none. */
static double or_default(double value, double fallback)
{
    if (value == 0)
        return fallback;
    return value < 0 ? 0 : value;
}

static double default_rate(const Model *model)
{
    double rate = 0.8 / model_config(model)->hidden;   /* wide models want smaller steps */
    return rate < 1e-4 ? 1e-4 : rate > 1e-3 ? 1e-3 : rate;
}

uint32_t settings_row_tokens(const Model *model, uint32_t wanted)
{
    uint32_t context = model_config(model)->context;
    return wanted ? wanted : context < 512 ? context : 512;
}

/* A share such as 10 % or 1.5, where a file of that name is surely not meant. */
static bool is_mistaken_share(const char *validation)
{
    char *end;
    if (!validation || settings_share(validation) || os_exists(validation))
        return false;
    strtod(validation, &end);
    return end != validation && end[strspn(end, " %")] == '\0';
}

/* The share of what is learnt that reaches the model is alpha / rank. */
static void warn_of_alpha(double rank, double alpha)
{
    double scale = alpha / rank;
    if (scale > 8)
        log_warning("--alpha %g with rank %g multiplies what is learnt by %.3g; once or twice the rank is "
                    "usual", alpha, rank, scale);
    else if (scale < 1.0 / 32)
        log_warning("--alpha %g with rank %g leaves %.2g of what is learnt; once or twice the rank is "
                    "usual", alpha, rank, scale);
}

void settings_warn(const TrainParams *params)
{
    bool held = params->validation && *params->validation;
    if (params->learning_rate > 1e-2)
        log_warning("--lr %g is far above what adapters learn with (1e-4 to 1e-3); the loss may rise "
                    "instead", params->learning_rate);
    if (params->initial && (params->rank || params->alpha > 0 || params->targets))
        log_warning("rank, alpha and targets are those of --initial %s", params->initial);
    else if (params->alpha > 0)
        warn_of_alpha(params->rank ? params->rank : LORA_RANK, params->alpha);
    if (params->warmup > 0.5)
        log_warning("--warmup %g is a share: %.0f %% of the steps stay below the learning rate; 0.05 is "
                    "usual", params->warmup, 100 * params->warmup);
    if (params->steps && params->epochs > 0)
        log_warning("--steps decides how long the run is, --epochs has no effect beside it");
    if (!held && (params->patience || params->eval_every))
        log_warning("--patience and --eval-every have no effect without held-out examples; name some "
                    "with --val");
}

tmb_status settings_fill(const TrainBase *base, const TrainParams *params, RunConfig *config)
{
    *config = (RunConfig){.format = RUN_FORMAT};
    if (is_mistaken_share(params->validation))
        return fail(TMB_USAGE, "--val %s is neither a file nor a share between 0 and 1, such as 0.1",
                    params->validation);
    config->version = mem_string(base->version ? base->version : "");
    config->model = mem_string(base->model_path);
    config->model_sha256 = mem_string(base->model_sha256);
    for (size_t i = 0; i < params->data_count; i++)
        string_list_add(&config->data, params->data[i]);
    config->validation = mem_string(params->validation ? params->validation : "");
    config->method = mem_string("lora");
    config->rank = params->rank ? params->rank : LORA_RANK;
    config->alpha = or_default(params->alpha, 2.0 * (double)config->rank);
    config->targets = mem_string(params->targets && *params->targets ? params->targets : "all");
    config->initial = mem_string(params->initial ? params->initial : "");
    config->seed = params->seed;
    config->step_examples = params->step_examples ? params->step_examples : 8;
    config->row_tokens = settings_row_tokens(base->model, params->row_tokens);
    config->learning_rate = or_default(params->learning_rate, default_rate(base->model));
    config->schedule = mem_string(params->schedule ? params->schedule : "cosine");
    config->weight_decay = params->weight_decay;
    config->beta1 = 0.9;
    config->beta2 = 0.999;
    config->epsilon = 1e-8;
    config->max_grad_norm = or_default(params->max_grad_norm, 1.0);
    config->patience = params->patience;
    config->checkpoint_every = params->checkpoint_every;
    config->max_seconds = params->max_seconds;
    const GpuCaps *caps = gpu_caps(base->gpu);
    config->device = mem_string(caps->name);
    config->driver = mem_string(caps->driver);
    if (config->row_tokens > model_config(base->model)->context)
        return fail(TMB_USAGE, "--row-tokens %llu is more than the %u tokens this model knows",
                    (unsigned long long)config->row_tokens, model_config(base->model)->context);
    return TMB_OK;
}

void settings_steps(const TrainParams *params, uint64_t examples, uint64_t most,
                    RunConfig *config)
{
    uint64_t per_epoch = (examples + config->step_examples - 1) / config->step_examples;
    double epochs = or_default(params->epochs, 3);
    uint64_t steps = params->steps ? params->steps : (uint64_t)ceil(epochs * (double)per_epoch);
    if (most && steps > most)
        steps = most;
    config->steps = steps < 1 ? 1 : steps > MOST_STEPS ? MOST_STEPS : steps;
    config->warmup_steps =
        (uint64_t)ceil(or_default(params->warmup, 0.05) * (double)config->steps);
    if (config->warmup_steps >= config->steps)   /* the first of them has a rate of 0: a run of */
        config->warmup_steps = config->steps - 1;   /* one step would learn nothing */
    config->eval_every = params->eval_every ? params->eval_every : per_epoch;
}
