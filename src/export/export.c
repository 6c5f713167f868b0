#include "export/export.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "export/peft.h"

typedef struct Format {
    const char *name;
    tmb_status (*save)(const Adapter *adapter, const Model *model, const char *base_name,
                       const char *path);
} Format;

static tmb_status save_peft(const Adapter *adapter, const Model *model, const char *base_name,
                            const char *path)
{
    TRY(os_make_directories(path));
    return peft_save(adapter, model_config(model), base_name, path);
}

static tmb_status save_gguf_lora(const Adapter *adapter, const Model *model,
                                 const char *base_name, const char *path)
{
    (void)model;
    (void)base_name;
    return adapter_save(adapter, path);
}

static const Format formats[] = {{"peft", save_peft}, {"gguf-lora", save_gguf_lora}};

static uint64_t bytes_of(const char *path)
{
    if (!os_is_directory(path))
        return os_file_bytes(path);
    char **names;
    size_t count;
    uint64_t bytes = 0;
    if (os_list(path, &names, &count) != TMB_OK)
        return 0;
    for (size_t i = 0; i < count; i++) {
        char *file = os_join(path, names[i]);
        bytes += os_file_bytes(file);
        free(file);
    }
    os_list_free(&names, count);
    return bytes;
}

/* Reads back what was written, as any user of it would, and compares every value. */
static tmb_status prove(const Adapter *adapter, const Model *model, const char *path)
{
    Adapter *again;
    TRY(adapter_load(path, model, adapter->base_sha256, &again));
    bool same = adapter_equal(adapter, again);
    adapter_destroy(&again);
    if (!same)
        return fail(TMB_FAILED, "%s does not read back as it was written; is the disk sound?",
                    path);
    return TMB_OK;
}

tmb_status export_adapter(const Adapter *adapter, const Model *model, const char *base_name,
                          const char *format, const char *path, ExportResult *out)
{
    const Format *chosen = NULL;
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (!strcmp(formats[i].name, format))
            chosen = &formats[i];
    if (!chosen)
        return fail(TMB_USAGE, "no export format is called \"%s\"; there are peft and gguf-lora",
                    format);
    if (os_exists(path))
        return fail(TMB_USAGE, "%s exists and is never overwritten; name another path with -o",
                    path);
    TRY(adapter_check(adapter, "the adapter", model, ""));
    tmb_status status = chosen->save(adapter, model, base_name, path);
    if (!status)
        status = prove(adapter, model, path);
    if (status) {
        char *sentence = mem_string(tmb_last_error());
        if (os_exists(path) && os_remove_tree(path) != TMB_OK)
            status = fail(status, "%s; what was written could not be removed", sentence);
        else
            status = fail(status, "%s", sentence);
        free(sentence);
        return status;
    }
    *out = (ExportResult){2 * (uint64_t)adapter->count, bytes_of(path)};
    return TMB_OK;
}
