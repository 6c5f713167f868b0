#include "options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/kernel.h"

typedef enum Kind { TEXT_OPTION, FLAG_OPTION, NUMBER_OPTION, LIST_OPTION } Kind;

static const struct OptionRow {
    const char *name, *value, *help;
    Kind kind;
    size_t at;
} table[] = {
    {"--kernel", "GLOB", "kernels whose name matches", TEXT_OPTION, offsetof(Options, kernel)},
    {"--case", "GLOB", "cases whose name matches", TEXT_OPTION, offsetof(Options, case_name)},
    {"--device", "N|NAME", "one device instead of all", TEXT_OPTION, offsetof(Options, device)},
    {"--caps", "TEXT", "none, a mask, range=8M: strikes capabilities", TEXT_OPTION,
     offsetof(Options, caps)},
    {"--seed", "N", "of the inputs (default 1)", NUMBER_OPTION, offsetof(Options, seed)},
    {"--jobs", "N", "check so many kernels at a time (default: up to 4, by cores and memory)", NUMBER_OPTION,
     offsetof(Options, jobs)},
    {"--all-tunings", NULL, "every legal tuning, not only the default", FLAG_OPTION,
     offsetof(Options, all_tunings)},
    {"--tuning", "A,B,…", "these specialisation constants", TEXT_OPTION,
     offsetof(Options, tuning)},
    {"--push", "A,B,…", "replaces the first words of the cases' push constants", TEXT_OPTION,
     offsetof(Options, push)},
    {"--bench", NULL, "measure GFLOP/s and GB/s instead of checking", FLAG_OPTION,
     offsetof(Options, bench)},
    {"--baseline", "FILE", "compare with the --json FILE of an earlier --bench; fails when slower", TEXT_OPTION,
     offsetof(Options, baseline)},
    {"--retune", NULL, "race the tunings again: their times, the choice, where it is remembered", FLAG_OPTION,
     offsetof(Options, retune)},
    {"--sizes", "A,B,…", "of a model, for --retune and --bench: rows, hidden, feed-forward, heads, "
     "kv heads, head size, vocabulary, types of weights (Q4_K+Q6_K; left out: the usual ones)", TEXT_OPTION, offsetof(Options, sizes)},
    {"--validate", NULL, "with the Vulkan validation layers", FLAG_OPTION,
     offsetof(Options, validate)},
    {"--compile-for", "LIST", "amd, intel, nvidia, all or names: compile for cards that are not here",
     TEXT_OPTION, offsetof(Options, compile_for)},
    {"--compile-here", NULL, NULL, FLAG_OPTION, offsetof(Options, compile_here)},
    {"--snapshot", "FILE", "what the devices say of themselves, as JSON; runs nothing", TEXT_OPTION,
     offsetof(Options, snapshot)},
    {"--contract", "KERNEL", "what a kernel promises, and a skeleton that compiles", TEXT_OPTION,
     offsetof(Options, contract)},
    {"--shader", "FILE", "compile this GLSL (or read this .spv) and check it …", TEXT_OPTION,
     offsetof(Options, shader)},
    {"--as", "KERNEL", "… in the place of this kernel", TEXT_OPTION, offsetof(Options, as)},
    {"--define", "K=V", "for --shader: a preprocessor definition, beside the kernel's own", LIST_OPTION,
     offsetof(Options, define)},
    {"--spec", "ID=VALUE", "for --shader: a specialisation constant", LIST_OPTION, offsetof(Options, spec)},
    {"--first", NULL, "stop at the first failure", FLAG_OPTION, offsetof(Options, first)},
    {"--list", NULL, "kernels and cases; runs nothing", FLAG_OPTION,
     offsetof(Options, list)},
    {"--verbose", NULL, "one line for every case", FLAG_OPTION, offsetof(Options, verbose)},
    {"--json", "FILE", "the results, for programs", TEXT_OPTION, offsetof(Options, json)},
    {"--junit", "FILE", "the results, for build servers", TEXT_OPTION, offsetof(Options, junit)},
    {"--version", NULL, "kernels built and not built, and why", FLAG_OPTION, offsetof(Options, version)},
    {"--help", NULL, "this text", FLAG_OPTION, offsetof(Options, help)},
};

void options_help(void)
{
    puts("kernel-check: every kernel against its double-precision reference, on every device\n\n"
         "  tools/kernel-check                                   all of them, here\n"
         "  tools/kernel-check --kernel 'matmul*' --bench        how fast, and how far from the roof\n"
         "  tools/kernel-check --contract scale                  what a kernel promises\n"
         "  tools/kernel-check --shader mine.comp --as scale     is mine right, is it faster?\n");
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (table[i].help)
            printf("  %-14s %-8s %s\n", table[i].name, table[i].value ? table[i].value : "",
                   table[i].help);
    puts("\nexit code: 0 all passed, 1 something failed, 2 usage, 77 nothing could run, 130 Ctrl-C");
}

int options_exit_code(tmb_status status)
{
    return status == TMB_OK            ? 0
           : status == TMB_USAGE       ? 2
           : status == TMB_INTERRUPTED ? tmb_exit_code(status)
                                       : 1;
}

static tmb_status apply(const struct OptionRow *row, const char *value, Options *options)
{
    char *field = (char *)options + row->at, *end;
    switch (row->kind) {
    case TEXT_OPTION:
        *(const char **)(void *)field = value;
        return TMB_OK;
    case FLAG_OPTION:
        *(bool *)field = true;
        return TMB_OK;
    case LIST_OPTION: {
        OptionList *list = (OptionList *)(void *)field;
        if (list->count == OPTIONS_LIST)
            return fail(TMB_USAGE, "%s may be given %d times", row->name, OPTIONS_LIST);
        list->item[list->count++] = value;
        return TMB_OK;
    }
    case NUMBER_OPTION:
        *(uint64_t *)(void *)field = strtoull(value, &end, 0);
        return *end || !*value ? fail(TMB_USAGE, "%s %s is no number", row->name, value) : TMB_OK;
    }
    return TMB_OK;
}

/* Insertions, deletions and replacements that turn one word into the other (Levenshtein). */
static unsigned distance(const char *a, const char *b)
{
    enum { LONGEST = 63 };
    unsigned row[LONGEST + 1];
    size_t length = strlen(b);
    if (length > LONGEST)
        return UINT32_MAX;
    for (unsigned j = 0; j <= length; j++)
        row[j] = j;
    for (unsigned i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = i + 1;
        for (unsigned j = 0; j < length; j++) {
            unsigned replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            unsigned other = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            row[j + 1] = replaced < other ? replaced : other;
        }
    }
    return row[length];
}

/* Keeps the better of the two; words that differ in more than a third are not near. */
static void consider(const char *word, const char *candidate, const char **best, unsigned *least)
{
    unsigned far = distance(word, candidate);
    if (far < *least && 3 * far <= strlen(word) + 2) {
        *least = far;
        *best = candidate;
    }
}

const char *options_nearest(const char *name)
{
    const char *best = NULL;
    unsigned least = UINT32_MAX;
    for (size_t i = 0; i < kernel_count(); i++)
        consider(name, kernel_at(i)->name, &best, &least);
    return best;
}

static tmb_status unknown_option(const char *word)
{
    const char *best = NULL;
    unsigned least = UINT32_MAX;
    for (size_t t = 0; t < COUNT_OF(table); t++)
        consider(word, table[t].name, &best, &least);
    return word[0] != '-' ? fail(TMB_USAGE, "'%s' stands alone; kernels are chosen by --kernel %s", word, word)
           : best         ? fail(TMB_USAGE, "unknown option %s; did you mean %s?", word, best)
                          : fail(TMB_USAGE, "unknown option %s; --help lists them", word);
}

static tmb_status check_together(const Options *options)
{
    if (!options->shader != !options->as)
        return fail(TMB_USAGE, "--shader FILE and --as KERNEL go together");
    if ((options->define.count || options->spec.count) && !options->shader)
        return fail(TMB_USAGE, "--define and --spec are for --shader");
    if (options->sizes && !options->retune && !options->bench)
        return fail(TMB_USAGE, "--sizes is for --retune and --bench");
    if (options->baseline && !options->bench)
        return fail(TMB_USAGE, "--baseline compares speeds, so it needs --bench");
    if (options->retune && (options->json || options->junit))
        return fail(TMB_USAGE, "--retune prints its table only; --json and --junit hold checks and measurements");
    if (options->compile_for && options->junit)
        return fail(TMB_USAGE, "--compile-for writes --json, but no --junit");
    return TMB_OK;
}

tmb_status options_read(int argc, char **argv, Options *out)
{
    *out = (Options){.kernel = "*", .case_name = "*", .seed = 1};
    for (int i = 1; i < argc; i++) {
        const struct OptionRow *row = NULL;
        for (size_t t = 0; t < COUNT_OF(table) && !row; t++)
            row = strcmp(argv[i], table[t].name) ? NULL : &table[t];
        if (!row)
            return unknown_option(argv[i]);
        if (row->kind != FLAG_OPTION && i + 1 == argc)
            return fail(TMB_USAGE, "%s needs %s", row->name, row->value);
        TRY(apply(row, row->kind == FLAG_OPTION ? NULL : argv[++i], out));
    }
    TRY(check_together(out));
    if (out->as)
        out->kernel = out->as;
    return TMB_OK;
}

bool glob_match(const char *pattern, const char *text)
{
    if (!*pattern)
        return !*text;
    if (*pattern == '*')
        return glob_match(pattern + 1, text) || (*text && glob_match(pattern, text + 1));
    return *text && (*pattern == '?' || *pattern == *text) && glob_match(pattern + 1, text + 1);
}

/* One number of `length` characters. */
static bool read_word(const char *text, size_t length, uint32_t *word)
{
    char *end;
    const bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    if (!is_hex && strcspn(text, ".eE") < length) {
        float single = strtof(text, &end);
        memcpy(word, &single, sizeof single);
        return end == text + length;
    }
    const unsigned long long whole = strtoull(text, &end, is_hex ? 16 : 10);   /* the largest, when it is larger */
    *word = (uint32_t)whole;
    return text[0] >= '0' && text[0] <= '9' && end == text + length && whole <= UINT32_MAX;
}

tmb_status options_words(const char *option, const char *text, uint32_t *words, uint32_t capacity)
{
    for (uint32_t i = 0; *text; i++) {
        size_t length = strcspn(text, ",");
        if (i == capacity || !length || !read_word(text, length, &words[i]))
            return fail(TMB_USAGE, "%s takes up to %u numbers separated by commas: whole ones from 0 to "
                        "4294967295, or floats with . or e", option, capacity);
        text += length + (text[length] == ',');
    }
    return TMB_OK;
}
