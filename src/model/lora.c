#include "model/lora.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Targets in fixed order: the part of the GGUF name, PEFT's name, the short name. */
typedef struct Target {
    const char *gguf, *peft, *brief;
} Target;

static const Target targets[] = {
    {".attn_q.", "q_proj", "q"},       {".attn_k.", "k_proj", "k"},
    {".attn_v.", "v_proj", "v"},       {".attn_output.", "o_proj", "o"},
    {".ffn_gate.", "gate_proj", "gate"}, {".ffn_up.", "up_proj", "up"},
    {".ffn_down.", "down_proj", "down"},
};

struct Lora {
    uint32_t rank;
    float alpha;
    bool chosen[COUNT_OF(targets)];
    char names[128];
    Parameters parameters;
    ModelLinear *linears;
    uint32_t count;
};

uint32_t lora_rank(const Lora *lora)
{
    return lora->rank;
}

float lora_alpha(const Lora *lora)
{
    return lora->alpha;
}

const char *lora_targets(const Lora *lora)
{
    return lora->names;
}

const Parameters *lora_parameters(const Lora *lora)
{
    return &lora->parameters;
}

uint32_t lora_count(const Lora *lora)
{
    return lora->count;
}

const ModelLinear *lora_linear(const Lora *lora, uint32_t index)
{
    return index < lora->count ? &lora->linears[index] : NULL;
}

/* ---- targets ------------------------------------------------------------ */

static tmb_status choose_target(Lora *lora, const char *word, size_t length)
{
    for (size_t i = 0; i < COUNT_OF(targets); i++)
        if ((strlen(targets[i].brief) == length && !memcmp(word, targets[i].brief, length)) ||
            (strlen(targets[i].peft) == length && !memcmp(word, targets[i].peft, length))) {
            lora->chosen[i] = true;
            return TMB_OK;
        }
    static const char *const heads[] = {"head", "lm_head", "output", "embedding", "embed_tokens",
                                        "token_embd"};
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        if (strlen(heads[i]) == length && !memcmp(word, heads[i], length))
            return fail(TMB_USAGE, "the head and the embedding cannot carry a LoRA; choose among "
                        "q, k, v, o, gate, up, down");
    return fail(TMB_USAGE, "\"%.*s\" is no target; choose among q, k, v, o, gate, up, down or "
                "all", (int)(length < 40 ? length : 40), word);
}

static tmb_status choose_targets(Lora *lora, const char *list)
{
    bool all = !list || !strcmp(list, "all");
    for (size_t i = 0; all && i < COUNT_OF(targets); i++)
        lora->chosen[i] = true;
    while (!all && *list) {
        size_t length = strcspn(list, ", ");
        if (length)
            TRY(choose_target(lora, list, length));
        list += length + (list[length] != 0);
    }
    for (size_t i = 0; i < COUNT_OF(targets); i++)
        if (lora->chosen[i]) {
            size_t used = strlen(lora->names);
            snprintf(lora->names + used, sizeof lora->names - used, "%s%s", used ? "," : "",
                     targets[i].peft);
        }
    if (!lora->names[0])
        return fail(TMB_USAGE, "no targets were named; choose among q, k, v, o, gate, up, down");
    return TMB_OK;
}

static const Target *find_target(const char *weight)
{
    for (size_t i = 0; i < COUNT_OF(targets); i++)
        if (strstr(weight, targets[i].gguf))
            return &targets[i];
    return NULL;
}

const char *lora_target(const char *weight)
{
    const Target *target = find_target(weight);
    return target ? target->peft : NULL;
}

static bool is_target(const Lora *lora, const char *name)
{
    const Target *target = find_target(name);
    return target && lora->chosen[target - targets];
}

/* ---- creation ----------------------------------------------------------- */

static tmb_status attach(Lora *lora, const ModelLinear *linear)
{
    if (lora->rank > linear->in || lora->rank > linear->out)
        return fail(TMB_USAGE, "rank %u exceeds %s (%.0f x %.0f); choose a lower rank",
                    lora->rank, linear->name, (double)linear->out, (double)linear->in);
    char name[192];
    snprintf(name, sizeof name, "%s.lora_a", linear->name);
    TRY(parameters_add(&lora->parameters, name, lora->rank, linear->in));
    snprintf(name, sizeof name, "%s.lora_b", linear->name);
    TRY(parameters_add(&lora->parameters, name, linear->out, lora->rank));
    lora->linears = mem_grow(lora->linears, lora->count + 1, sizeof *lora->linears);
    lora->linears[lora->count++] = *linear;
    return TMB_OK;
}

static tmb_status attach_all(const Model *model, Lora *lora, const LoraParams *params)
{
    if (!(lora->alpha > 0) || !isfinite(lora->alpha))
        return fail(TMB_USAGE, "alpha %g makes no sense; use a positive number",
                    (double)params->alpha);
    TRY(choose_targets(lora, params->targets));
    ModelLinear linear;
    for (uint32_t i = 0; model_linear(model, i, &linear); i++)
        if (is_target(lora, linear.name))
            TRY(attach(lora, &linear));
    if (!lora->count)
        return fail(TMB_USAGE, "the model has no linears named %s", lora->names);
    return TMB_OK;
}

tmb_status lora_create(const Model *model, const LoraParams *params, uint64_t range, Lora **out)
{
    Lora *lora = MEM_NEW(Lora);
    lora->rank = params->rank ? params->rank : LORA_RANK;
    lora->alpha = params->alpha != 0 ? params->alpha : 2 * (float)lora->rank;
    parameters_init(&lora->parameters, range);
    tmb_status status = attach_all(model, lora, params);
    if (status != TMB_OK)
        lora_destroy(&lora);
    *out = lora;
    return status;
}

void lora_destroy(Lora **lora)
{
    if (!*lora)
        return;
    parameters_finish(&(*lora)->parameters);
    free((*lora)->linears);
    free(*lora);
    *lora = NULL;
}

/* ---- values ------------------------------------------------------------- */

void lora_initial(const Lora *lora, uint32_t item, Rng *rng, float *values)
{
    const Parameter *parameter = &lora->parameters.items[item];
    uint64_t count = parameter->rows * parameter->cols;
    if (item % 2) {
        memset(values, 0, count * sizeof *values);
        return;
    }
    double bound = 1 / sqrt((double)parameter->cols);
    for (uint64_t i = 0; i < count; i++)
        values[i] = (float)((2 * rng_double(rng) - 1) * bound);
}

tmb_status lora_initialise(const Lora *lora, Store *store, Rng *rng)
{
    tmb_status status = TMB_OK;
    for (uint32_t i = 0; i < lora->parameters.count && status == TMB_OK; i++) {
        const Parameter *parameter = &lora->parameters.items[i];
        float *values = MEM_NEW_ARRAY(float, parameter->rows * parameter->cols);
        lora_initial(lora, i, rng, values);
        status = store_set(store, LIFE_PARAMETER, parameter, values);
        free(values);
    }
    return status;
}

bool lora_hook(void *context, Graph *graph, const char *name, uint64_t in, uint64_t out,
               LinearAdapter *adapter)
{
    const Lora *lora = context;
    const char *a = arena_format(&graph->arena, "%s.lora_a", name);
    const char *b = arena_format(&graph->arena, "%s.lora_b", name);
    const Parameter *first = parameters_find(&lora->parameters, a);
    if (!first)
        return false;
    assert(first->cols == in);
    adapter->a = parameters_tensor(&lora->parameters, graph, a);
    adapter->b = parameters_tensor(&lora->parameters, graph, b);
    assert(adapter->b->rows == out);
    (void)in;
    (void)out;
    adapter->scale = lora->alpha / (float)lora->rank;
    return true;
}
