#include "train/corpus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "data/dataset.h"
#include "train/settings.h"

/* ---- digests ------------------------------------------------------------ */

static tmb_status check_digest(const char *path, const char *was, char now[SHA256_TEXT])
{
    if (was && !os_exists(path))
        return fail(TMB_BAD_INPUT, "%s, which this run began with, is not there; put it back, or name "
                    "the place where it is now together with --resume", path);
    TRY(sha256_file(path, now));
    if (was && strcmp(was, now))
        return fail(TMB_BAD_INPUT, "%s is not the file this run began with (SHA-256 %.12s…, then "
                    "%.12s…); put the old one back or start a new run", path, now, was);
    return TMB_OK;
}

static void replace(char **field, const char *text)
{
    free(*field);
    *field = mem_string(text);
}

static bool move(char **field, const char *path)
{
    if (!path || !**field || !strcmp(*field, path))
        return false;
    replace(field, path);
    return true;
}

/* Where the files of an old run are now. True when one of them moved. */
static bool move_files(const TrainBase *base, const TrainParams *params, RunConfig *config)
{
    bool moved = move(&config->model, base->model_path);
    for (size_t i = 0; i < params->data_count && i < config->data.count; i++)
        moved |= move(&config->data.items[i], params->data[i]);
    if (!settings_share(config->validation))
        moved |= move(&config->validation, params->validation);
    return move(&config->initial, params->initial) || moved;
}

/* Digests of every input: noted in a new run, compared in an old one. */
static tmb_status take_digests(Run *run)
{
    RunConfig *config = &run->config;
    char now[SHA256_TEXT];
    bool is_file = *config->validation && !settings_share(config->validation);
    if (run->frozen && config->data.count != config->data_sha256.count)
        return fail(TMB_BAD_INPUT, "%s: data and data_sha256 differ in length", run->config_path);
    for (size_t i = 0; i < config->data.count; i++) {
        TRY(check_digest(config->data.items[i], run->frozen ? config->data_sha256.items[i] : NULL,
                         now));
        if (!run->frozen)
            string_list_add(&config->data_sha256, now);
    }
    if (is_file)
        TRY(check_digest(config->validation, run->frozen ? config->validation_sha256 : NULL, now));
    if (!run->frozen)
        replace(&config->validation_sha256, is_file ? now : "");
    bool begins = config->initial && *config->initial;
    if (begins)
        TRY(check_digest(config->initial, run->frozen ? config->initial_sha256 : NULL, now));
    if (!run->frozen)
        replace(&config->initial_sha256, begins ? now : "");
    return TMB_OK;
}

/* ---- reading ------------------------------------------------------------ */

/* A row of so many tokens still reaches something to learn from. */
static bool reaches_reply(const Tokens *tokens, uint64_t row_tokens)
{
    for (size_t i = 1; i < tokens->count && i <= row_tokens; i++)
        if (tokens->supervised[i])
            return true;
    return false;
}

/* Leaves out the examples from `first` on whose reply begins beyond the row: a step of nothing
 * but such examples would have no loss. */
static tmb_status keep_reached(Corpus *corpus, uint32_t first, uint64_t row_tokens,
                               const char *path)
{
    uint32_t kept = first;
    for (uint32_t i = first; i < corpus->count; i++) {
        if (!reaches_reply(&corpus->tokens[i], row_tokens)) {
            tokens_finish(&corpus->tokens[i]);
            continue;
        }
        corpus->weights[kept] = corpus->weights[i];
        corpus->tokens[kept++] = corpus->tokens[i];
    }
    corpus->left_out += corpus->count - kept;
    corpus->count = kept;
    if (kept == first)
        return fail(TMB_BAD_INPUT, "%s: every reply begins after the first %llu tokens; raise "
                    "--row-tokens", path, (unsigned long long)row_tokens);
    return TMB_OK;
}

/* Makes room for them, their tokens empty so far. */
static tmb_status add_examples(Corpus *corpus, const Dataset *dataset)
{
    size_t total = corpus->count + dataset->count;
    Tokens *tokens = mem_try_grow(corpus->tokens, total, sizeof *tokens);
    corpus->tokens = tokens ? tokens : corpus->tokens;
    double *weights = mem_try_grow(corpus->weights, total, sizeof *weights);
    corpus->weights = weights ? weights : corpus->weights;
    if (!tokens || !weights)
        return fail(TMB_OUT_OF_HOST, "no memory for %zu examples", total);
    memset(tokens + corpus->count, 0, dataset->count * sizeof *tokens);
    for (size_t i = 0; i < dataset->count; i++) {
        weights[corpus->count + i] = dataset->examples[i].weight;
        corpus->empty += example_is_empty(&dataset->examples[i]);
    }
    corpus->count = (uint32_t)total;
    return TMB_OK;
}

/* Appends the files' examples to the corpus. */
static tmb_status append(const TrainBase *base, const char *const *paths, size_t count,
                         uint64_t row_tokens, Corpus *corpus)
{
    Dataset dataset = {0};
    tmb_status status = dataset_read(&dataset, paths, count);
    if (!status && dataset.count > UINT32_MAX / 2)
        status = fail(TMB_UNSUPPORTED, "%zu examples are more than fit into one run",
                      dataset.count);
    if (!status) {
        uint32_t first = corpus->count;
        status = add_examples(corpus, &dataset);
        if (!status)
            status = dataset_encode(&dataset, base->tokenizer, base->chat, corpus->tokens + first);
        if (!status)
            status = keep_reached(corpus, first, row_tokens, paths[0]);
    }
    dataset_finish(&dataset);
    return status;
}

/* Moves a seeded share of the examples behind the others. */
static tmb_status split(Corpus *corpus, double share, uint64_t seed)
{
    uint32_t held = (uint32_t)lround(share * corpus->count);
    held = held ? held : 1;
    if (held >= corpus->count)
        return fail(TMB_USAGE, "holding %g of %u example%s out leaves none to train on; give "
                    "more examples or a validation file", share, corpus->count,
                    plural(corpus->count));
    Rng rng;
    uint32_t *order = mem_try(corpus->count, sizeof *order);
    Tokens *tokens = mem_try(corpus->count, sizeof *tokens);
    double *weights = mem_try(corpus->count, sizeof *weights);
    if (!order || !tokens || !weights) {
        free(order);
        free(tokens);
        free(weights);
        return fail(TMB_OUT_OF_HOST, "no memory to divide %u examples", corpus->count);
    }
    for (uint32_t i = 0; i < corpus->count; i++)
        order[i] = i;
    rng_init(&rng, seed ^ 0x68656c64u);   /* not the order of the training examples */
    rng_shuffle(&rng, order, corpus->count);
    for (uint32_t i = 0; i < corpus->count; i++) {
        tokens[i] = corpus->tokens[order[i]];
        weights[i] = corpus->weights[order[i]];
    }
    free(order);
    free(corpus->tokens);
    free(corpus->weights);
    corpus->tokens = tokens;
    corpus->weights = weights;
    corpus->examples.held_count = held;
    return TMB_OK;
}

static void count_truncated(Corpus *corpus, uint64_t row_tokens)
{
    for (uint32_t i = 0; i < corpus->examples.train_count; i++) {
        const Tokens *tokens = &corpus->tokens[i];
        size_t last = tokens->count;
        while (last > 1 && !tokens->supervised[last - 1])
            last--;
        corpus->truncated += last - 1 > row_tokens;
    }
}

static tmb_status count_repeats(Corpus *corpus)
{
    uint32_t *earlier = mem_try(corpus->count, sizeof *earlier);
    if (!earlier)
        return fail(TMB_OUT_OF_HOST, "no memory to compare %u examples", corpus->count);
    tmb_status status = tokens_find_repeats(corpus->tokens, corpus->count, earlier);
    for (uint32_t i = 0; i < corpus->count && !status; i++) {
        bool held = i >= corpus->examples.train_count;
        corpus->repeated += !held && earlier[i] < i;
        corpus->known += held && earlier[i] < corpus->examples.train_count;
    }
    free(earlier);
    return status;
}

tmb_status corpus_read(const TrainBase *base, Run *run, Corpus *out)
{
    const RunConfig *config = &run->config;
    double share = settings_share(config->validation);
    const char *validation = config->validation;
    *out = (Corpus){0};
    if (!base->chat)
        return fail(TMB_UNSUPPORTED, "%s has no chat template Timbre knows, so letters and replies "
                    "cannot be written as it expects; use an instruct model", base->model_path);
    TRY(take_digests(run));
    if (run->moved)
        TRY(run_freeze(run));
    TRY(append(base, (const char *const *)config->data.items, config->data.count,
               config->row_tokens, out));
    if (share > 0)
        TRY(split(out, share, config->seed));
    else if (*validation) {
        uint32_t before = out->count;
        TRY(append(base, &validation, 1, config->row_tokens, out));
        out->examples.held_count = out->count - before;
    }
    out->examples.train_count = out->count - out->examples.held_count;
    out->examples.train = out->tokens;
    out->examples.train_weights = out->weights;
    out->examples.held = out->tokens + out->examples.train_count;
    count_truncated(out, config->row_tokens);
    return count_repeats(out);
}

void corpus_finish(Corpus *corpus)
{
    for (uint32_t i = 0; i < corpus->count; i++)
        tokens_finish(&corpus->tokens[i]);
    free(corpus->tokens);
    free(corpus->weights);
    *corpus = (Corpus){0};
}

/* ---- train_run ---------------------------------------------------------- */

/* The config of a new run, or the checks of an old one. */
static tmb_status prepare(const TrainBase *base, const TrainParams *params, Run *run)
{
    if (!run->frozen) {
        if (!params->data_count)
            return fail(TMB_USAGE, "%s holds no run yet; name the training data", run->path);
        TRY(settings_fill(base, params, &run->config));
        if (params->resume)
            log_info("%s holds no run yet: beginning a new one", run->path);
        settings_warn(params);
        return TMB_OK;
    }
    if (strcmp(run->config.model_sha256, base->model_sha256))
        return fail(TMB_BAD_INPUT, "%s was begun with another model (SHA-256 %.12s…, %s has "
                    "%.12s…); use that one", run->path, run->config.model_sha256,
                    base->model_path, base->model_sha256);
    TRY(settings_unchanged(params, &run->config, run->path));
    run->moved = move_files(base, params, &run->config);
    return TMB_OK;
}

/* What `data check` says line by line, in one sentence before training starts. */
static void warn_of_examples(const Corpus *corpus, unsigned long long row_tokens)
{
    const uint32_t held = corpus->examples.held_count;
    char beyond[80], outside[80];
    snprintf(beyond, sizeof beyond, "beyond %llu tokens (--row-tokens)", row_tokens);
    snprintf(outside, sizeof outside, "reply beyond %llu tokens and %s left out", row_tokens,
             corpus->left_out == 1 ? "is" : "are");
    const struct {
        uint32_t count;
        const char *one, *many, *rest;
    } parts[] = {
        {corpus->repeated, "repeats", "repeat", "another one"},
        {corpus->empty, "has", "have", "an empty reply"},
        {corpus->truncated, "loses its end", "lose their end", beyond},
        {corpus->left_out, "begins its", "begin their", outside},
    };
    Text text = {0};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (parts[i].count)
            text_print(&text, "%s %u %s %s", text.bytes ? "," : "", parts[i].count,
                       parts[i].count == 1 ? parts[i].one : parts[i].many, parts[i].rest);
    if (text.bytes)
        log_warning("of %u examples%s; 'timbre data check' names them",
                    corpus->count + corpus->left_out, text.data);
    text_finish(&text);
    if (corpus->known)
        log_warning("%u of %u held-out example%s among the training examples too; the held-out loss "
                    "will look better than it is", corpus->known, held, held == 1 ? " is" : "s are");
}

tmb_status train_run(const TrainBase *base, const TrainParams *params, TrainResult *result)
{
    Run *run;
    Corpus corpus = {0};
    double started = os_seconds();
    *result = (TrainResult){.best_validation = NAN};
    TRY(settings_check(params));
    TRY(run_open(params->run, params->resume, &run));
    tmb_status status = prepare(base, params, run);
    if (!status)
        status = corpus_read(base, run, &corpus);
    if (!status && run->frozen)
        status = settings_length_unchanged(params, &run->config, corpus.examples.train_count,
                                           run->path);
    if (!status)
        warn_of_examples(&corpus, run->config.row_tokens);
    if (!status)
        status = train_examples(base, params, &corpus.examples, run, started, result);
    if (!status && params->on_end)
        params->on_end(params->user, corpus.examples.held, corpus.examples.held_count, result);
    corpus_finish(&corpus);
    run_close(&run);
    return status;
}
