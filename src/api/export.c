/* tmb_export, tmb_run_base: adapters for other people's software. */
#include <math.h>
#include <stdlib.h>

#include "api/api.h"
#include "base/log.h"
#include "base/os.h"
#include "export/export.h"
#include "infer/generator.h"
#include "train/run.h"

enum { PROBE_TOKENS = 24 };

tmb_status tmb_run_base(const char *run, char **model_path)
{
    RunConfig config;
    *model_path = NULL;
    char *path = os_join(run, "config.json");
    bool there = os_exists(path);
    free(path);
    if (!there)
        return fail(TMB_BAD_INPUT, "%s is not a RUN, the folder that timbre train -o made: it holds no "
                    "config.json", run);
    TRY(run_read_config(run, &config));
    *model_path = mem_string(config.model);
    run_config_finish(&config);
    return TMB_OK;
}

/* Logits that an adapter gives for a fixed prompt, [GENERATOR_MAX_LOGITS, vocab]. */
static tmb_status probe_once(tmb_device *device, tmb_model *model, const Adapter *adapter,
                               float *logits)
{
    Lora *lora = NULL;
    Generator *generator = NULL;
    uint32_t prompt[PROBE_TOKENS], vocab = model_config(model->model)->vocab;
    Rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < PROBE_TOKENS; i++)
        prompt[i] = (uint32_t)rng_below(&rng, vocab);
    tmb_status status = TMB_OK;
    TRY_OR(done, status, adapter_lora(adapter, model->model, gpu_caps(device->gpu)->storage_range, &lora));
    TRY_OR(done, status, generator_create(&(GeneratorParams){.gpu = device->gpu,
                                                             .model = model->model,
                                                             .lora = lora,
                                                             .context = 2 * PROBE_TOKENS},
                                          &generator));
    TRY_OR(done, status, adapter_to_store(adapter, lora, generator_store(generator)));
    status = generator_logits(generator, prompt, PROBE_TOKENS, GENERATOR_MAX_LOGITS, logits);
done:
    generator_destroy(&generator);
    lora_destroy(&lora);
    return status;
}

/* A device that is lost is opened again, `*again` times at most. */
static tmb_status probe_logits(tmb_device *device, tmb_model *model, const Adapter *adapter, int *again,
                               float *logits)
{
    tmb_status status = probe_once(device, model, adapter, logits);
    while (status == TMB_DEVICE_LOST && (*again)-- > 0) {
        TRY(gpu_reopen(device->gpu));
        log_warning("the device was lost; opened it again with half the work per submit, computing the "
                    "logits anew");
        status = probe_once(device, model, adapter, logits);
    }
    return status;
}

/* The largest difference between the logits of two adapters. */
static tmb_status compare_logits(tmb_device *device, tmb_model *model, const Adapter *left,
                                 const Adapter *right, double *largest)
{
    int again = 1;
    size_t count = (size_t)GENERATOR_MAX_LOGITS * model_config(model->model)->vocab;
    float *a = mem_try(count, sizeof *a), *b = mem_try(count, sizeof *b);
    tmb_status status = TMB_OK;
    *largest = 0;
    if (!a || !b)
        status = fail(TMB_OUT_OF_HOST, "no memory for %zu logits", count);
    if (status == TMB_OK)
        status = probe_logits(device, model, left, &again, a);
    if (status == TMB_OK)
        status = probe_logits(device, model, right, &again, b);
    for (size_t i = 0; status == TMB_OK && i < count; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= *largest))
            *largest = fabs((double)a[i] - (double)b[i]);
    free(a);
    free(b);
    return status;
}

tmb_status tmb_export(tmb_device *device, tmb_model *model, const tmb_export_params *params,
                      tmb_export_result *out)
{
    tmb_model_info info;
    Adapter *adapter = NULL, *again = NULL;
    ExportResult inner;
    tmb_status status = TMB_OK;
    TRY(tmb_model_describe(model, &info));
    TRY_OR(done, status, adapter_load(params->run, model->model, info.sha256, &adapter));
    TRY_OR(done, status, export_adapter(adapter, model->model, info.name[0] ? info.name : info.path,
                                        params->format, params->output, &inner));
    TRY_OR(done, status, adapter_load(params->output, model->model, info.sha256, &again));
    *out = (tmb_export_result){.tensors = inner.tensors, .bytes = inner.bytes};
    status = compare_logits(device, model, adapter, again, &out->largest_logit_difference);
    if (status == TMB_DEVICE_LOST)
        status = fail_in(status, "%s was written, but the device was lost before its logits could "
                         "be compared with the run's; to compare them, remove it and export again: ",
                         params->output);
    TRY_OR(done, status, status);
    if (!(out->largest_logit_difference <= 1e-4))
        status = fail(TMB_FAILED, "%s was written, but gives other logits than the run (by %g)",
                      params->output, out->largest_logit_difference);
done:
    adapter_destroy(&adapter);
    adapter_destroy(&again);
    return status;
}
