/* kernel-check: every kernel row and case on every device, against the row's reference. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/os.h"
#include "chosen.h"
#include "compile.h"
#include "gpu/snapshot.h"
#include "kernels/kernel.h"
#include "options.h"
#include "retune.h"
#include "run.h"
#include "shader.h"

/* The checkout, for shader sources; the launcher knows it. */
static const char *checkout(void)
{
    const char *root = getenv("TIMBRE_ROOT");
    return root && *root ? root : ".";
}

static void list_all(const Options *options)
{
    for (size_t i = 0; i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        size_t bytes;
        const char *why;
        if (!glob_match(options->kernel, row->name))
            continue;
        bool built = kernel_spirv(row->name, &bytes, &why) != NULL;
        printf("%-28s family %-20s rank %3u needs 0x%03x, %u tunings%s%s\n", row->name, row->family,
               row->rank, row->needs, row->tuning_count ? row->tuning_count : 1, built ? "" : ": ",
               built ? "" : why);
        for (uint32_t c = 0; c < row->case_count; c++)
            printf("    %s\n", row->cases[c].name);
        if (row->large)
            puts("    large (what --bench takes on GPUs; checked when --case names it)");
    }
}

static void print_version(void)
{
    size_t built = 0, bytes;
    const char *why;
    for (size_t i = 0; i < kernel_count(); i++)
        built += kernel_spirv(kernel_at(i)->name, &bytes, &why) != NULL;
    printf("kernel-check: %zu of %zu kernels built, by %s\n", built, kernel_count(), GLSLANG);
    for (size_t i = 0; i < kernel_count(); i++)
        if (!kernel_spirv(kernel_at(i)->name, &bytes, &why))
            printf("  %s: %s; tools/compilers-setup fetches a newer one\n", kernel_at(i)->name, why);
}

static int contract(const char *name)
{
    const KernelRow *row = kernel_by_name(name);
    const char *near = row ? NULL : options_nearest(name);
    if (row)
        shader_contract(row, checkout());
    else
        fprintf(stderr, "kernel-check: --contract %s: there is no such kernel; %s%s%s\n", name,
                near ? "did you mean " : "see --list", near ? near : "", near ? "?" : "");
    return row ? 0 : 2;
}

static int write_snapshots(const char *path)
{
    GpuSnapshot *list = NULL;
    size_t count = 0;
    tmb_status status = gpu_snapshots(&list, &count);
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(array, snapshot_to_json(&list[i]));
    if (status == TMB_OK)
        status = json_write_file(path, array);
    if (status != TMB_OK)
        fprintf(stderr, "kernel-check: %s\n", tmb_last_error());
    cJSON_Delete(array);
    free(list);
    return options_exit_code(status);
}

int main(int argc, char **argv)
{
    Options options;
    os_arguments(&argc, &argv);
    os_interrupt_install();
    int code;
    if (retune_child(argc, argv, &code))
        return code;
    tmb_status status = options_read(argc, argv, &options);
    if (status == TMB_OK && (options.list || options.compile_for))
        status = chosen_any(&options);
    if (status != TMB_OK) {
        fprintf(stderr, "kernel-check: %s\n", tmb_last_error());
        return options_exit_code(TMB_USAGE);
    }
    if (options.help)
        options_help();
    else if (options.version)
        print_version();
    else if (options.list)
        list_all(&options);
    else if (options.contract)
        return contract(options.contract);
    else if (options.compile_here)
        return compile_here(&options);
    else if (options.compile_for)
        return compile_for(&options);
    else if (options.snapshot)
        return write_snapshots(options.snapshot);
    else
        return run_selected(&options, checkout());
    return 0;
}
