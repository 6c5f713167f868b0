#include "train/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static tmb_status read_config(const char *config_path, RunConfig *out)
{
    char *text;
    size_t bytes;
    *out = (RunConfig){0};
    TRY(os_read_file(config_path, &text, &bytes));
    tmb_status status = run_config_parse(config_path, text, bytes, out);
    if (status)
        run_config_finish(out);
    free(text);
    return status;
}

tmb_status run_read_config(const char *path, RunConfig *out)
{
    char *config_path = os_join(path, "config.json");
    tmb_status status = read_config(config_path, out);
    free(config_path);
    return status;
}

/* What a start that was cut off before config.json may leave behind. */
static bool is_ours(const char *name)
{
    return !strcmp(name, "lock") || !strcmp(name, "adapter") || !strcmp(name, "checkpoints") ||
           !strncmp(name, "config.json", 11);
}

static tmb_status check_empty(const char *path)
{
    char **names;
    size_t count, foreign = 0;
    TRY(os_list(path, &names, &count));
    for (size_t i = 0; i < count; i++)
        foreign += !is_ours(names[i]);
    os_list_free(&names, count);
    if (foreign)
        return fail(TMB_USAGE, "%s exists and is not empty; name a new folder with -o", path);
    return TMB_OK;
}

static tmb_status take(Run *run, bool resume)
{
    if (os_exists(run->path) && !os_is_directory(run->path))
        return fail(TMB_USAGE, "%s is a file; name a new folder with -o", run->path);
    bool frozen = os_exists(run->config_path);
    if (frozen && !resume)
        return fail(TMB_USAGE, "%s already holds a run, which is never overwritten; go on with "
                    "it by --resume or name a new folder with -o", run->path);
    run->created = !os_exists(run->path);
    if (!run->created && !frozen)
        TRY(check_empty(run->path));
    TRY(os_make_directories(run->path));
    char *lock = os_join(run->path, "lock");
    tmb_status status = os_lock(lock, &run->lock);
    free(lock);
    if (status == TMB_BUSY)
        return fail(TMB_BUSY, "%s is in use by another Timbre; wait for it or stop it first",
                    run->path);
    TRY(status);
    run->frozen = os_exists(run->config_path);   /* again: now under the lock */
    if (run->frozen && !resume)
        return fail(TMB_USAGE, "%s already holds a run; go on with it by --resume", run->path);
    return run->frozen ? read_config(run->config_path, &run->config) : TMB_OK;
}

tmb_status run_open(const char *path, bool resume, Run **out)
{
    Run *run = MEM_NEW(Run);
    run->path = mem_string(path);
    run->config_path = os_join(path, "config.json");
    run->metrics_path = os_join(path, "metrics.jsonl");
    run->adapter_path = os_join(path, "adapter");
    run->checkpoint_folder = os_join(path, "checkpoints");
    tmb_status status = take(run, resume);
    if (status)
        run_close(&run);
    *out = run;
    return status;
}

tmb_status run_freeze(Run *run)
{
    TRY(os_make_directories(run->adapter_path));
    TRY(os_make_directories(run->checkpoint_folder));
    char *text = run_config_print(&run->config);
    tmb_status status = os_write_file(run->config_path, text, strlen(text));
    free(text);
    run->frozen = !status;
    return status;
}

static void remove_unused(const Run *run)
{
    static const char *const names[] = {"adapter", "checkpoints", "lock"};
    tmb_status ignored = TMB_OK;   /* best effort */
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *path = os_join(run->path, names[i]);
        ignored = os_remove(path);
        free(path);
    }
    ignored = os_remove(run->path);
    (void)ignored;
}

void run_close(Run **run)
{
    if (!*run)
        return;
    bool unused = (*run)->lock && (*run)->created && !(*run)->frozen;
    char *sentence = mem_string(tmb_last_error());
    bool removing = unused && !os_exists((*run)->config_path);
    if (removing)
        remove_unused(*run);
    /* where an open file cannot be removed (Windows), once more after the lock is released */
    bool again = removing && os_exists((*run)->path);
    os_unlock(&(*run)->lock);
    if (again)
        remove_unused(*run);
    tmb_status restored = unused ? fail(TMB_FAILED, "%s", sentence) : TMB_OK;
    (void)restored;
    free(sentence);
    run_config_finish(&(*run)->config);
    free((*run)->path);
    free((*run)->config_path);
    free((*run)->metrics_path);
    free((*run)->adapter_path);
    free((*run)->checkpoint_folder);
    free(*run);
    *run = NULL;
}
