#ifndef KERNEL_CHECK_DEVICES_H
#define KERNEL_CHECK_DEVICES_H
/* The devices that are checked, opened once for each thread that works with them. */

#include "check/check.h"
#include "kernels/roof.h"
#include "options.h"

enum { MAX_DEVICES = 16, DEVICES_MAX_JOBS = 64 };

typedef struct Devices {
    Rig rig[MAX_DEVICES];
    char label[MAX_DEVICES][288];   /* the name, and "(device 1)" behind one that others have too */
    size_t count;
} Devices;

/* Those that the options ask for, opened; those that cannot be used are named. Close what was opened also
 * after a failure. TMB_NO_DEVICE when there is none. */
TMB_MUST_USE tmb_status devices_open(const Options *options, Devices *out);
/* The same ones once more, without looking for them again; labels stay those of `first`. */
TMB_MUST_USE tmb_status devices_open_again(const Options *options, const Devices *first, Devices *out);
/* Prints what they are; for measuring, finds out what each can do at most. */
TMB_MUST_USE tmb_status devices_introduce(const Options *options, Devices *devices);
/* How many threads may have these devices open at a time: --jobs, or what cores and memory allow. */
unsigned devices_jobs(const Options *options, const Devices *devices);
void devices_close(Devices *devices);

#endif
