#include "infer/generator.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"

enum { DEFAULT_CONTEXT = 2048, DEFAULT_PROMPT_ROWS = 128 };
static const uint32_t NO_REQUEST = UINT32_MAX;

/* One graph with what is needed to run it and its inputs on the host. */
typedef struct Stage {
    Graph *graph;
    Plan *plan;
    Program *program;
    uint32_t capacity;            /* rows */
    uint32_t rows, labels;        /* filled so far */
    uint32_t *tokens, *positions, *slots, *label_rows;
    uint32_t *span;               /* [rows, 2] */
} Stage;

/* A place in the cache and the sequence that runs in it. */
typedef struct Slot {
    uint32_t *held;               /* [context] tokens whose keys and values are cached */
    uint32_t held_count;
    uint32_t request;             /* NO_REQUEST: free */
    uint32_t next;                /* the token to compute in the next pass */
    Rng rng;
} Slot;

struct Generator {
    Gpu *gpu;
    const Model *model;
    uint32_t context, batch, prompt_rows, vocab;
    Stage prefill, decode;
    Store *store;
    Slot *slots;
    float *logits;                /* [labels, vocab] of the last run */
    Sampler *sampler;
};

/* ---- stages ------------------------------------------------------------- */

static tmb_status stage_plan(const Generator *generator, const GeneratorParams *params,
                             ModelMode mode, uint32_t rows, Stage *stage)
{
    /* a prompt wants one row of logits, generator_logits up to GENERATOR_MAX_LOGITS */
    uint32_t labels = generator->batch > GENERATOR_MAX_LOGITS ? generator->batch : GENERATOR_MAX_LOGITS;
    const GpuCaps *caps = gpu_caps(params->gpu);
    const bool half = frozen_half(NULL, caps);
    ModelBuild build = {
        .mode = mode,
        .row_tokens = rows,
        .max_labels = rows < labels ? rows : labels,
        .positions = generator->context,
        .cache_rows = generator->batch * generator->context,
        .range = caps->storage_range,
        .half = half,
        .in_tile = frozen_in_tile(NULL, caps, half),
        .lora = params->lora,
    };
    stage->capacity = rows;
    stage->tokens = MEM_NEW_ARRAY(uint32_t, rows);
    stage->positions = MEM_NEW_ARRAY(uint32_t, rows);
    stage->slots = MEM_NEW_ARRAY(uint32_t, rows);
    stage->label_rows = MEM_NEW_ARRAY(uint32_t, rows);
    stage->span = MEM_NEW_ARRAY(uint32_t, 2 * (size_t)rows);
    TRY(model_build(params->model, &build, &stage->graph));
    return plan_create(stage->graph, gpu_caps(params->gpu), &stage->plan);
}

static void stage_finish(Stage *stage)
{
    program_destroy(&stage->program);
    plan_destroy(&stage->plan);
    graph_destroy(&stage->graph);
    free(stage->tokens);
    free(stage->positions);
    free(stage->slots);
    free(stage->label_rows);
    free(stage->span);
}

static void stage_add(const Generator *generator, Stage *stage, uint32_t slot, uint32_t position,
                      uint32_t token, bool wanted)
{
    assert(stage->rows < stage->capacity);
    uint32_t row = stage->rows++, base = slot * generator->context;
    stage->tokens[row] = token;
    stage->positions[row] = position;
    stage->slots[row] = base + position;
    stage->span[2 * row] = base;
    stage->span[2 * row + 1] = base + position + 1;
    if (wanted)
        stage->label_rows[stage->labels++] = row;
}

/* Runs the rows collected; logits of the wanted ones land in generator->logits. */
static tmb_status stage_run(Generator *generator, Stage *stage)
{
    const struct {
        const char *name;
        const uint32_t *data;
        uint32_t words;
    } inputs[] = {
        {"tokens", stage->tokens, stage->rows},       {"positions", stage->positions, stage->rows},
        {"slots", stage->slots, stage->rows},         {"span", stage->span, 2 * stage->rows},
        {"label_rows", stage->label_rows, stage->labels},
    };
    for (size_t i = 0; i < COUNT_OF(inputs); i++)
        if (inputs[i].words)
            TRY(program_write(stage->program, inputs[i].name, inputs[i].data, 4ull * inputs[i].words));
    Values values = {{0}};
    values.at[VALUE_ROWS] = stage->rows;
    values.at[VALUE_LABELS] = stage->labels;
    uint64_t bytes = 4ull * generator->vocab * stage->labels;
    stage->rows = 0;
    stage->labels = 0;
    TRY(program_run(stage->program, &values));
    return bytes ? program_read(stage->program, "logits", generator->logits, bytes) : gpu_wait(generator->gpu);
}

/* ---- life --------------------------------------------------------------- */

static tmb_status create_stages(Generator *generator, const GeneratorParams *params)
{
    TRY(stage_plan(generator, params, MODEL_PREFILL, generator->prompt_rows, &generator->prefill));
    TRY(stage_plan(generator, params, MODEL_DECODE, generator->batch, &generator->decode));
    PlannedGraph graphs[] = {{generator->prefill.graph, generator->prefill.plan},
                             {generator->decode.graph, generator->decode.plan}};
    TRY(store_create(params->gpu, graphs, COUNT_OF(graphs), &generator->store));
    TRY(model_upload(params->model, generator->store));
    TRY(program_create(params->gpu, &graphs[0], generator->store, &generator->prefill.program));
    return program_create(params->gpu, &graphs[1], generator->store, &generator->decode.program);
}

tmb_status generator_create(const GeneratorParams *params, Generator **out)
{
    const ModelConfig *config = model_config(params->model);
    Generator *generator = MEM_NEW(Generator);
    *out = NULL;
    generator->gpu = params->gpu;
    generator->model = params->model;
    generator->vocab = config->vocab;
    generator->batch = params->batch ? params->batch : 1;
    uint32_t usual = config->context < DEFAULT_CONTEXT ? config->context : DEFAULT_CONTEXT;
    generator->context = params->context ? params->context : usual;
    uint32_t rows = params->prompt_rows ? params->prompt_rows : DEFAULT_PROMPT_ROWS;
    if (rows < generator->batch)
        rows = generator->batch;
    generator->prompt_rows = rows < generator->context ? rows : generator->context;
    tmb_status status = TMB_OK;
    if (generator->context > config->context) {
        status = fail(TMB_USAGE, "a context of %u tokens is more than the model's %u",
                      generator->context, config->context);
        goto done;
    }
    generator->slots = MEM_NEW_ARRAY(Slot, generator->batch);
    for (uint32_t i = 0; i < generator->batch; i++) {
        generator->slots[i].held = MEM_NEW_ARRAY(uint32_t, generator->context);
        generator->slots[i].request = NO_REQUEST;
    }
    generator->logits = mem_try((size_t)generator->prompt_rows * generator->vocab, sizeof(float));
    generator->sampler = sampler_create(generator->vocab);
    if (!generator->logits)
        status = fail(TMB_OUT_OF_HOST, "no memory for the logits of %u rows", generator->prompt_rows);
    else
        status = create_stages(generator, params);
done:
    if (status != TMB_OK)
        generator_destroy(&generator);
    *out = generator;
    return status;
}

void generator_destroy(Generator **address)
{
    Generator *generator = *address;
    if (!generator)
        return;
    stage_finish(&generator->prefill);
    stage_finish(&generator->decode);
    store_destroy(&generator->store);
    for (uint32_t i = 0; generator->slots && i < generator->batch; i++)
        free(generator->slots[i].held);
    free(generator->slots);
    free(generator->logits);
    sampler_destroy(&generator->sampler);
    free(generator);
    *address = NULL;
}

Store *generator_store(Generator *generator)
{
    return generator->store;
}

/* ---- running ------------------------------------------------------------ */

static uint32_t shared_prefix(const Slot *slot, const uint32_t *prompt, uint32_t count)
{
    uint32_t same = 0;
    while (same < slot->held_count && same < count && slot->held[same] == prompt[same])
        same++;
    return same;
}

/* Reads prompt[from, count) into the slot; the last `wanted` rows give logits, which
 * must all lie in the last block. */
static tmb_status read_prompt(Generator *generator, uint32_t slot_index, const uint32_t *prompt,
                              uint32_t from, uint32_t count, uint32_t wanted)
{
    Slot *slot = &generator->slots[slot_index];
    Stage *stage = &generator->prefill;
    /* short first block, full ones after it: so the last block always holds `wanted` rows */
    uint32_t block = (count - from) % generator->prompt_rows;
    if (!block)
        block = generator->prompt_rows;
    for (uint32_t at = from; at < count; block = generator->prompt_rows) {
        uint32_t end = at + block < count ? at + block : count;
        for (; at < end; at++) {
            slot->held[at] = prompt[at];
            stage_add(generator, stage, slot_index, at, prompt[at], at + wanted >= count);
        }
        slot->held_count = at;
        TRY(stage_run(generator, stage));
        if (os_interrupted())
            return fail(TMB_INTERRUPTED, "stopped while reading the prompt");
    }
    return TMB_OK;
}

static bool is_stop(const GenerateParams *params, uint32_t id)
{
    for (uint32_t i = 0; i < params->stop_count; i++)
        if (params->stops[i] == id)
            return true;
    return false;
}

/* Takes the token that these logits give; frees the slot when the reply is complete. */
static void take_token(Generator *generator, const GenerateParams *params, Slot *slot,
                       const float *logits)
{
    GenerateRequest *request = &params->requests[slot->request];
    uint32_t id = sampler_draw(generator->sampler, logits, &request->sampling, &slot->rng);
    bool stop = is_stop(params, id);
    request->ids[request->count++] = id;
    request->ended = stop;
    slot->next = id;
    if (params->on_token)
        params->on_token(params->user, slot->request, id, stop);
    if (stop || request->count >= request->max_tokens || slot->held_count >= generator->context)
        slot->request = NO_REQUEST;
}

static tmb_status start_request(Generator *generator, const GenerateParams *params, uint32_t index)
{
    GenerateRequest *request = &params->requests[index];
    uint32_t best = NO_REQUEST, best_prefix = 0;
    for (uint32_t i = 0; i < generator->batch; i++) {
        if (generator->slots[i].request != NO_REQUEST)
            continue;
        uint32_t prefix = shared_prefix(&generator->slots[i], request->prompt, request->prompt_count);
        if (best == NO_REQUEST || prefix > best_prefix) {
            best = i;
            best_prefix = prefix;
        }
    }
    assert(best != NO_REQUEST);
    Slot *slot = &generator->slots[best];
    /* the last prompt token is always computed: its logits are needed */
    if (best_prefix >= request->prompt_count)
        best_prefix = request->prompt_count - 1;
    slot->held_count = best_prefix;
    slot->request = index;
    rng_init(&slot->rng, request->seed);
    TRY(read_prompt(generator, best, request->prompt, best_prefix, request->prompt_count, 1));
    take_token(generator, params, slot, generator->logits);
    return TMB_OK;
}

/* One more token for every running sequence. */
static tmb_status decode_pass(Generator *generator, const GenerateParams *params)
{
    Stage *stage = &generator->decode;
    for (uint32_t i = 0; i < generator->batch; i++) {
        Slot *slot = &generator->slots[i];
        if (slot->request == NO_REQUEST)
            continue;
        uint32_t position = slot->held_count++;
        slot->held[position] = slot->next;
        stage_add(generator, stage, i, position, slot->next, true);
    }
    TRY(stage_run(generator, stage));
    const float *logits = generator->logits;
    for (uint32_t i = 0; i < generator->batch; i++) {
        Slot *slot = &generator->slots[i];
        if (slot->request == NO_REQUEST)
            continue;
        take_token(generator, params, slot, logits);
        logits += generator->vocab;
    }
    return TMB_OK;
}

static tmb_status check_requests(const Generator *generator, const GenerateParams *params)
{
    for (uint32_t i = 0; i < params->request_count; i++) {
        GenerateRequest *request = &params->requests[i];
        if (!request->prompt_count)
            return fail(TMB_BAD_INPUT, "prompt %u is empty", i + 1);
        if (request->prompt_count >= generator->context)
            return fail(TMB_BAD_INPUT, "prompt %u has %u tokens, the context holds %u with the reply; try a larger --context",
                        i + 1, request->prompt_count, generator->context);
        for (uint32_t t = 0; t < request->prompt_count; t++)
            if (request->prompt[t] >= generator->vocab)
                return fail(TMB_BAD_INPUT, "token %u of prompt %u is not in the vocabulary", t, i + 1);
        if (!request->max_tokens)
            return fail(TMB_USAGE, "a reply of 0 tokens was asked for");
        request->count = 0;
        request->ended = false;
        request->ids = MEM_NEW_ARRAY(uint32_t, request->max_tokens);
    }
    return TMB_OK;
}

static uint32_t running(const Generator *generator)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < generator->batch; i++)
        count += generator->slots[i].request != NO_REQUEST;
    return count;
}

static tmb_status run_all(Generator *generator, const GenerateParams *params)
{
    for (uint32_t next = 0; next < params->request_count || running(generator);) {
        if (next < params->request_count && running(generator) < generator->batch)
            TRY(start_request(generator, params, next++));
        else
            TRY(decode_pass(generator, params));
        if (os_interrupted())
            return fail(TMB_INTERRUPTED, "stopped while answering");
    }
    return TMB_OK;
}

tmb_status generator_run(Generator *generator, const GenerateParams *params)
{
    TRY(check_requests(generator, params));
    tmb_status status = run_all(generator, params);
    /* after a failure the cache's contents are unknown */
    for (uint32_t i = 0; status != TMB_OK && i < generator->batch; i++) {
        generator->slots[i].request = NO_REQUEST;
        generator->slots[i].held_count = 0;
    }
    return status;
}

tmb_status generator_logits(Generator *generator, const uint32_t *prompt, uint32_t prompt_count,
                            uint32_t count, float *logits)
{
    assert(count && count <= prompt_count && count <= GENERATOR_MAX_LOGITS &&
           count <= generator->prompt_rows);
    if (prompt_count > generator->context)
        return fail(TMB_BAD_INPUT, "the prompt has %u tokens, the context holds %u", prompt_count,
                    generator->context);
    generator->slots[0].held_count = 0;
    TRY(read_prompt(generator, 0, prompt, 0, prompt_count, count));
    memcpy(logits, generator->logits, (size_t)count * generator->vocab * sizeof *logits);
    return TMB_OK;
}
