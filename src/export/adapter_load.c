#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "export/export.h"
#include "export/peft.h"
#include "train/run.h"

static bool has(const char *folder, const char *name)
{
    char *path = os_join(folder, name);
    bool there = os_exists(path);
    free(path);
    return there;
}

/* A RUN is known by its config.json, a PEFT folder by its adapter_config.json. */
static tmb_status load(const char *path, const Model *model, Adapter **out)
{
    if (!os_is_directory(path))
        return adapter_open(path, out);
    if (has(path, "adapter_config.json"))
        return peft_open(path, model_config(model), out);
    if (!has(path, "config.json"))
        return fail(TMB_BAD_INPUT, "%s is neither a RUN nor a PEFT folder: it holds no config.json "
                    "and no adapter_config.json", path);
    if (!has(path, "adapter/" RUN_ADAPTER))
        return fail(TMB_BAD_INPUT, "%s holds no adapter yet; let its training go on with --resume",
                    path);
    char *file = os_join(path, "adapter/" RUN_ADAPTER);
    tmb_status status = adapter_open(file, out);
    free(file);
    return status;
}

tmb_status adapter_load(const char *path, const Model *model, const char *base_sha256,
                        Adapter **out)
{
    *out = NULL;
    TRY(load(path, model, out));
    tmb_status status = adapter_check(*out, path, model, base_sha256);
    if (status)
        adapter_destroy(out);
    return status;
}
