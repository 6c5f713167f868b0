#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H
/* One file that holds a whole training state, complete or not there at all:
 *
 *     "TMBCKPT1" · CheckpointState · u64 sections · {u64 bytes, name[120]} each ·
 *     the sections' bytes one after the other · SHA-256 of all before it
 *
 * Little-endian. Written beside its place, fsynced and renamed (OsReplace), so a crash
 * or a full disk leaves the older ones; the digest tells a damaged one at opening. */

#include <stddef.h>
#include <stdint.h>

#include "base/os.h"
#include "base/sha256.h"
#include "base/status.h"

/* All fields are 8 bytes wide: no padding, one layout everywhere. */
typedef struct CheckpointState {
    uint64_t step;               /* optimizer steps done */
    uint64_t epoch, position;    /* data cursor: examples taken from the epoch's order */
    uint64_t rng[4];             /* state of the generator that orders the next epochs */
    double best;                 /* lowest held-out loss so far; infinite before the first */
    uint64_t best_step;
    uint64_t worse;              /* evaluations since the best one */
    uint64_t metrics_bytes;      /* length of metrics.jsonl at this step */
    uint64_t tokens, supervised; /* processed so far */
    double seconds;              /* of training so far */
    double first_loss, last_loss;
    uint64_t stopped;            /* 1: ended early by patience */
    unsigned char config[SHA256_BYTES];   /* digest of config.json without its paths */
} CheckpointState;

enum { CHECKPOINT_NAME_BYTES = 120 };

typedef struct CheckpointSection {
    uint64_t bytes;
    char name[CHECKPOINT_NAME_BYTES];     /* "lora.blk.0.attn_q.weight.a/m" */
} CheckpointSection;

/* Gives bytes [offset, offset + bytes) of section `index`. */
typedef tmb_status (*CheckpointRead)(void *user, size_t index, uint64_t offset, void *to,
                                     uint64_t bytes);

TMB_MUST_USE tmb_status checkpoint_write(const char *path, const CheckpointState *state,
                                         const CheckpointSection *sections, size_t count,
                                         CheckpointRead read, void *user);

/* Bytes of the file that checkpoint_write makes of these sections. */
uint64_t checkpoint_bytes(const CheckpointSection *sections, size_t count);

typedef struct Checkpoint {
    CheckpointState state;
    CheckpointSection *sections;
    const unsigned char **data;           /* of each section, inside the map */
    size_t count;
    char *path;
    OsMap map;
} Checkpoint;

/* Opens and proves a file; TMB_BAD_INPUT when a byte of it is wrong or missing. */
TMB_MUST_USE tmb_status checkpoint_open(const char *path, Checkpoint **out);
void checkpoint_close(Checkpoint **checkpoint);

/* RUN/checkpoints/step-00000012.ckpt; malloc'd. */
char *checkpoint_path(const char *folder, uint64_t step);
/* The newest whole checkpoint of a folder: damaged ones are passed over, each told of in
 * *notes (malloc'd lines, NULL when there are none). *out is NULL when no whole one exists. */
TMB_MUST_USE tmb_status checkpoint_latest(const char *folder, Checkpoint **out, char **notes);
/* Removes all but the newest `keep` of the steps up to `newest`, with those beyond it
 * (damaged ones, when a run goes on from an older) and left-over temporary files. */
TMB_MUST_USE tmb_status checkpoint_prune(const char *folder, size_t keep, uint64_t newest);

#endif
