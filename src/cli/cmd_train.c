/* train and fit. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/os.h"
#include "base/status.h"
#include "cli/commands.h"

typedef struct Progress {
    bool terminal, quiet, json;
    bool line_open;       /* a progress line without its newline stands on the terminal */
    size_t width;         /* of that line */
} Progress;

static void close_line(Progress *progress)
{
    if (progress->line_open)
        fputc('\n', stderr);
    progress->line_open = false;
    progress->width = 0;
}

/* What does not fit the terminal's line is left out, the least telling first: a line that
 * wraps cannot be written over. */
static void show_step(Progress *progress, const tmb_train_event *event)
{
    char left[32], fields[6][64], line[400];
    static const size_t shown[] = {0, 1, 5, 3, 2, 4};     /* in the order of their weight */
    size_t room = progress->terminal ? os_terminal_columns() - 1 : sizeof line, used = 0;
    bool keep[6] = {true};
    snprintf(fields[0], sizeof fields[0], "step %llu/%llu", (unsigned long long)event->step,
             (unsigned long long)event->steps);
    snprintf(fields[1], sizeof fields[1], "  loss %.4f", event->loss);
    snprintf(fields[2], sizeof fields[2], "  lr %.2e  norm %.2f", event->learning_rate, event->grad_norm);
    snprintf(fields[3], sizeof fields[3], "  %.1f tok/s", event->tokens_per_second);
    snprintf(fields[4], sizeof fields[4], "  fill %.0f %%", 100 * event->fill);
    snprintf(fields[5], sizeof fields[5], "  %s left", cli_duration(event->seconds_left, left));
    for (size_t i = 0; i < 6; i++) {
        size_t bytes = strlen(fields[shown[i]]);
        keep[shown[i]] = !i || used + bytes <= room;
        used += keep[shown[i]] ? bytes : 0;
    }
    line[0] = '\0';
    for (size_t i = 0; i < 6; i++)
        if (keep[i])
            strncat(line, fields[i], sizeof line - strlen(line) - 1);
    int blank = progress->terminal && progress->width > used ? (int)(progress->width - used) : 0;
    fprintf(stderr, "%s%s%*s%s", progress->terminal ? "\r" : "", line, blank, "",
            progress->terminal ? "" : "\n");
    progress->line_open = progress->terminal;
    progress->width = used;
    fflush(stderr);
}

static void show_event(void *user, const tmb_train_event *event)
{
    Progress *progress = user;
    if (progress->quiet || progress->json)
        return;
    if (event->kind == TMB_EVENT_STEP) {
        show_step(progress, event);
        return;
    }
    if (event->kind == TMB_EVENT_CHECKPOINT)
        return;
    close_line(progress);
    if (event->kind == TMB_EVENT_EVAL)
        fprintf(stderr, "held-out loss after step %llu: %.4f%s\n", (unsigned long long)event->step,
                event->loss, event->best ? " (best so far)" : "");
    else
        fprintf(stderr, "%s\n", event->text);
}

static tmb_status train_params(const CliArgs *args, Progress *progress, tmb_train_params *out)
{
    if (args->method && strcmp(args->method, "lora"))
        return fail(TMB_USAGE, "--method %s is not in this build; it is lora", args->method);
    bool no_warmup = cli_given(args, "--warmup") && args->warmup == 0;
    bool no_clip = cli_given(args, "--clip") && args->clip == 0;
    *out = (tmb_train_params){
        .data = &args->positional[1],
        .data_count = args->positional_count - 1,
        .run = args->output,
        .validation = args->validation,
        .epochs = args->epochs,
        .steps = args->steps,
        .max_seconds = args->minutes * 60,
        .learning_rate = args->learning_rate,
        .schedule = args->schedule,
        .warmup = no_warmup ? -1 : args->warmup,
        .weight_decay = args->weight_decay,
        .max_grad_norm = no_clip ? -1 : args->clip,
        .rank = (uint32_t)args->rank,
        .alpha = args->alpha,
        .targets = args->targets,
        .step_examples = (uint32_t)args->step_examples,
        .row_tokens = (uint32_t)args->row_tokens,
        .seed = args->seed,
        .eval_every = args->eval_every,
        .patience = (uint32_t)args->patience,
        .checkpoint_every = args->checkpoint_every,
        .resume = args->resume,
        .initial = args->initial,
        .on_event = show_event,
        .user = progress,
    };
    return TMB_OK;
}

static void print_fit(const CliArgs *args, const tmb_fit *fit)
{
    static const char *const names[] = {"weights", "state", "work", "cache", "staging", "total", "available"};
    const uint64_t values[] = {fit->weights, fit->state, fit->work, fit->cache,
                               fit->staging, fit->total, fit->available};
    if (args->json) {
        cJSON *object = cJSON_CreateObject();
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            cJSON_AddNumberToObject(object, names[i], (double)values[i]);
        cJSON_AddNumberToObject(object, "row_tokens", fit->row_tokens);
        cJSON_AddNumberToObject(object, "recompute_level", fit->recompute_level);
        cJSON_AddBoolToObject(object, "fits", fit->fits);
        cli_print_json(object);
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        printf("%-10s %9.1f MB\n", names[i], (double)values[i] * 1e-6);
    printf("rows of %u tokens, recomputation level %u: %s\n", fit->row_tokens, fit->recompute_level,
           fit->fits ? "fits" : "does not fit");
}

static tmb_status plan_only(const CliArgs *args, tmb_device *device, tmb_model *model,
                            const tmb_train_params *params)
{
    tmb_fit fit;
    TRY(tmb_train_fit(device, model, params, &fit));
    print_fit(args, &fit);
    if (!fit.fits)
        return fail(TMB_OUT_OF_DEVICE,
                    "training needs %.0f MB, the device has %.0f MB; try a smaller --row-tokens or --rank",
                    (double)fit.total * 1e-6, (double)fit.available * 1e-6);
    return TMB_OK;
}

tmb_status cmd_fit(const CliArgs *args)
{
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    tmb_train_params params;
    Progress progress = {0};
    tmb_status status = TMB_OK;
    TRY_OR(done, status, cli_open(args, &model, &device));
    TRY_OR(done, status, train_params(args, &progress, &params));
    status = plan_only(args, device, model, &params);
done:
    tmb_device_close(&device);
    tmb_model_close(&model);
    return status;
}

static void print_result(const CliArgs *args, const tmb_train_result *result)
{
    char time[32];
    if (args->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "run", args->output);
        cJSON_AddNumberToObject(object, "steps", (double)result->steps);
        cJSON_AddNumberToObject(object, "tokens", (double)result->tokens);
        cJSON_AddNumberToObject(object, "supervised", (double)result->supervised);
        cJSON_AddNumberToObject(object, "first_loss", result->first_loss);
        cJSON_AddNumberToObject(object, "last_loss", result->last_loss);
        cJSON_AddNumberToObject(object, "best_validation", result->best_validation);
        cJSON_AddNumberToObject(object, "seconds", result->seconds);
        cJSON_AddNumberToObject(object, "tokens_per_second", result->tokens_per_second);
        cJSON_AddBoolToObject(object, "stopped_early", result->stopped_early);
        cli_print_json(object);
        return;
    }
    printf("%llu step%s in %s, %.1f tokens/s, loss %.4f -> %.4f\n", (unsigned long long)result->steps,
           plural(result->steps), cli_duration(result->seconds, time), result->tokens_per_second, result->first_loss,
           result->last_loss);
    printf("the adapter is in %s; try it: timbre generate \"%s\" \"Dear …\" --adapter \"%s\"\n",
           args->output, args->positional[0], args->output);
}

tmb_status cmd_train(const CliArgs *args)
{
    if (!args->output && !args->dry_run)
        return fail(TMB_USAGE, "say where the run goes: timbre train MODEL DATA -o RUN");
    if (args->positional_count < 2 && !args->resume)
        return fail(TMB_USAGE, "say which examples to learn from: timbre train MODEL DATA -o RUN");
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    tmb_train_params params;
    tmb_train_result result;
    Progress progress = {.terminal = os_is_terminal(stderr), .quiet = args->quiet, .json = args->json};
    tmb_status status = TMB_OK;
    TRY_OR(done, status, train_params(args, &progress, &params));
    TRY_OR(done, status, cli_open(args, &model, &device));
    if (args->dry_run) {
        status = plan_only(args, device, model, &params);
        goto done;
    }
    os_ignore_closed_pipe();      /* whoever reads the progress may leave; the run goes on */
    double start = os_seconds();
    status = tmb_train(device, model, &params, &result);
    close_line(&progress);
    cli_print_profile(args, device, os_seconds() - start);
    if (status == TMB_OK)
        print_result(args, &result);
done:
    tmb_device_close(&device);
    tmb_model_close(&model);
    return status;
}
