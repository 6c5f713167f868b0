#ifndef KERNEL_CHECK_RUN_H
#define KERNEL_CHECK_RUN_H
/* Checking and measuring what the options select. */

#include "options.h"

/* Everything from opening the devices to the closing line; the exit code. `root` is the
 * checkout, for shader sources. */
int run_selected(Options *options, const char *root);

#endif
