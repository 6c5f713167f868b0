#ifndef TIMBRE_TIMBRE_H
#define TIMBRE_TIMBRE_H
/* Everything at once. */

#include "timbre/data.h"
#include "timbre/device.h"
#include "timbre/doctor.h"
#include "timbre/evaluate.h"
#include "timbre/export.h"
#include "timbre/generate.h"
#include "timbre/model.h"
#include "timbre/status.h"
#include "timbre/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0", and the commit it was built from. */
const char *tmb_version(void);
const char *tmb_commit(void);
/* Names of kernels in this build, and of those not built with the reason
 * ("name: not built: …"). Owned by the library; NULL past the end. */
const char *tmb_kernel_note(unsigned index);
/* Asks a running call to finish its step, save and return TMB_INTERRUPTED. Safe in
 * a signal handler. */
void tmb_request_stop(void);

#ifdef __cplusplus
}
#endif
#endif
