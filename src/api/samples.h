#ifndef API_SAMPLES_H
#define API_SAMPLES_H
/* RUN/samples.jsonl: a few held-out prompts, answered by the adapter of a run that has ended. */

#include "train/trainer.h"

enum { SAMPLES = 3, SAMPLE_TOKENS = 48 };

/* True when answering costs about a fiftieth of what the run took, or less. */
bool samples_are_cheap(const Tokens *held, uint32_t held_count, const TrainResult *result);

/* Answers the first held-out prompts greedily with RUN's adapter: one line {"prompt", "reply",
 * "theirs", "ended"} each, where theirs is the reply the data holds. Nothing may be left of the
 * run on the device. */
TMB_MUST_USE tmb_status samples_write(const TrainBase *base, const char *run, const Tokens *held,
                                      uint32_t held_count);

#endif
