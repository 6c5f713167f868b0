#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H
/* From what the user asked for to what is frozen: defaults, and the checks of every number. */

#include "train/run_config.h"
#include "train/trainer.h"

/* TMB_USAGE with one sentence when a number makes no sense. Looks at no file. */
TMB_MUST_USE tmb_status settings_check(const TrainParams *params);
/* "0.1" → 0.1; 0 when the text is a path, NULL or no number between 0 and 1. */
double settings_share(const char *validation);
/* How many tokens a row has: `wanted`, or when that is 0, 512 or what the model knows. */
uint32_t settings_row_tokens(const Model *model, uint32_t wanted);
/* Fills everything that does not depend on the number of examples. */
TMB_MUST_USE tmb_status settings_fill(const TrainBase *base, const TrainParams *params,
                                      RunConfig *config);
/* Warns of what is possible and yet hardly meant: a learning rate of 1, options that have
 * no effect beside others. */
void settings_warn(const TrainParams *params);
/* A run that goes on keeps the options it began with: TMB_USAGE naming the first one that was
 * given again with another value, steps only where time did not set them. */
TMB_MUST_USE tmb_status settings_unchanged(const TrainParams *params, const RunConfig *config,
                                           const char *path);
/* The same for epochs and warm-up, which the number of training examples turns into steps. */
TMB_MUST_USE tmb_status settings_length_unchanged(const TrainParams *params, const RunConfig *config,
                                                  uint64_t examples, const char *path);
/* Steps, warm-up and evaluation interval for `examples` training examples. most: no more
 * steps than this, 0: no limit. */
void settings_steps(const TrainParams *params, uint64_t examples, uint64_t most,
                    RunConfig *config);

#endif
