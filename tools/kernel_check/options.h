#ifndef KERNEL_CHECK_OPTIONS_H
#define KERNEL_CHECK_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { OPTIONS_LIST = 16 };
typedef struct OptionList {            /* of an option that may be given more than once */
    const char *item[OPTIONS_LIST];
    uint32_t count;
} OptionList;

typedef struct Options {
    const char *kernel, *case_name;    /* globs, "*" */
    const char *device, *caps;         /* as gpu_open takes them; NULL: every device, all */
    const char *json, *junit;          /* files for the results */
    const char *baseline;              /* a --json file of an earlier --bench */
    const char *push;                  /* words that replace those of the case: "512,576,1e-5" */
    const char *tuning;                /* "64,16": one set of constants instead of the row's */
    const char *sizes;                 /* "512,576,…": a model's, to race at */
    const char *contract;              /* a kernel's name */
    const char *shader, *as;           /* a file that is checked as this kernel */
    OptionList define, spec;           /* for --shader: "K=V", "id=value" */
    const char *compile_for;           /* "amd,dg2": families of cards that are not here */
    const char *snapshot;              /* file for what the devices say of themselves */
    uint64_t seed;
    uint64_t jobs;                     /* threads that check side by side; 0: chosen */
    bool many_devices;                 /* not an option: more than one device was found */
    bool compile_here;                 /* the child process of compile_for */
    bool list, bench, retune, all_tunings, validate, verbose, first, version, help;
} Options;

TMB_MUST_USE tmb_status options_read(int argc, char **argv, Options *out);
void options_help(void);

/* The kernel with the name most like this one, NULL when none is near. */
const char *options_nearest(const char *name);
/* What a status ends the program with: 1 for all but success, wrong usage and Ctrl-C. */
int options_exit_code(tmb_status status);
/* "*" stands for any run of characters, "?" for one. */
bool glob_match(const char *pattern, const char *text);
/* Reads up to `capacity` words "512,0x40,1e-5" (a number with . or e is a float) over
 * `words`; TMB_USAGE when there is more or something else. */
TMB_MUST_USE tmb_status options_words(const char *option, const char *text, uint32_t *words,
                                      uint32_t capacity);

#endif
