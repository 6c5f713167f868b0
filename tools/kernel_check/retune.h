#ifndef KERNEL_CHECK_RETUNE_H
#define KERNEL_CHECK_RETUNE_H
/* --retune: the race of tunings, again and in full view. The processes that race are this program
 * itself, started with the words of retune_child. */

#include "gpu/gpu.h"
#include "options.h"

/* Races the rows that match --kernel, prints every tuning's time, what was chosen and where that is
 * remembered. TMB_USAGE when there is nothing to race. */
TMB_MUST_USE tmb_status retune_device(const Options *options, Gpu *gpu);
/* Gives the device what is remembered of it, so that kernels run as they would in use. */
void retune_recall(const Options *options, Gpu *gpu);

/* Whether the arguments are those of a racing process, which then runs; *code is its exit code. */
bool retune_child(int argc, char **argv, int *code);

#endif
