#ifndef KERNEL_CHECK_CHOSEN_H
#define KERNEL_CHECK_CHOSEN_H
/* What the options choose: kernels, cases and their sizes, constants. */

#include "devices.h"

/* The constants as --tuning takes them. */
void chosen_tuning_text(const KernelRow *row, const KernelTuning *tuning, char *out, size_t bytes);
/* The row's default constants, with those of --tuning or --spec in their place. */
TMB_MUST_USE tmb_status chosen_tuning(const Options *options, const KernelRow *row, KernelTuning *out);
/* The case with the words of --push in place of its own; push holds the bytes. */
TMB_MUST_USE tmb_status chosen_push(const Options *options, const KernelRow *row, const KernelCase *one,
                                    uint32_t push[GPU_MAX_PUSH / 4], KernelCase *out);
KernelCase chosen_large(const KernelRow *row);
/* What a row is measured with: on GPUs a size that keeps the card busy, where it has one. */
KernelCase chosen_measured(const KernelRow *row, const Devices *devices);
/* TMB_USAGE, with the nearest name, when --kernel matches none. */
TMB_MUST_USE tmb_status chosen_any(const Options *options);
/* Asked for, and no earlier row with the same truth does this one's cases with its own. */
bool chosen_is_lead(const Options *options, size_t index);
/* Whether a case goes beyond 65,535 groups, here or in another row of the same source, which
 * shares the index arithmetic, or of the same family and grid, where a case would be too large. */
bool chosen_is_folded(const KernelRow *row);

#endif
