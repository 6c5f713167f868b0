#ifndef TIMBRE_EVALUATE_H
#define TIMBRE_EVALUATE_H
/* Loss, perplexity and preference margins on held-out files. */

#include <stdint.h>

#include "timbre/device.h"
#include "timbre/model.h"
#include "timbre/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_eval_params {
    const char *file;         /* .jsonl: messages or pairs; anything else: plain text */
    const char *adapter;      /* as tmb_generator_params.adapter; NULL: the base model */
    uint32_t window;          /* plain text: tokens per window, positions restart; 0: as row_tokens */
    int by_line;              /* plain text: encode line by line, newline included */
    const char *bos;          /* plain text: "once" (very start) or "none"; NULL: once if the model has one */
    uint32_t limit;           /* .jsonl: evaluate only this many, chosen by seed; 0: all */
    uint64_t seed;
    uint32_t row_tokens;      /* 0: 512, or what the model knows when that is less */
    const char *system;       /* .jsonl: takes the place of every system message; NULL: as they are */
} tmb_eval_params;

typedef struct tmb_eval_result {
    uint64_t tokens;          /* scored tokens */
    double mean_nll, perplexity;
    uint64_t pairs;           /* 0 unless the file holds pairs; then the rest is about the chosen */
    double mean_margin;       /* per token log-likelihood, chosen minus rejected */
    uint64_t chosen_wins;
    double seconds;
    const char *read_as;      /* "text", "chat" or "pairs" (at least one line is a pair) */
    uint64_t examples;        /* chat and pairs: how many were scored */
    uint32_t window;          /* text: tokens per window … */
    int by_line, bos;         /* … encoded line by line; BOS at the very start */
} tmb_eval_result;

TMB_MUST_USE tmb_status tmb_evaluate(tmb_device *device, tmb_model *model,
                                     const tmb_eval_params *params, tmb_eval_result *out);

#ifdef __cplusplus
}
#endif
#endif
