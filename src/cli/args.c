#include "cli/args.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

static size_t smallest(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 40 };
    size_t rows = strlen(a), cols = strlen(b);
    if (rows > LONGEST || cols > LONGEST)
        return LONGEST;
    size_t cost[LONGEST + 1];
    for (size_t j = 0; j <= cols; j++)
        cost[j] = j;
    for (size_t i = 1; i <= rows; i++) {
        size_t diagonal = cost[0];
        cost[0] = i;
        for (size_t j = 1; j <= cols; j++) {
            size_t above = cost[j];
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            cost[j] = smallest(changed, smallest(above, cost[j - 1]) + 1);
            diagonal = above;
        }
    }
    return cost[cols];
}

const char *cli_nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 2 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, candidates[i]);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidates[i];
        }
    }
    return best;
}

static bool applies(const CliOption *option, const CliCommand *command)
{
    return option->commands == CMD_GLOBAL || (command && option->commands & command->bit);
}

/* What other programs call it. */
static const char *elsewhere(const char *name)
{
    static const struct {
        const char *there, *here;
    } names[] = {
        {"learning-rate", "--lr"}, {"batch-size", "--step-examples"},
        {"per-device-train-batch-size", "--step-examples"}, {"num-epochs", "--epochs"},
        {"num-train-epochs", "--epochs"}, {"max-steps", "--steps"}, {"iters", "--steps"},
        {"lora-rank", "--rank"}, {"lora-r", "--rank"}, {"lora-alpha", "--alpha"},
        {"target-modules", "--targets"},
        {"lr-scheduler", "--schedule"}, {"lr-scheduler-type", "--schedule"},
        {"warmup-ratio", "--warmup"}, {"warmup-steps", "--warmup"},
        {"max-length", "--row-tokens"}, {"max-seq-length", "--row-tokens"},
        {"max-seq-len", "--row-tokens"}, {"block-size", "--row-tokens"},
        {"max-grad-norm", "--clip"}, {"validation", "--val"}, {"valid", "--val"},
        {"eval-steps", "--eval-every"}, {"save-steps", "--checkpoint-every"},
        {"save-every", "--checkpoint-every"}, {"output-dir", "--output"},
        {"lora", "--adapter"}, {"adapter-path", "--adapter"}, {"temp", "--temperature"},
        {"n-predict", "--max-tokens"}, {"max-new-tokens", "--max-tokens"},
        {"ctx-size", "--context"}, {"system-prompt", "--system"}, {"format", "--to"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strncmp(name, "--", 2) && !strcmp(names[i].there, name + 2))
            return names[i].here;
    return NULL;
}

/* The option that is meant: by another program's name, by its beginning, by its letters. */
static const char *meant(const char *name, const char *const *names, size_t count)
{
    const char *other = elsewhere(name);
    for (size_t i = 0; other && i < count; i++)
        if (!strcmp(names[i], other))
            return other;
    for (size_t i = 0; strlen(name) > 3 && i < count; i++)
        if (!strncmp(names[i], name, strlen(name)))
            return names[i];
    return cli_nearest(name, names, count);
}

static tmb_status unknown_option(const char *word, const CliCommand *command)
{
    const char *names[128];
    char name[64];
    size_t count = 0;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    for (size_t i = 0; i < cli_option_count && count < 128; i++) {
        if (!strcmp(cli_options[i].name, name))
            return fail(TMB_USAGE, "%s does not belong to 'timbre %s'; see 'timbre help %s'", name,
                        command->name, command->name);
        if (applies(&cli_options[i], command))
            names[count++] = cli_options[i].name;
    }
    const char *nearest = meant(name, names, count);
    if (nearest)
        return fail(TMB_USAGE, "unknown option %s; did you mean %s?", name, nearest);
    return fail(TMB_USAGE, "unknown option %s; see 'timbre help%s%s'", name, command ? " " : "",
                command ? command->name : "");
}

static tmb_status check_range(const CliOption *option, double value, const char *text)
{
    if (value < option->least)
        return fail(TMB_USAGE, "%s wants at least %g, not '%s'", option->name, option->least, text);
    if (value > option->most)
        return fail(TMB_USAGE, "%s wants at most %.10g, not '%s'", option->name, option->most, text);
    return TMB_OK;
}

static tmb_status parse_number(const CliOption *option, const char *text, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    if (end == text || *end || errno || !isfinite(*out))
        return fail(TMB_USAGE, "%s wants a number, not '%s'", option->name, text);
    return check_range(option, *out, text);
}

static tmb_status parse_count(const CliOption *option, const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (end == text || *end || errno || strchr(text, '-'))
        return fail(TMB_USAGE, "%s wants a whole number, not '%s'", option->name, text);
    return check_range(option, (double)*out, text);
}

static tmb_status parse_bytes(const CliOption *option, const char *text, uint64_t *out)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    bool negative = value < 0;
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    if (unit && *unit) {
        value *= pow(1024.0, (double)(unit - units + 1));
        end++;
        if (*end == 'i')
            end++;
        if (*end == 'B')
            end++;
    }
    if (end == text || *end || errno || negative || !(value < 1e18))
        return fail(TMB_USAGE, "%s wants a size such as 512M or 8G, not '%s'", option->name, text);
    *out = (uint64_t)value;
    return TMB_OK;
}

static tmb_status store(const CliOption *option, const char *text, CliArgs *out)
{
    void *member = (char *)out + option->offset;
    out->given |= 1ull << (option - cli_options);
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)member = true;
        return TMB_OK;
    case CLI_TEXT:
        *(const char **)member = text;
        return TMB_OK;
    case CLI_COUNT:
        return parse_count(option, text, member);
    case CLI_BYTES:
        return parse_bytes(option, text, member);
    case CLI_NUMBER:
        return parse_number(option, text, member);
    }
    return TMB_OK;
}

static const CliOption *find_option(const char *name, size_t length, const CliCommand *command)
{
    for (size_t i = 0; i < cli_option_count; i++)
        if (applies(&cli_options[i], command) && strlen(cli_options[i].name) == length &&
            !strncmp(cli_options[i].name, name, length))
            return &cli_options[i];
    return NULL;
}

bool cli_given(const CliArgs *args, const char *option)
{
    for (size_t i = 0; i < cli_option_count; i++)
        if (!strcmp(cli_options[i].name, option) && args->given >> i & 1)
            return true;
    return false;
}

static tmb_status parse_option(int argc, char **argv, int *at, const CliCommand *command,
                               CliArgs *out)
{
    const char *word = argv[*at];
    if (!strcmp(word, "-h"))
        word = "--help";
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const CliOption *option = find_option(word, length, command);
    if (!option)
        return unknown_option(word, command);
    if (option->kind == CLI_FLAG)
        return equals ? fail(TMB_USAGE, "%s takes no value", option->name) : store(option, NULL, out);
    if (equals)
        return store(option, equals + 1, out);
    if (*at + 1 >= argc)
        return fail(TMB_USAGE, "%s wants a value: %s %s", option->name, option->name, option->value);
    return store(option, argv[++*at], out);
}

tmb_status cli_unknown_command(const char *word)
{
    const char *names[64];
    size_t count = smallest(cli_command_count, 64);
    for (size_t i = 0; i < count; i++)
        names[i] = cli_commands[i].name;
    const char *nearest = cli_nearest(word, names, count);
    if (nearest)
        return fail(TMB_USAGE, "unknown command '%s'; did you mean '%s'?", word, nearest);
    return fail(TMB_USAGE, "unknown command '%s'; 'timbre help' lists them", word);
}

static tmb_status check_positional(const CliCommand *command, const CliArgs *args)
{
    if (args->help || args->version || !command)
        return TMB_OK;
    const char *first = args->positional_count ? args->positional[0] : "";
    size_t bytes = strlen(first);
    if (!strncmp(command->synopsis, "MODEL", 5) && bytes > 6 && !strcmp(first + bytes - 6, ".jsonl"))
        return fail(TMB_USAGE, "the model comes first, %s is no model: timbre %s %s", first,
                    command->name, command->synopsis);
    if (command->bit == CMD_GENERATE && args->positional_count > command->most)
        return fail(TMB_USAGE, "the letter is one word to the shell: put it between quotes");
    if (args->positional_count < command->least || args->positional_count > command->most)
        return fail(TMB_USAGE, "usage: timbre %s %s", command->name, command->synopsis);
    return TMB_OK;
}

/* Global options may stand before the command: it is the first word that is no option. */
static const CliCommand *first_command(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-')
            return cli_command(argv[i]);
        const CliOption *option = find_option(argv[i], strlen(argv[i]), NULL);
        if (option && option->kind != CLI_FLAG)
            i++;
    }
    return NULL;
}

tmb_status cli_parse(int argc, char **argv, CliArgs *out)
{
    *out = (CliArgs){0};
    const CliCommand *command = first_command(argc, argv);
    bool options = true;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (options && !strcmp(word, "--")) {
            options = false;
        } else if (options && word[0] == '-' && word[1]) {
            TRY(parse_option(argc, argv, &i, command, out));
        } else if (!out->command) {
            if (!command)
                return cli_unknown_command(word);
            out->command = word;
        } else if (out->positional_count == CLI_MAX_POSITIONAL) {
            return fail(TMB_USAGE, "more than %d arguments", CLI_MAX_POSITIONAL);
        } else {
            out->positional[out->positional_count++] = word;
        }
    }
    return check_positional(command, out);
}
