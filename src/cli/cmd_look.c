/* devices, inspect, tokenize, data: looking without changing anything. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/os.h"
#include "base/status.h"
#include "cli/commands.h"

static void print_device(size_t index, const tmb_device_info *info)
{
    char total[32], available[32], range[32];
    printf("%zu  %s\n", index, info->name);
    if (info->problem[0])
        printf("   cannot be used: %s\n", info->problem);
    printf("   %s, Vulkan %u.%u, %s\n", info->kind, info->api_major, info->api_minor, info->driver);
    printf("   memory %s, free now %s; one binding covers %s\n",
           cli_bytes(info->memory_bytes, total), cli_bytes(info->memory_free, available),
           cli_bytes(info->storage_range, range));
    printf("   subgroups of %u, workgroups to %u, shared memory %u KiB, f16 %s, matrix units %s\n",
           info->subgroup_size, info->max_invocations, info->shared_bytes / 1024,
           info->f16 ? "yes" : "no", info->matrix_units ? "yes" : "no");
}

static cJSON *device_json(const tmb_device_info *info)
{
    cJSON *row = cJSON_CreateObject();
    cli_add_device(row, info);
    cJSON_AddStringToObject(row, "problem", info->problem);
    return row;
}

tmb_status cmd_devices(const CliArgs *args)
{
    tmb_device_info *list = NULL;
    tmb_device *device = NULL;
    size_t count = 0;
    TRY(tmb_device_list(&list, &count));
    /* opened before anything is printed: a wrong --caps or --device prints nothing else */
    CliArgs quiet = {.device = args->device, .caps = args->caps, .vram = args->vram, .retune = args->retune,
                     .quiet = true};
    tmb_status status = cli_open(&quiet, NULL, &device);
    if (status == TMB_OK && args->json) {
        cJSON *rows = cJSON_CreateArray();
        for (size_t i = 0; i < count; i++)
            cJSON_AddItemToArray(rows, device_json(&list[i]));
        cli_print_json(rows);
    } else if (status == TMB_OK) {
        for (size_t i = 0; i < count; i++)
            print_device(i, &list[i]);
        printf("\nTimbre would use %s\n", tmb_device_why(device));
        for (unsigned i = 0; tmb_device_note(device, i); i++)
            printf("  %s\n", tmb_device_note(device, i));
    }
    tmb_device_close(&device);
    free(list);
    return status;
}

tmb_status cmd_inspect(const CliArgs *args)
{
    tmb_model *model = NULL;
    char *text = NULL;
    TRY(cli_open(args, &model, NULL));
    tmb_status status = tmb_model_inspect(model, args->json, &text);
    if (status == TMB_OK)
        fputs(text, stdout);
    free(text);
    tmb_model_close(&model);
    return status;
}

/* One line; control characters, also U+0080 to U+009F, as escapes. */
static void print_escaped(const char *piece, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)piece[i];
        unsigned char next = i + 1 < bytes ? (unsigned char)piece[i + 1] : 0xff;
        unsigned char last = i ? (unsigned char)piece[i - 1] : 0;
        bool high = (byte == 0xc2 && next < 0xa0) || (last == 0xc2 && byte < 0xa0);
        if (byte < 0x20 || byte == 0x7f || high)
            printf("\\x%02x", byte);
        else
            putchar(byte);
    }
    putchar('\n');
}

static tmb_status print_pieces(const CliArgs *args, tmb_model *model, const uint32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (args->ids) {
            printf("%s%u", i ? " " : "", ids[i]);
            continue;
        }
        char *piece = NULL;
        size_t bytes;
        TRY(tmb_model_detokenize(model, &ids[i], 1, &piece, &bytes));
        printf("%8u  ", ids[i]);
        print_escaped(piece, bytes);
        free(piece);
    }
    if (args->ids)
        putchar('\n');
    else
        printf("%zu token%s\n", count, plural(count));
    return TMB_OK;
}

static void print_ids_json(const uint32_t *ids, size_t count)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "tokens", (double)count);
    cJSON *list = cJSON_AddArrayToObject(object, "ids");
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber(ids[i]));
    cli_print_json_line(object);
}

tmb_status cmd_tokenize(const CliArgs *args)
{
    tmb_model *model = NULL;
    char *data = NULL;
    uint32_t *ids = NULL;
    size_t bytes, count;
    tmb_status status = TMB_OK;
    TRY_OR(done, status, cli_open(args, &model, NULL));
    TRY_OR(done, status, os_read_file(args->positional[1], &data, &bytes));
    TRY_OR(done, status, tmb_model_tokenize(model, data, bytes, args->special, &ids, &count));
    if (args->json)
        print_ids_json(ids, count);
    else
        status = print_pieces(args, model, ids, count);
done:
    free(ids);
    free(data);
    tmb_model_close(&model);
    return status;
}

static tmb_status data_check(const CliArgs *args, tmb_model *model, const char *file)
{
    tmb_data_report report;
    TRY(tmb_data_check(model, file, (uint32_t)args->row_tokens, &report));
    if (args->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddNumberToObject(object, "examples", (double)report.examples);
        cJSON_AddNumberToObject(object, "tokens", (double)report.tokens);
        cJSON_AddNumberToObject(object, "supervised", (double)report.supervised);
        cJSON_AddNumberToObject(object, "longest", (double)report.longest);
        cJSON_AddNumberToObject(object, "truncated", (double)report.truncated);
        cJSON_AddNumberToObject(object, "empty_replies", (double)report.empty_replies);
        cJSON_AddNumberToObject(object, "duplicates", (double)report.duplicates);
        cli_print_json(object);
        return TMB_OK;
    }
    printf("%s: %llu example%s, %llu tokens, %llu of them supervised (%.0f %%), longest %llu\n",
           strcmp(file, "-") ? file : "standard input",
           (unsigned long long)report.examples, plural(report.examples),
           (unsigned long long)report.tokens,
           (unsigned long long)report.supervised,
           100.0 * (double)report.supervised / (double)(report.tokens ? report.tokens : 1),
           (unsigned long long)report.longest);
    if (report.truncated)
        printf("warning: %llu example%s longer than a row and would be cut; raise --row-tokens\n",
               (unsigned long long)report.truncated, report.truncated == 1 ? " is" : "s are");
    if (report.empty_replies)
        printf("warning: %llu example%s an empty reply\n", (unsigned long long)report.empty_replies,
               report.empty_replies == 1 ? " has" : "s have");
    if (report.duplicates)
        printf("warning: %llu example%s another one\n", (unsigned long long)report.duplicates,
               report.duplicates == 1 ? " repeats" : "s repeat");
    return TMB_OK;
}

tmb_status cmd_data(const CliArgs *args)
{
    const char *verb = args->positional[0];
    bool show = !strcmp(verb, "show");
    if (!show && strcmp(verb, "check"))
        return fail(TMB_USAGE, "'timbre data %s' is unknown; it is check or show", verb);
    tmb_model *model = NULL;
    char *text = NULL;
    tmb_status status = TMB_OK;
    TRY_OR(done, status, tmb_model_open(args->positional[1], &model));
    if (show) {
        const char *file = args->positional[2];
        size_t limit = (size_t)args->limit;
        TRY_OR(done, status, args->json ? tmb_data_show_json(model, file, limit, &text)
                                        : tmb_data_show(model, file, limit, os_is_terminal(stdout), &text));
        fputs(text, stdout);
    } else {
        status = data_check(args, model, args->positional[2]);
    }
done:
    free(text);
    tmb_model_close(&model);
    return status;
}
