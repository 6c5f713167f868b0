#include "train/engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { TRAIN, OPTIMIZER, EVALUATE, PROGRAMS };
enum { KERNEL_LINE_BYTES = 256 };

struct Engine {
    EngineParams params;
    EngineFit fit;
    Graph *graphs[PROGRAMS];     /* NULL where this engine does not need one */
    Plan *plans[PROGRAMS];
    PlannedGraph planned[PROGRAMS];
    uint32_t planned_count;
    Store *store;
    Program *programs[PROGRAMS];
    float *norm_squares;
    uint32_t slots;
    char **kernels;
    uint32_t kernel_count;
};

/* ---- planning ----------------------------------------------------------- */

static void drop_graphs(Engine *engine)
{
    for (int i = 0; i < PROGRAMS; i++) {
        plan_destroy(&engine->plans[i]);
        graph_destroy(&engine->graphs[i]);
    }
    engine->planned_count = 0;
}

static tmb_status build_model(Engine *engine, int which, ModelMode mode)
{
    const EngineParams *params = &engine->params;
    const GpuCaps *caps = gpu_caps(params->gpu);
    const bool half = frozen_half(&params->frozen, caps);
    ModelBuild build = {.mode = mode, .row_tokens = params->row_tokens, .lora = params->lora,
                        .recompute = engine->fit.recompute,
                        .recompute_layers = engine->fit.recompute_layers,
                        .range = caps->storage_range, .half = half,
                        .in_tile = frozen_in_tile(&params->frozen, caps, half)};
    return model_build(params->model, &build, &engine->graphs[which]);
}

/* Builds and plans every graph at the level in engine->fit. */
static tmb_status plan_graphs(Engine *engine)
{
    const EngineParams *params = &engine->params;
    drop_graphs(engine);
    if (params->train) {
        TRY(build_model(engine, TRAIN, MODEL_TRAIN));
        engine->graphs[OPTIMIZER] = optimizer_build(lora_parameters(params->lora),
                                                    &params->adamw);
    }
    TRY(build_model(engine, EVALUATE, MODEL_EVAL));
    for (int i = 0; i < PROGRAMS; i++) {
        if (!engine->graphs[i])
            continue;
        TRY(plan_create(engine->graphs[i], gpu_caps(params->gpu), &engine->plans[i]));
        engine->planned[engine->planned_count++] =
            (PlannedGraph){engine->graphs[i], engine->plans[i]};
    }
    engine->fit.totals = plan_totals(engine->planned, engine->planned_count);
    engine->fit.available = gpu_memory(params->gpu).available;
    engine->fit.fits = engine->fit.totals.total <= engine->fit.available;
    return TMB_OK;
}

typedef struct Level {
    uint32_t recompute, layers;
} Level;

enum { LEVELS = 6 };

/* None, norms and activations, then more and more layers from their inputs. */
static Level level_at(const Model *model, size_t index)
{
    uint32_t layers = model_config(model)->layers;
    const Level levels[LEVELS] = {{0, 0}, {1, 0}, {2, (layers + 3) / 4}, {2, (layers + 1) / 2},
                                  {2, (3 * layers + 3) / 4}, {2, 0}};
    return levels[index];
}

/* How much a level recomputes, for comparison. */
static uint64_t level_amount(const Model *model, Level level)
{
    if (level.recompute < 2)
        return level.recompute;
    return 2u + (level.layers ? level.layers : model_config(model)->layers);
}

bool engine_next_level(const Model *model, uint32_t *recompute, uint32_t *recompute_layers)
{
    uint64_t amount = level_amount(model, (Level){*recompute, *recompute_layers});
    for (size_t i = 0; i < LEVELS; i++) {
        Level level = level_at(model, i);
        if (level_amount(model, level) <= amount)
            continue;
        *recompute = level.recompute;
        *recompute_layers = level.layers;
        return true;
    }
    return false;
}

/* The cheapest level of recomputation that fits. */
static tmb_status choose_level(Engine *engine)
{
    const EngineParams *params = &engine->params;
    if (params->recompute >= 0 || !params->train) {
        engine->fit.recompute = params->recompute > 0 ? (uint32_t)params->recompute : 0;
        engine->fit.recompute_layers = params->recompute_layers;
        return plan_graphs(engine);
    }
    /* unified memory is everybody's main memory: level 1 frees a fifth of it for 2 % of the
     * time (SmolLM2-135M, rows of 512: 803 -> 639 MB) */
    for (size_t i = gpu_caps(params->gpu)->unified; i < LEVELS; i++) {
        Level level = level_at(params->model, i);
        engine->fit.recompute = level.recompute;
        engine->fit.recompute_layers = level.layers;
        TRY(plan_graphs(engine));
        if (engine->fit.fits)
            break;
    }
    return TMB_OK;
}

tmb_status engine_fit(const EngineParams *params, EngineFit *out)
{
    Engine engine = {.params = *params};
    tmb_status status = choose_level(&engine);
    *out = engine.fit;
    drop_graphs(&engine);
    return status;
}

/* ---- life --------------------------------------------------------------- */

static void note_kernel(Engine *engine, const char *name)
{
    for (uint32_t i = 0; i < engine->kernel_count; i++)
        if (!strcmp(engine->kernels[i], name))
            return;
    engine->kernels = mem_grow(engine->kernels, engine->kernel_count + 1u,
                               sizeof *engine->kernels);
    engine->kernels[engine->kernel_count++] = mem_string(name);
}

static tmb_status compile(Engine *engine)
{
    for (int i = 0; i < PROGRAMS; i++) {
        if (!engine->graphs[i])
            continue;
        PlannedGraph planned = {engine->graphs[i], engine->plans[i]};
        TRY(program_create_frozen(engine->params.gpu, &planned, engine->store,
                                  &engine->params.frozen, &engine->programs[i]));
        for (uint32_t k = 0; k < program_count(engine->programs[i]); k++) {
            char line[KERNEL_LINE_BYTES];
            program_kernel(engine->programs[i], k, line, sizeof line);
            if (*line)
                note_kernel(engine, line);
        }
    }
    if (!engine->params.train)
        return TMB_OK;
    const Parameters *parameters = lora_parameters(engine->params.lora);
    engine->slots = optimizer_slots(parameters);
    engine->norm_squares = MEM_NEW_ARRAY(float, engine->slots);
    uint32_t *table = MEM_NEW_ARRAY(uint32_t, 2 * (size_t)engine->slots);
    optimizer_table(parameters, table);
    tmb_status status = program_write(engine->programs[OPTIMIZER], "norm_table", table,
                                      2 * (uint64_t)engine->slots * sizeof *table);
    free(table);
    return status;
}

static tmb_status allocate(Engine *engine)
{
    TRY(store_create(engine->params.gpu, engine->planned, engine->planned_count,
                     &engine->store));
    TRY(model_upload(engine->params.model, engine->store));
    return compile(engine);
}

static void drop_device_side(Engine *engine)
{
    for (int i = 0; i < PROGRAMS; i++)
        program_destroy(&engine->programs[i]);
    store_destroy(&engine->store);
    for (uint32_t i = 0; i < engine->kernel_count; i++)
        free(engine->kernels[i]);
    free(engine->kernels);
    free(engine->norm_squares);
    engine->kernels = NULL;
    engine->kernel_count = 0;
    engine->norm_squares = NULL;
}

static tmb_status set_up(Engine *engine)
{
    EngineFit *fit = &engine->fit;
    TRY(choose_level(engine));
    if (!fit->fits)
        return fail(TMB_OUT_OF_DEVICE, "this needs %.1f MB of device memory (%.1f for work), "
                    "%.1f are free; try --row-tokens %u or a larger --vram",
                    (double)fit->totals.total * 1e-6, (double)fit->totals.work * 1e-6,
                    (double)fit->available * 1e-6, engine->params.row_tokens / 2);
    tmb_status status = allocate(engine);
    /* what the driver promised it may not have: other programs took it, or it is in pieces */
    while (status == TMB_OUT_OF_DEVICE && engine->params.train &&
           engine_next_level(engine->params.model, &fit->recompute, &fit->recompute_layers)) {
        drop_device_side(engine);
        fit->raised = true;
        TRY(plan_graphs(engine));
        status = allocate(engine);
    }
    return status;
}

tmb_status engine_create(const EngineParams *params, Engine **out)
{
    Engine *engine = MEM_NEW(Engine);
    engine->params = *params;
    tmb_status status = set_up(engine);
    if (status)
        engine_destroy(&engine);
    *out = engine;
    return status;
}

void engine_destroy(Engine **engine)
{
    if (!*engine)
        return;
    drop_device_side(*engine);
    drop_graphs(*engine);
    free(*engine);
    *engine = NULL;
}

Store *engine_store(Engine *engine)
{
    return engine->store;
}

const EngineFit *engine_plan(const Engine *engine)
{
    return &engine->fit;
}

const char *const *engine_kernels(const Engine *engine, uint32_t *count)
{
    *count = engine->kernel_count;
    return (const char *const *)engine->kernels;
}

/* ---- work --------------------------------------------------------------- */

static tmb_status write_row(Program *program, const BatchRow *row, bool train)
{
    uint64_t rows = (uint64_t)row->rows * sizeof(uint32_t);
    uint64_t labels = (uint64_t)row->labels * sizeof(uint32_t);
    TRY(program_write(program, "tokens", row->tokens, rows));
    TRY(program_write(program, "positions", row->positions, rows));
    TRY(program_write(program, "span", row->span, 2 * rows));
    TRY(program_write(program, "label_rows", row->label_rows, labels));
    TRY(program_write(program, "labels", row->label_ids, labels));
    if (!train)
        return TMB_OK;
    TRY(program_write(program, "label_weights", row->label_weights, labels));
    return program_write(program, "last", row->last, rows);
}

static Values row_values(const BatchRow *row, double loss_scale)
{
    Values values = {{0}};
    values.at[VALUE_ROWS] = row->rows;
    values.at[VALUE_LABELS] = row->labels;
    values.at[VALUE_LOSS_SCALE] = loss_scale;
    return values;
}

double engine_flops(const Engine *engine, const BatchRow *row, bool train)
{
    Values values = row_values(row, 1);
    return program_flops(engine->programs[train ? TRAIN : EVALUATE], &values);
}

static tmb_status run_row(Program *program, const BatchRow *row, bool train, double loss_scale,
                          float *losses)
{
    if (!row->labels)
        return TMB_OK;      /* nothing to learn from or to score */
    TRY(write_row(program, row, train));
    Values values = row_values(row, loss_scale);
    TRY(program_run(program, &values));
    return program_read(program, "losses", losses, (uint64_t)row->labels * sizeof *losses);
}

tmb_status engine_begin(Engine *engine)
{
    return store_clear(engine->store, LIFE_GRADIENT);
}

tmb_status engine_row(Engine *engine, const BatchRow *row, double loss_scale, float *losses)
{
    return run_row(engine->programs[TRAIN], row, true, loss_scale, losses);
}

tmb_status engine_evaluate(Engine *engine, const BatchRow *row, float *losses)
{
    return run_row(engine->programs[EVALUATE], row, false, 0, losses);
}

/* The first parameter whose gradient's sum of squares is not finite. */
static tmb_status find_culprit(Engine *engine, EngineUpdate *update)
{
    const Parameters *parameters = lora_parameters(engine->params.lora);
    TRY(program_read(engine->programs[OPTIMIZER], "norm_squares", engine->norm_squares,
                     engine->slots * sizeof *engine->norm_squares));
    for (uint32_t i = 0; i < parameters->count && !update->culprit; i++) {
        const float *squares = engine->norm_squares + optimizer_slot(parameters, i);
        for (uint32_t s = 0; s < optimizer_slot_count(parameters, i); s++)
            if (!isfinite(squares[s]))
                update->culprit = parameters->items[i].name;
    }
    return TMB_OK;
}

tmb_status engine_update(Engine *engine, EngineUpdate *update)
{
    const AdamwParams *adamw = &engine->params.adamw;
    double beta1 = adamw->beta1 ? (double)adamw->beta1 : 0.9;
    double beta2 = adamw->beta2 ? (double)adamw->beta2 : 0.999;
    Program *program = engine->programs[OPTIMIZER];
    float control[4];
    Values values = {{0}};
    values.at[VALUE_LEARNING_RATE] = update->learning_rate;
    values.at[VALUE_WEIGHT_DECAY] = update->weight_decay;
    values.at[VALUE_CORRECTION1] = 1 - pow(beta1, (double)update->step);
    values.at[VALUE_CORRECTION2] = 1 - pow(beta2, (double)update->step);
    values.at[VALUE_MAX_NORM] = update->max_norm;
    TRY(program_run(program, &values));
    TRY(program_read(program, "control", control, sizeof control));
    update->norm = (double)control[0];
    update->finite = control[2] != 0;
    update->culprit = NULL;
    return update->finite ? TMB_OK : find_culprit(engine, update);
}
