#ifndef TIMBRE_EXPORT_H
#define TIMBRE_EXPORT_H
/* Adapters for other people's software; each export reloads what it wrote and
 * compares before it says done. */

#include <stdint.h>

#include "timbre/device.h"
#include "timbre/model.h"
#include "timbre/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_export_params {
    const char *run;          /* RUN folder (or any adapter tmb_generator accepts) */
    const char *format;       /* "peft" (a folder) or "gguf-lora" (a file) */
    const char *output;       /* must not exist */
} tmb_export_params;

/* Path of the base model that a RUN was trained on, from its config.json. free() it. */
TMB_MUST_USE tmb_status tmb_run_base(const char *run, char **model_path);

typedef struct tmb_export_result {
    uint64_t tensors, bytes;
    double largest_logit_difference;   /* reloaded against the run's own adapter */
} tmb_export_result;

TMB_MUST_USE tmb_status tmb_export(tmb_device *device, tmb_model *model,
                                   const tmb_export_params *params, tmb_export_result *out);

#ifdef __cplusplus
}
#endif
#endif
