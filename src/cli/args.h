#ifndef CLI_ARGS_H
#define CLI_ARGS_H
/* One table of commands and one of options: parsing, help, completions and
 * docs/commands.md all come from them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "timbre/status.h"

enum { CLI_MAX_POSITIONAL = 64 };

/* Everything a command line can say; zero where it said nothing. */
typedef struct CliArgs {
    const char *command;
    const char *positional[CLI_MAX_POSITIONAL];
    size_t positional_count;
    /* global */
    const char *device, *caps;
    uint64_t vram;
    bool json, quiet, profile, validate, retune, help, version;
    /* train, fit */
    const char *output, *validation, *method, *schedule, *targets, *initial;
    double epochs, learning_rate, warmup, weight_decay, clip, alpha, minutes;
    uint64_t steps, eval_every, checkpoint_every, seed;
    uint64_t rank, step_examples, row_tokens, patience;
    bool resume, dry_run;
    /* eval */
    uint64_t window, limit;
    bool by_line;
    const char *bos;
    /* generate, chat, eval, export */
    const char *adapter, *file, *system, *to, *base;
    double temperature, top_p;
    uint64_t top_k, max_tokens, context, batch;
    /* tokenize */
    bool ids, special;
    /* doctor */
    const char *report;
    /* options said on the command line, by their place in cli_options */
    uint64_t given;
} CliArgs;

enum {
    CMD_GLOBAL = 0,
    CMD_DEVICES = 1u << 0,
    CMD_FIT = 1u << 1,
    CMD_INSPECT = 1u << 2,
    CMD_TOKENIZE = 1u << 3,
    CMD_DATA = 1u << 4,
    CMD_TRAIN = 1u << 5,
    CMD_EVAL = 1u << 6,
    CMD_GENERATE = 1u << 7,
    CMD_CHAT = 1u << 8,
    CMD_EXPORT = 1u << 9,
    CMD_HELP = 1u << 10,
    CMD_DOCTOR = 1u << 11,
};

typedef struct CliCommand {
    const char *name;
    uint32_t bit;
    const char *synopsis;      /* after the name */
    const char *summary;       /* one line */
    size_t least, most;        /* positional arguments */
    tmb_status (*run)(const CliArgs *args);
} CliCommand;

extern const CliCommand cli_commands[];
extern const size_t cli_command_count;
const CliCommand *cli_command(const char *name);

typedef enum CliKind { CLI_FLAG, CLI_TEXT, CLI_COUNT, CLI_NUMBER, CLI_BYTES } CliKind;

typedef struct CliOption {
    const char *name;          /* with the dashes */
    const char *value;         /* name of the value in help; NULL for flags */
    CliKind kind;
    size_t offset;             /* into CliArgs */
    uint32_t commands;         /* CMD_… bits; CMD_GLOBAL: all */
    double least, most;        /* CLI_COUNT, CLI_NUMBER: accepted range */
    const char *help;
} CliOption;

extern const CliOption cli_options[];
extern const size_t cli_option_count;

/* TMB_USAGE with one sentence, the nearest name included. */
TMB_MUST_USE tmb_status cli_parse(int argc, char **argv, CliArgs *out);
/* TMB_USAGE with the nearest command there is. */
TMB_MUST_USE tmb_status cli_unknown_command(const char *word);
/* Whether the option (with its dashes) was said. */
bool cli_given(const CliArgs *args, const char *option);

/* The journey in a few lines; help of one command; the whole reference as Markdown. */
void cli_print_journey(FILE *to);
void cli_print_help(FILE *to, const CliCommand *command);
void cli_print_markdown(FILE *to);
void cli_print_completions(FILE *to);

/* The closest candidate by edit distance, NULL when none is near. */
const char *cli_nearest(const char *word, const char *const *candidates, size_t count);

#endif
