#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H
/* The RUN folder: everything of one run, never overwritten, locked while in use.
 *
 *     config.json      everything that decides the bits, frozen before the first step
 *     metrics.jsonl    one line a step, one a held-out evaluation
 *     samples.jsonl    a few held-out prompts answered at the end, when that is cheap
 *     adapter/         the best adapter so far (without held-out data: the latest)
 *     checkpoints/     the last two training states
 *     lock */

#include <stdbool.h>
#include <stdint.h>

#include "base/os.h"
#include "base/status.h"
#include "train/run_config.h"

typedef struct Run {
    char *path;
    char *config_path, *metrics_path, *adapter_path, *checkpoint_folder;
    OsLock *lock;
    RunConfig config;
    bool frozen;        /* config.json exists */
    bool created;       /* this process made the folder */
    bool moved;         /* paths in config differ from config.json: files were moved */
} Run;

/* Makes or opens the folder and locks it (TMB_BUSY when another process has it).
 * resume false: a folder that holds anything is TMB_USAGE. resume true: reads its
 * config.json; a folder without one is left unfrozen, and the caller begins anew. */
TMB_MUST_USE tmb_status run_open(const char *path, bool resume, Run **out);
/* Writes run->config as config.json and makes the sub-folders. */
TMB_MUST_USE tmb_status run_freeze(Run *run);
/* Releases everything. A folder made by run_open and never frozen is removed, so a
 * start that fails leaves nothing behind. */
void run_close(Run **run);

/* Only reading, no lock: the config of a finished or running RUN. */
TMB_MUST_USE tmb_status run_read_config(const char *path, RunConfig *out);

#endif
