#ifndef TRAIN_EVALUATE_H
#define TRAIN_EVALUATE_H
/* Loss and perplexity of plain text and chat data, margins on preference pairs. */

#include "train/adapter.h"
#include "train/trainer.h"

typedef struct EvaluateParams {
    const char *file;         /* .jsonl: `messages` or pairs; anything else: plain text */
    const Adapter *adapter;   /* NULL: the bare model; checked by the caller (adapter_check) */
    uint32_t window;          /* plain text: tokens per window, positions restart; 0: 512 */
    bool by_line;             /* plain text: encoded line by line, newline included */
    const char *bos;          /* plain text: "once" (very start), "none"; NULL: once if the
                               * tokenizer adds one */
    uint32_t limit;           /* .jsonl: only this many, chosen by seed; 0: all */
    uint64_t seed;
    uint32_t row_tokens;      /* 512 */
    const char *system;       /* .jsonl: stands in place of every system message (and is put
                               * first where there is none); NULL: messages as they are */
} EvaluateParams;

typedef struct EvaluateResult {
    uint64_t tokens;          /* scored */
    double mean_nll, perplexity;
    uint64_t pairs;           /* 0 unless the file holds pairs; mean_nll is of the chosen */
    double mean_margin;       /* mean over pairs of log-likelihood per token, chosen - rejected */
    uint64_t chosen_wins;
    double seconds;
    bool text;                /* read as plain text: */
    uint32_t window;          /* … with so many tokens a window */
    bool by_line, bos;        /* … line by line; with BOS at the very start */
    uint64_t examples;        /* of JSONL: how many were scored, pairs among them */
} EvaluateResult;

TMB_MUST_USE tmb_status evaluate_file(const TrainBase *base, const EvaluateParams *params,
                                      EvaluateResult *out);

#endif
