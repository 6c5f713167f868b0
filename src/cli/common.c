/* What several commands share. */
#include <math.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/os.h"
#include "cli/commands.h"

const char *cli_bytes(uint64_t bytes, char text[32])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    int unit = 0;
    while (value >= 1000 && unit < 4) {
        value /= 1000;
        unit++;
    }
    snprintf(text, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

const char *cli_duration(double seconds, char text[32])
{
    unsigned long whole = seconds > 0 && seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 0;
    if (whole >= 3600)
        snprintf(text, 32, "%lu h %lu min", whole / 3600, whole / 60 % 60);
    else if (whole >= 60)
        snprintf(text, 32, "%lu min %lu s", whole / 60, whole % 60);
    else
        snprintf(text, 32, "%lu s", whole);
    return text;
}

void cli_add_device(void *object, const tmb_device_info *info)
{
    cJSON_AddStringToObject(object, "name", info->name);
    cJSON_AddStringToObject(object, "driver", info->driver);
    cJSON_AddStringToObject(object, "kind", info->kind);
    cJSON_AddNumberToObject(object, "memory_bytes", (double)info->memory_bytes);
    cJSON_AddNumberToObject(object, "memory_free", (double)info->memory_free);
    cJSON_AddNumberToObject(object, "storage_range", (double)info->storage_range);
    cJSON_AddNumberToObject(object, "subgroup_size", info->subgroup_size);
    cJSON_AddBoolToObject(object, "f16", info->f16);
    cJSON_AddBoolToObject(object, "matrix_units", info->matrix_units);
}

void cli_print_json_line(void *object)
{
    char *text = cJSON_PrintUnformatted(object);
    printf("%s\n", text ? text : "{}");
    free(text);
    cJSON_Delete(object);
}

void cli_print_json(void *object)
{
    char *text = cJSON_Print(object);
    printf("%s\n", text ? text : "{}");
    free(text);
    cJSON_Delete(object);
}

tmb_status cli_open(const CliArgs *args, tmb_model **model, tmb_device **device)
{
    const bool opens = model && !*model;
    if (opens) {
        tmb_status status = tmb_model_open(args->positional[0], model);
        if (status != TMB_OK)
            return status;
    }
    if (!device)
        return TMB_OK;
    char *program = os_executable();
    tmb_status status = tmb_device_open(
        &(tmb_device_params){
            .helper = program,
            .model = model ? *model : NULL,
            .retune = args->retune,
            .device = args->device,
            .caps = args->caps,
            .memory_cap = args->vram,
            .profile = args->profile,
            .validate = args->validate,
        },
        device);
    free(program);
    if (status != TMB_OK) {
        if (opens)
            tmb_model_close(model);
        return status;
    }
    if (!args->quiet && !args->json && os_is_terminal(stderr))
        fprintf(stderr, "device: %s\n", tmb_device_why(*device));
    return TMB_OK;
}

void cli_print_profile(const CliArgs *args, tmb_device *device, double wall)
{
    if (!args->profile || !device)
        return;
    size_t count;
    const tmb_profile_row *rows = tmb_device_profile(device, &count);
    double total = 0;
    for (size_t i = 0; i < count; i++)
        total += rows[i].seconds;
    fprintf(stderr, "%-32s %9s %6s %10s %9s %9s %9s\n", "kernel", "seconds", "%", "dispatches",
            "GFLOP/s", "GB/s", "% of roof");
    for (size_t i = 0; i < count; i++) {
        double seconds = rows[i].seconds > 0 ? rows[i].seconds : 1e-12;
        fprintf(stderr, "%-32s %9.3f %6.1f %10llu %9.2f %9.2f %9.1f\n", rows[i].label, rows[i].seconds,
                100 * rows[i].seconds / (total > 0 ? total : 1),
                (unsigned long long)rows[i].dispatches, rows[i].flops / seconds * 1e-9,
                rows[i].bytes / seconds * 1e-9, 100 * rows[i].roof_share);
    }
    fprintf(stderr, "%-32s %9.3f of %.3f s wall (%.1f %%)\n", "all kernels", total, wall,
            100 * total / (wall > 0 ? wall : 1));
}
