/* A session's state, copied: into main memory, and into files for use and for going on. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/adapter.h"
#include "train/session.h"

static const struct {
    TensorLife life;
    const char *name;
} regions[] = {{LIFE_PARAMETER, "value"}, {LIFE_MOMENT1, "moment1"}, {LIFE_MOMENT2, "moment2"}};

/* ---- sections ----------------------------------------------------------- */

/* Section i holds parameter i / 3 of region i % 3. */
static const Parameter *section_parameter(const Session *session, size_t index)
{
    return &lora_parameters(session->lora)->items[index / COUNT_OF(regions)];
}

static uint64_t section_bytes(const Parameter *parameter)
{
    return parameter->rows * parameter->cols * sizeof(float);
}

static CheckpointSection *make_sections(const Parameters *parameters, size_t *count)
{
    *count = COUNT_OF(regions) * (size_t)parameters->count;
    CheckpointSection *sections = MEM_NEW_ARRAY(CheckpointSection, *count);
    for (size_t i = 0; i < *count; i++) {
        const Parameter *parameter = &parameters->items[i / COUNT_OF(regions)];
        sections[i].bytes = section_bytes(parameter);
        snprintf(sections[i].name, sizeof sections[i].name, "%s/%s", parameter->name,
                 regions[i % COUNT_OF(regions)].name);
    }
    return sections;
}

static tmb_status get_section(Session *session, size_t index, float *values)
{
    return store_get(engine_store(session->engine), regions[index % COUNT_OF(regions)].life,
                     section_parameter(session, index), values);
}

static tmb_status set_section(Session *session, size_t index, const float *values)
{
    return store_set(engine_store(session->engine), regions[index % COUNT_OF(regions)].life,
                     section_parameter(session, index), values);
}

static float *largest_parameter(const Parameters *parameters)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < parameters->count; i++)
        if (section_bytes(&parameters->items[i]) > most)
            most = section_bytes(&parameters->items[i]);
    return mem_new((size_t)most, 1);
}

static void config_digest(const Run *run, unsigned char digest[SHA256_BYTES])
{
    Sha256 hash;
    char *text = run_config_identity(&run->config);
    sha256_init(&hash);
    sha256_update(&hash, text, strlen(text));
    sha256_final(&hash, digest);
    free(text);
}

/* The parts of the state that others keep up to date. */
static void complete_state(Session *session)
{
    CheckpointState *state = &session->state;
    state->epoch = session->order.epoch;
    state->position = session->order.position;
    memcpy(state->rng, session->order.rng.state, sizeof state->rng);
    state->metrics_bytes = os_file_bytes(session->run->metrics_path);
    config_digest(session->run, state->config);
}

static void put_state(Session *session, const CheckpointState *state)
{
    Rng rng;
    memcpy(rng.state, state->rng, sizeof rng.state);
    session->state = *state;
    order_restore(&session->order, state->epoch, (uint32_t)state->position, &rng);
}

/* ---- in main memory ----------------------------------------------------- */

void session_snapshot_init(Session *session)
{
    Snapshot *snapshot = &session->snapshot;
    uint64_t bytes = 0;
    if (snapshot->sections)
        return;
    snapshot->sections = make_sections(lora_parameters(session->lora), &snapshot->count);
    snapshot->offsets = MEM_NEW_ARRAY(uint64_t, snapshot->count + 1);
    for (size_t i = 0; i < snapshot->count; i++) {
        snapshot->offsets[i] = bytes;
        bytes += snapshot->sections[i].bytes;
    }
    /* copies from a card may end half-way, with the card */
    bool mapped = gpu_caps(session->base->gpu)->unified;
    uint64_t room = os_free_memory() / 4;
    if (bytes < room)
        snapshot->values = mem_try((size_t)bytes, 1);
    if (!mapped && bytes < room / 2)
        snapshot->spare = mem_try((size_t)bytes, 1);
}

void session_snapshot_finish(Session *session)
{
    free(session->snapshot.sections);
    free(session->snapshot.offsets);
    free(session->snapshot.values);
    free(session->snapshot.spare);
    session->snapshot = (Snapshot){0};
}

tmb_status session_snapshot(Session *session)
{
    Snapshot *snapshot = &session->snapshot;
    double started = os_seconds();
    complete_state(session);
    if (!snapshot->values)
        return TMB_OK;
    unsigned char *to = snapshot->spare ? snapshot->spare : snapshot->values;
    snapshot->whole &= snapshot->spare != NULL;
    for (size_t i = 0; i < snapshot->count; i++)
        TRY(get_section(session, i, (float *)(void *)(to + snapshot->offsets[i])));
    snapshot->spare = snapshot->spare ? snapshot->values : NULL;
    snapshot->values = to;
    snapshot->state = session->state;
    snapshot->whole = true;
    snapshot->taken_at = os_seconds();
    snapshot->cost = snapshot->taken_at - started;
    session->losses = 0;
    return TMB_OK;
}

tmb_status session_put_snapshot(Session *session)
{
    const Snapshot *snapshot = &session->snapshot;
    for (size_t i = 0; i < snapshot->count; i++)
        TRY(set_section(session, i,
                        (const float *)(const void *)(snapshot->values + snapshot->offsets[i])));
    put_state(session, &snapshot->state);
    return TMB_OK;
}

/* ---- the adapter -------------------------------------------------------- */

static tmb_status read_kept(void *user, uint32_t item, float *values)
{
    const Snapshot *snapshot = user;
    size_t section = item * COUNT_OF(regions);      /* its value, not a moment */
    memcpy(values, snapshot->values + snapshot->offsets[section],
           (size_t)snapshot->sections[section].bytes);
    return TMB_OK;
}

static tmb_status read_live(void *user, uint32_t item, float *values)
{
    return get_section(user, item * COUNT_OF(regions), values);
}

static tmb_status write_adapter(Session *session, AdapterRead read, void *user)
{
    Adapter *adapter;
    TRY(adapter_from(session->base->model, session->base->model_sha256, session->lora, read, user,
                     &adapter));
    char *path = os_join(session->run->adapter_path, RUN_ADAPTER);
    tmb_status status = adapter_save(adapter, path);
    free(path);
    adapter_destroy(&adapter);
    return status;
}

tmb_status session_save_adapter(Session *session)
{
    return write_adapter(session, read_live, session);
}

/* ---- checkpoints -------------------------------------------------------- */

/* Gives the sections' bytes: from the snapshot, or from the device where there is none. */
typedef struct Reader {
    Session *session;
    float *values;           /* of the section held; NULL: from the snapshot */
    size_t held;             /* index + 1, 0: none */
} Reader;

static tmb_status read_section(void *user, size_t index, uint64_t offset, void *to,
                               uint64_t bytes)
{
    Reader *reader = user;
    const Snapshot *snapshot = &reader->session->snapshot;
    if (!reader->values) {
        memcpy(to, snapshot->values + snapshot->offsets[index] + offset, (size_t)bytes);
        return TMB_OK;
    }
    if (reader->held != index + 1)
        TRY(get_section(reader->session, index, reader->values));
    reader->held = index + 1;
    memcpy(to, (const char *)reader->values + offset, (size_t)bytes);
    return TMB_OK;
}

static tmb_status write_checkpoint(Session *session, const CheckpointState *state)
{
    const Run *run = session->run;
    const Snapshot *snapshot = &session->snapshot;
    Reader reader = {.session = session};
    if (!snapshot->whole)
        reader.values = largest_parameter(lora_parameters(session->lora));
    char *path = checkpoint_path(run->checkpoint_folder, state->step);
    tmb_status status = checkpoint_write(path, state, snapshot->sections, snapshot->count,
                                         read_section, &reader);
    if (!status)
        status = checkpoint_prune(run->checkpoint_folder, 2, state->step);
    free(path);
    free(reader.values);
    TRY(status);
    session->saved_at = os_seconds();
    session->saved_step = state->step;
    session->losses = 0;
    if (session->params->on_event) {
        TrainEvent event = {.kind = TRAIN_EVENT_CHECKPOINT, .step = state->step,
                            .steps = run->config.steps};
        session->params->on_event(session->params->user, &event);
    }
    return TMB_OK;
}

tmb_status session_save(Session *session)
{
    if (session->saved_step == session->state.step && session->state.step)
        return TMB_OK;
    TRY(session_snapshot(session));
    return write_checkpoint(session, &session->state);
}

tmb_status session_keep_snapshot(Session *session)
{
    Snapshot *snapshot = &session->snapshot;
    if (!snapshot->whole || snapshot->state.step <= session->saved_step)
        return TMB_OK;
    if (!snapshot->state.best_step)     /* no held-out data says which adapter is the best */
        TRY(write_adapter(session, read_kept, snapshot));
    return write_checkpoint(session, &snapshot->state);
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
        status = set_section(session, i, values);
    }
    free(values);
    TRY(status);
    session->saved_step = state->step;
    put_state(session, state);
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
    return checkpoint_prune(run->checkpoint_folder, 2, session->state.step);
}

/* ---- room on the disk --------------------------------------------------- */

static uint64_t files_in(const char *folder)
{
    char **names;
    size_t count;
    if (!os_is_directory(folder) || os_list(folder, &names, &count) != TMB_OK)
        return 0;
    os_list_free(&names, count);
    return count;
}

/* How many more files there will be at once: at most `most`, with a new one beside the kept ones
 * until it is complete. */
static uint64_t more_files(uint64_t present, uint64_t saves, uint64_t most)
{
    uint64_t files = present + saves < most ? present + saves : most;
    return files > present ? files - present : 0;
}

tmb_status session_check_disk(const Session *session)
{
    enum { REST = 64 * 1024 };       /* config.json, metrics.jsonl, the adapter's own header */
    const Run *run = session->run;
    const Snapshot *snapshot = &session->snapshot;
    uint64_t steps = run->config.steps - session->state.step, every = run->config.checkpoint_every;
    uint64_t saves = every ? (steps + every - 1) / every : steps;
    uint64_t checkpoint = checkpoint_bytes(snapshot->sections, snapshot->count);
    if (!steps || session->state.stopped)
        return TMB_OK;
    uint64_t needed = more_files(files_in(run->checkpoint_folder), saves, 3) * checkpoint +
                      more_files(files_in(run->adapter_path), saves, 2) * (checkpoint / 3) + REST;
    uint64_t available = os_free_disk(run->path);
    if (available >= needed)
        return TMB_OK;
    return fail(TMB_IO, "%s: its disk has %.1f MB left, and the run will need %.1f MB (checkpoints of "
                "%.1f MB); make room%s", run->path, (double)available * 1e-6, (double)needed * 1e-6,
                (double)checkpoint * 1e-6,
                session->state.step ? " and go on with --resume"
                                    : ", name another place with -o, or lower --rank");
}
