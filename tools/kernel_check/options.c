#include "options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef enum Kind { TEXT_OPTION, FLAG_OPTION, NUMBER_OPTION } Kind;

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
    {"--all-tunings", NULL, "every legal tuning, not only the default", FLAG_OPTION,
     offsetof(Options, all_tunings)},
    {"--tuning", "A,B,…", "these specialisation constants", TEXT_OPTION,
     offsetof(Options, tuning)},
    {"--push", "A,B,…", "replaces the first words of the cases' push constants", TEXT_OPTION,
     offsetof(Options, push)},
    {"--bench", NULL, "measure GFLOP/s and GB/s instead of checking", FLAG_OPTION,
     offsetof(Options, bench)},
    {"--validate", NULL, "with the Vulkan validation layers", FLAG_OPTION,
     offsetof(Options, validate)},
    {"--compile-for", "LIST", "amd, intel, all or names: compile for cards that are not here",
     TEXT_OPTION, offsetof(Options, compile_for)},
    {"--compile-here", NULL, NULL, FLAG_OPTION, offsetof(Options, compile_here)},
    {"--snapshot", "FILE", "what the devices say of themselves, as JSON; runs nothing", TEXT_OPTION,
     offsetof(Options, snapshot)},
    {"--contract", "KERNEL", "what a kernel promises: bindings, constants, cases", TEXT_OPTION,
     offsetof(Options, contract)},
    {"--shader", "FILE", "compile this GLSL (or read this .spv) and check it …", TEXT_OPTION,
     offsetof(Options, shader)},
    {"--as", "KERNEL", "… in the place of this kernel", TEXT_OPTION, offsetof(Options, as)},
    {"--list", NULL, "kernels, cases and devices; runs nothing", FLAG_OPTION,
     offsetof(Options, list)},
    {"--verbose", NULL, "one line for every case", FLAG_OPTION, offsetof(Options, verbose)},
    {"--json", "FILE", "the results, for programs", TEXT_OPTION, offsetof(Options, json)},
    {"--help", NULL, "this text", FLAG_OPTION, offsetof(Options, help)},
};

void options_help(void)
{
    puts("kernel-check: every kernel against its double-precision reference, on every device\n");
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (table[i].help)
            printf("  %-14s %-8s %s\n", table[i].name, table[i].value ? table[i].value : "",
                   table[i].help);
    puts("\nexit code: 0 all passed, 1 something failed, 2 usage, 77 nothing could run");
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
    case NUMBER_OPTION:
        *(uint64_t *)(void *)field = strtoull(value, &end, 0);
        return *end || !*value ? fail(TMB_USAGE, "%s %s is no number", row->name, value) : TMB_OK;
    }
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
            return fail(TMB_USAGE, "unknown option %s; see --help", argv[i]);
        if (row->kind != FLAG_OPTION && i + 1 == argc)
            return fail(TMB_USAGE, "%s needs %s", row->name, row->value);
        TRY(apply(row, row->kind == FLAG_OPTION ? NULL : argv[++i], out));
    }
    if (!out->shader != !out->as)
        return fail(TMB_USAGE, "--shader FILE and --as KERNEL go together");
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

tmb_status options_words(const char *option, const char *text, uint32_t *words, uint32_t capacity)
{
    for (uint32_t i = 0; *text; i++) {
        char *end;
        size_t length = strcspn(text, ",");
        bool is_float = strcspn(text, ".e") < length;
        float single = strtof(text, &end);
        uint32_t word = is_float ? 0 : (uint32_t)strtoul(text, &end, 0);
        if (is_float)
            memcpy(&word, &single, sizeof word);
        if (!length || end != text + length || i == capacity)
            return fail(TMB_USAGE, "%s takes up to %u numbers separated by commas", option, capacity);
        words[i] = word;
        text += length + (text[length] == ',');
    }
    return TMB_OK;
}
