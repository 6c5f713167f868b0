/* A session's state on disk: the adapter for use, checkpoints for going on. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/adapter.h"
#include "train/metrics.h"
#include "train/session.h"

static const struct {
    TensorLife life;
    const char *name;
} regions[] = {{LIFE_PARAMETER, "value"}, {LIFE_MOMENT1, "moment1"}, {LIFE_MOMENT2, "moment2"}};

tmb_status session_save_adapter(Session *session)
{
    Adapter *adapter;
    TRY(adapter_from_store(session->base->model, session->base->model_sha256, session->lora,
                           engine_store(session->engine), &adapter));
    char *path = os_join(session->run->adapter_path, RUN_ADAPTER);
    tmb_status status = adapter_save(adapter, path);
    free(path);
    adapter_destroy(&adapter);
    return status;
}

/* ---- checkpoints -------------------------------------------------------- */

/* Section i holds parameter i / 3 of region i % 3. */
static uint64_t parameter_bytes(const Parameter *parameter)
{
    return parameter->rows * parameter->cols * sizeof(float);
}

static CheckpointSection *make_sections(const Parameters *parameters, size_t *count)
{
    *count = COUNT_OF(regions) * (size_t)parameters->count;
    CheckpointSection *sections = MEM_NEW_ARRAY(CheckpointSection, *count);
    for (size_t i = 0; i < *count; i++) {
        const Parameter *parameter = &parameters->items[i / COUNT_OF(regions)];
        sections[i].bytes = parameter_bytes(parameter);
        snprintf(sections[i].name, sizeof sections[i].name, "%s/%s", parameter->name,
                 regions[i % COUNT_OF(regions)].name);
    }
    return sections;
}

typedef struct Reader {
    const Parameters *parameters;
    Store *store;
    float *values;           /* of the section held */
    size_t held;             /* index + 1, 0: none */
} Reader;

static tmb_status read_section(void *user, size_t index, uint64_t offset, void *to,
                               uint64_t bytes)
{
    Reader *reader = user;
    if (reader->held != index + 1) {
        const Parameter *parameter = &reader->parameters->items[index / COUNT_OF(regions)];
        TRY(store_get(reader->store, regions[index % COUNT_OF(regions)].life, parameter,
                      reader->values));
        reader->held = index + 1;
    }
    memcpy(to, (const char *)reader->values + offset, (size_t)bytes);
    return TMB_OK;
}

static float *largest_parameter(const Parameters *parameters)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < parameters->count; i++)
        if (parameter_bytes(&parameters->items[i]) > most)
            most = parameter_bytes(&parameters->items[i]);
    return mem_new((size_t)most, 1);
}

static void config_digest(const Run *run, unsigned char digest[SHA256_BYTES])
{
    Sha256 hash;
    char *text = run_config_print(&run->config);
    sha256_init(&hash);
    sha256_update(&hash, text, strlen(text));
    sha256_final(&hash, digest);
    free(text);
}

tmb_status session_save(Session *session)
{
    CheckpointState *state = &session->state;
    const Run *run = session->run;
    if (session->saved_step == state->step && state->step)
        return TMB_OK;
    state->epoch = session->order.epoch;
    state->position = session->order.position;
    memcpy(state->rng, session->order.rng.state, sizeof state->rng);
    state->metrics_bytes = os_file_bytes(run->metrics_path);
    config_digest(run, state->config);

    const Parameters *parameters = lora_parameters(session->lora);
    Reader reader = {parameters, engine_store(session->engine), largest_parameter(parameters), 0};
    size_t count;
    CheckpointSection *sections = make_sections(parameters, &count);
    char *path = checkpoint_path(run->checkpoint_folder, state->step);
    tmb_status status = checkpoint_write(path, state, sections, count, read_section, &reader);
    if (!status)
        status = checkpoint_prune(run->checkpoint_folder, 2, state->step);
    free(path);
    free(sections);
    free(reader.values);
    TRY(status);
    session->saved_at = os_seconds();
    session->saved_step = state->step;
    if (session->params->on_event) {
        TrainEvent event = {.kind = TRAIN_EVENT_CHECKPOINT, .step = state->step,
                            .steps = run->config.steps};
        session->params->on_event(session->params->user, &event);
    }
    return TMB_OK;
}

static tmb_status foreign(const Checkpoint *checkpoint, const char *why)
{
    return fail(TMB_BAD_INPUT, "%s does not belong to this run (%s); was a file moved or edited?",
                checkpoint->path, why);
}

static tmb_status put_back(Session *session, const Checkpoint *checkpoint)
{
    const Parameters *parameters = lora_parameters(session->lora);
    const CheckpointState *state = &checkpoint->state;
    unsigned char digest[SHA256_BYTES];
    size_t count;
    config_digest(session->run, digest);
    if (memcmp(digest, state->config, sizeof digest))
        return foreign(checkpoint, "config.json differs");
    CheckpointSection *sections = make_sections(parameters, &count);
    bool same = count == checkpoint->count &&
                !memcmp(sections, checkpoint->sections, count * sizeof *sections);
    free(sections);
    if (!same || state->step > session->run->config.steps)
        return foreign(checkpoint, "its tensors differ");
    float *values = largest_parameter(parameters);   /* the map is not aligned for floats */
    tmb_status status = TMB_OK;
    for (size_t i = 0; i < count && !status; i++) {
        memcpy(values, checkpoint->data[i], (size_t)checkpoint->sections[i].bytes);
        status = store_set(engine_store(session->engine), regions[i % COUNT_OF(regions)].life,
                           &parameters->items[i / COUNT_OF(regions)], values);
    }
    free(values);
    TRY(status);
    Rng rng;
    memcpy(rng.state, state->rng, sizeof rng.state);
    session->state = *state;
    session->saved_step = state->step;
    order_restore(&session->order, state->epoch, (uint32_t)state->position, &rng);
    return TMB_OK;
}

tmb_status session_restore(Session *session)
{
    const Run *run = session->run;
    Checkpoint *checkpoint;
    char *notes;
    TRY(checkpoint_latest(run->checkpoint_folder, &checkpoint, &notes));
    if (notes)
        session_note(session, "%s", notes);
    free(notes);
    tmb_status status = checkpoint ? put_back(session, checkpoint) : TMB_OK;
    checkpoint_close(&checkpoint);
    TRY(status);
    if (os_exists(run->metrics_path))
        TRY(metrics_cut(run->metrics_path, session->state.metrics_bytes));
    TRY(checkpoint_prune(run->checkpoint_folder, 2, session->state.step));
    if (session->state.step)
        session_note(session, "going on after step %" PRIu64 " of %" PRIu64, session->state.step,
                     run->config.steps);
    else
        session_note(session, "no checkpoint yet: beginning from the start");
    return TMB_OK;
}
