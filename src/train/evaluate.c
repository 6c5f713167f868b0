#include "train/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "data/dataset.h"
#include "train/score.h"
#include "train/settings.h"

/* ---- the device side ---------------------------------------------------- */

typedef struct Scorer {
    Lora *lora;
    Engine *engine;
    uint32_t row_tokens;
} Scorer;

static tmb_status scorer_create(const TrainBase *base, const Adapter *adapter,
                                uint32_t row_tokens, Scorer *out)
{
    *out = (Scorer){.row_tokens = row_tokens};
    if (adapter)
        TRY(adapter_lora(adapter, base->model, gpu_caps(base->gpu)->storage_range, &out->lora));
    EngineParams params = {.gpu = base->gpu, .model = base->model, .lora = out->lora,
                           .row_tokens = row_tokens};
    TRY(engine_create(&params, &out->engine));
    return adapter ? adapter_to_store(adapter, out->lora, engine_store(out->engine)) : TMB_OK;
}

static void scorer_finish(Scorer *scorer)
{
    engine_destroy(&scorer->engine);
    lora_destroy(&scorer->lora);
}

static tmb_status score_once(const TrainBase *base, const EvaluateParams *params,
                             uint32_t row_tokens, const Tokens *const *list, uint32_t count,
                             Score *scores)
{
    Scorer scorer;
    tmb_status status = scorer_create(base, params->adapter, row_tokens, &scorer);
    if (!status)
        status = score_examples(scorer.engine, list, count, row_tokens, true, scores);
    scorer_finish(&scorer);
    return status;
}

/* Scores of `count` token sequences, in new memory. A device that is lost is opened again, once. */
static tmb_status score_all(const TrainBase *base, const EvaluateParams *params,
                            uint32_t row_tokens, const Tokens *const *list, uint32_t count,
                            Score **scores)
{
    *scores = mem_try(count, sizeof **scores);
    if (!*scores)
        return fail(TMB_OUT_OF_HOST, "no memory for the scores of %u texts", count);
    tmb_status status = score_once(base, params, row_tokens, list, count, *scores);
    if (status == TMB_DEVICE_LOST) {
        TRY(gpu_reopen(base->gpu));
        log_warning("the device was lost; opened it again with half the work per submit, beginning "
                    "the evaluation anew");
        status = score_once(base, params, row_tokens, list, count, *scores);
        if (status == TMB_DEVICE_LOST)
            status = fail_in(status, "the device was lost twice during the evaluation: ");
    }
    const char *notice = gpu_notice(base->gpu);
    if (notice)
        log_warning("%s", notice);
    return status;
}

static tmb_status set_means(const char *file, Score total, EvaluateResult *out)
{
    if (!total.tokens)
        return fail(TMB_BAD_INPUT, "%s holds no token that can be scored", file);
    out->tokens = total.tokens;
    out->mean_nll = total.nll / (double)total.tokens;
    out->perplexity = exp(out->mean_nll);
    return TMB_OK;
}

/* ---- plain text --------------------------------------------------------- */

/* Window i predicts tokens i·window + 1 … (i + 1)·window from those before them in it. */
static tmb_status score_windows(const TrainBase *base, const EvaluateParams *params,
                                uint32_t window, const Tokens *text, EvaluateResult *out)
{
    uint32_t row_tokens = settings_row_tokens(base->model, params->row_tokens);
    if (text->count < 2 || text->count / window >= UINT32_MAX)
        return fail(TMB_BAD_INPUT, "%s holds %zu tokens", params->file, text->count);
    uint32_t count = (uint32_t)((text->count - 2) / window + 1);
    Score *scores = NULL;
    Tokens *windows = mem_try(count, sizeof *windows);
    const Tokens **list = mem_try(count, sizeof *list);
    tmb_status status = TMB_OK;
    if (!windows || !list)
        TRY_OR(done, status, fail(TMB_OUT_OF_HOST, "no memory for %u windows", count));
    for (uint32_t i = 0; i < count; i++) {
        size_t first = (size_t)i * window, left = text->count - first;
        windows[i] = (Tokens){.ids = text->ids + first, .supervised = text->supervised + first,
                              .count = left < window + 1u ? left : window + 1u};
        list[i] = &windows[i];
    }
    TRY_OR(done, status, score_all(base, params, row_tokens > window ? row_tokens : window, list,
                                   count, &scores));
    status = set_means(params->file, score_total(scores, count), out);
done:
    free(scores);
    free(list);
    free(windows);
    return status;
}

static tmb_status evaluate_text(const TrainBase *base, const EvaluateParams *params,
                                EvaluateResult *out)
{
    Tokens text = {0};
    uint32_t window = settings_row_tokens(base->model, params->window);
    bool bos = params->bos ? !strcmp(params->bos, "once") : tokenizer_adds_bos(base->tokenizer);
    if (params->bos && !bos && strcmp(params->bos, "none"))
        return fail(TMB_USAGE, "--bos \"%s\" is neither once nor none", params->bos);
    if (bos && tokenizer_bos(base->tokenizer) == NO_TOKEN)
        return fail(TMB_USAGE, "%s has no BOS token; use --bos none", base->model_path);
    if (window > model_config(base->model)->context)
        return fail(TMB_USAGE, "--window %u is more than the %u tokens this model knows", window,
                    model_config(base->model)->context);
    out->text = true;
    out->window = window;
    out->by_line = params->by_line;
    out->bos = bos;
    tmb_status status = text_encode_file(base->tokenizer, params->file, params->by_line, bos,
                                         &text);
    if (!status)
        status = score_windows(base, params, window, &text, out);
    tokens_finish(&text);
    return status;
}

/* ---- JSONL -------------------------------------------------------------- */

/* Marks which of `count` examples are taken; all when limit is 0. */
static tmb_status choose(size_t count, uint32_t limit, uint64_t seed, bool *taken)
{
    Rng rng;
    uint32_t *order = mem_try(count, sizeof *order);
    if (!order)
        return fail(TMB_OUT_OF_HOST, "no memory to choose among %zu examples", count);
    uint32_t chosen = limit && limit < count ? limit : (uint32_t)count;
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    rng_init(&rng, seed);
    if (chosen < count)
        rng_shuffle(&rng, order, count);
    for (uint32_t i = 0; i < chosen; i++)
        taken[order[i]] = true;
    free(order);
    return TMB_OK;
}

/* The token sequences to score: of each taken example its reply, then, for pairs, the
 * rejected one. tokens and list have room for two per example. */
typedef struct Replies {
    Tokens *tokens;
    const Tokens **list;
    uint32_t count;
} Replies;

static tmb_status encode_replies(const TrainBase *base, const Dataset *dataset,
                                 const bool *taken, Replies *replies)
{
    for (size_t i = 0; i < dataset->count; i++) {
        const Example *example = &dataset->examples[i];
        for (int rejected = 0; taken[i] && rejected < (example->rejected ? 2 : 1); rejected++) {
            Tokens *tokens = &replies->tokens[replies->count];
            replies->list[replies->count++] = tokens;
            tmb_status status = example_encode(example, base->tokenizer, base->chat, rejected,
                                               tokens);
            if (status)
                return fail_in(status, "%s: line %zu: ", example->file, example->line);
        }
    }
    return TMB_OK;
}

static tmb_status add_up(const EvaluateParams *params, const Dataset *dataset,
                         const bool *taken, const Score *scores, EvaluateResult *out)
{
    Score chosen = {0};
    double margins = 0;
    for (size_t i = 0, at = 0; i < dataset->count; i++) {
        if (!taken[i])
            continue;
        const Score *good = &scores[at++];
        out->examples++;
        chosen.nll += good->nll;
        chosen.tokens += good->tokens;
        if (!dataset->examples[i].rejected)
            continue;
        const Score *bad = &scores[at++];
        if (!good->tokens || !bad->tokens)
            return fail(TMB_BAD_INPUT, "%s: line %zu: a reply is cut off before its first token; "
                        "try a larger --row-tokens", params->file, dataset->examples[i].line);
        double margin = bad->nll / (double)bad->tokens - good->nll / (double)good->tokens;
        margins += margin;
        out->chosen_wins += margin > 0;
        out->pairs++;
    }
    if (out->pairs)
        out->mean_margin = margins / (double)out->pairs;
    return set_means(params->file, chosen, out);
}

static tmb_status score_dataset(const TrainBase *base, const EvaluateParams *params,
                                const Dataset *dataset, EvaluateResult *out)
{
    Score *scores = NULL;
    uint32_t row_tokens = settings_row_tokens(base->model, params->row_tokens);
    bool *taken = mem_try(dataset->count, sizeof *taken);
    Replies replies = {mem_try(2 * dataset->count, sizeof(Tokens)),
                       mem_try(2 * dataset->count, sizeof(const Tokens *)), 0};
    tmb_status status = TMB_OK;
    if (!taken || !replies.tokens || !replies.list)
        TRY_OR(done, status, fail(TMB_OUT_OF_HOST, "no memory for %zu examples", dataset->count));
    TRY_OR(done, status, choose(dataset->count, params->limit, params->seed, taken));
    TRY_OR(done, status, encode_replies(base, dataset, taken, &replies));
    TRY_OR(done, status, score_all(base, params, row_tokens, replies.list, replies.count, &scores));
    status = add_up(params, dataset, taken, scores, out);
done:;
    uint32_t longer = 0;
    for (uint32_t i = 0; i < replies.count; i++) {
        longer += replies.tokens[i].count > row_tokens + 1u;
        tokens_finish(&replies.tokens[i]);
    }
    if (longer)
        log_warning("%u of %u replies, with the letters they answer, %s more than %u tokens and "
                    "lost the rest; see --row-tokens", longer, replies.count,
                    longer == 1 ? "has" : "have", row_tokens);
    free(replies.tokens);
    free(replies.list);
    free(taken);
    free(scores);
    return status;
}

static tmb_status evaluate_jsonl(const TrainBase *base, const EvaluateParams *params,
                                 EvaluateResult *out)
{
    Dataset dataset = {0};
    if (!base->chat)
        return fail(TMB_UNSUPPORTED, "%s has no chat template Timbre knows, so letters and replies "
                    "cannot be written as it expects; use an instruct model", base->model_path);
    tmb_status status = dataset_read(&dataset, &params->file, 1);
    if (!status && dataset.count > UINT32_MAX / 2)
        status = fail(TMB_UNSUPPORTED, "%s: too many examples", params->file);
    if (!status && params->system)
        status = dataset_set_system(&dataset, params->system);
    if (!status)
        status = score_dataset(base, params, &dataset, out);
    dataset_finish(&dataset);
    return status;
}

tmb_status evaluate_file(const TrainBase *base, const EvaluateParams *params,
                         EvaluateResult *out)
{
    double started = os_seconds();
    size_t bytes = strlen(params->file);
    bool jsonl = bytes > 6 && !strcmp(params->file + bytes - 6, ".jsonl");
    *out = (EvaluateResult){0};
    if (jsonl && (params->window || params->by_line || params->bos))
        log_warning("--window, --by-line and --bos have no effect: %s is not plain text", params->file);
    if (!jsonl && (params->limit || params->system))
        log_warning("--limit and --system have no effect: %s is read as plain text, as its name does not "
                    "end in .jsonl", params->file);
    TRY(jsonl ? evaluate_jsonl(base, params, out) : evaluate_text(base, params, out));
    out->seconds = os_seconds() - started;
    return TMB_OK;
}
