#ifndef TRAIN_RUN_CONFIG_H
#define TRAIN_RUN_CONFIG_H
/* RUN/config.json: everything that decides the bits of a run, frozen before its
 * first step. One table in run_config.c names each field once; writing and reading
 * follow from it. */

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct StringList {
    char **items;
    size_t count;
} StringList;

void string_list_add(StringList *list, const char *text);
void string_list_finish(StringList *list);

typedef struct RunConfig {
    uint64_t format;             /* of this file: RUN_FORMAT */
    char *version;               /* of Timbre */
    char *model, *model_sha256;  /* path as given, digest of the file */
    StringList data, data_sha256;
    char *validation;            /* path, share ("0.1") or "" for none */
    char *validation_sha256;     /* of the file, "" for a share */
    char *method;                /* "lora" */
    uint64_t rank;
    double alpha;
    char *targets;               /* "all", or linears with commas between */
    char *initial;               /* adapter the run began from, "" for a fresh draw */
    char *initial_sha256;
    uint64_t seed;               /* < 2^53, as JSON numbers are doubles */
    uint64_t steps;              /* optimizer steps of the whole run, decided once */
    uint64_t step_examples;      /* examples per optimizer step */
    uint64_t row_tokens;
    double learning_rate;
    char *schedule;
    uint64_t warmup_steps;
    double weight_decay, beta1, beta2, epsilon;
    double max_grad_norm;        /* 0: no clipping */
    uint64_t eval_every;         /* steps; 0: never */
    uint64_t patience;           /* evaluations without a new best; 0: never stop early */
    uint64_t checkpoint_every;   /* steps; 0: by the clock */
    double max_seconds;          /* what `steps` was chosen for; 0: not by time */
    uint64_t recompute_level, recompute_layers;   /* of the plan */
    char *device, *driver;
    StringList kernels;          /* "family: row constant…" as chosen (graph/frozen.h) */
} RunConfig;

/* the file in RUN/adapter/: GGUF-LoRA (train/adapter.h) */
#define RUN_ADAPTER "adapter.gguf"

enum { RUN_FORMAT = 1 };

/* JSON text of a config, malloc'd. */
char *run_config_print(const RunConfig *config);
/* The same without paths: files may move, what they hold is named by digests. */
char *run_config_identity(const RunConfig *config);
/* Fills *out from JSON; `path` is for messages. A missing field, one of the wrong
 * kind or beyond what a run can have is TMB_BAD_INPUT, a newer format TMB_UNSUPPORTED. Call
 * run_config_finish in every case. */
TMB_MUST_USE tmb_status run_config_parse(const char *path, const char *json, size_t bytes,
                                         RunConfig *out);
void run_config_finish(RunConfig *config);

#endif
