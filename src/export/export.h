#ifndef EXPORT_EXPORT_H
#define EXPORT_EXPORT_H
/* Adapters for other people's software, and from it. Each export reloads what it wrote
 * and compares every value before it says done. */

#include "train/adapter.h"

/* Loads an adapter from a RUN folder, a PEFT folder or a GGUF-LoRA file and refuses one of
 * another base, by digest where both are known, by names and shapes always. */
TMB_MUST_USE tmb_status adapter_load(const char *path, const Model *model,
                                     const char *base_sha256, Adapter **out);

typedef struct ExportResult {
    uint64_t tensors, bytes;     /* written */
} ExportResult;

/* Writes `adapter` as `format`, "peft" (a folder) or "gguf-lora" (a file), to a path that
 * must not exist (TMB_USAGE). base_name stands in PEFT's base_model_name_or_path. On
 * failure nothing is left behind. */
TMB_MUST_USE tmb_status export_adapter(const Adapter *adapter, const Model *model,
                                       const char *base_name, const char *format,
                                       const char *path, ExportResult *out);

#endif
