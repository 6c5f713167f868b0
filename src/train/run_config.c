#include "train/run_config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

typedef enum FieldKind { FIELD_TEXT, FIELD_LIST, FIELD_COUNT, FIELD_NUMBER } FieldKind;

typedef struct Field {
    const char *name;
    FieldKind kind;
    size_t offset;
    bool free;      /* may differ between the machines of one run without changing its bits */
    double least, most;      /* of a number: sizes are computed from them */
} Field;

#define TEXT(name) {#name, FIELD_TEXT, offsetof(RunConfig, name), false, 0, 0}
#define PATH(name) {#name, FIELD_TEXT, offsetof(RunConfig, name), true, 0, 0}
#define PATHS(name) {#name, FIELD_LIST, offsetof(RunConfig, name), true, 0, 0}
#define LIST(name) {#name, FIELD_LIST, offsetof(RunConfig, name), false, 0, 0}
#define WHOLE(name, least, most) \
    {#name, FIELD_COUNT, offsetof(RunConfig, name), false, least, most}
#define REAL(name, least, most) \
    {#name, FIELD_NUMBER, offsetof(RunConfig, name), false, least, most}
#define ANY 0x1p53           /* the largest whole number that JSON carries */

static const Field fields[] = {
    WHOLE(format, 0, ANY), TEXT(version), PATH(model), TEXT(model_sha256), PATHS(data),
    LIST(data_sha256), PATH(validation), TEXT(validation_sha256), TEXT(method),
    WHOLE(rank, 1, 65536), REAL(alpha, 0, 1e30), TEXT(targets), PATH(initial),
    TEXT(initial_sha256), WHOLE(seed, 0, ANY), WHOLE(steps, 1, 1e9),
    WHOLE(step_examples, 1, 65536), WHOLE(row_tokens, 1, 65536), REAL(learning_rate, 0, 10),
    TEXT(schedule), WHOLE(warmup_steps, 0, 1e9), REAL(weight_decay, 0, 10), REAL(beta1, 0, 1),
    REAL(beta2, 0, 1), REAL(epsilon, 0, 1), REAL(max_grad_norm, 0, 1e9),
    WHOLE(eval_every, 0, ANY), WHOLE(patience, 0, ANY), WHOLE(checkpoint_every, 0, ANY),
    REAL(max_seconds, 0, 1e9), WHOLE(recompute_level, 0, 2), WHOLE(recompute_layers, 0, 1024),
    TEXT(device), TEXT(driver), LIST(kernels),
};

static void *field_at(const RunConfig *config, const Field *field)
{
    return (char *)(uintptr_t)config + field->offset;
}

void string_list_add(StringList *list, const char *text)
{
    list->items = mem_grow(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = mem_string(text);
}

void string_list_finish(StringList *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (StringList){0};
}

/* The shortest digits that read back to the same double: cJSON's own printing may be one
 * unit off, and a learning rate that is one unit off changes the bits of a resumed run. */
static cJSON *exact_number(double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return cJSON_CreateRaw(text);
}

static cJSON *field_to_json(const RunConfig *config, const Field *field)
{
    const void *at = field_at(config, field);
    switch (field->kind) {
    case FIELD_TEXT: {
        const char *text = *(char *const *)at;
        return cJSON_CreateString(text ? text : "");
    }
    case FIELD_LIST: {
        const StringList *list = at;
        cJSON *array = cJSON_CreateArray();
        for (size_t i = 0; i < list->count; i++)
            cJSON_AddItemToArray(array, cJSON_CreateString(list->items[i]));
        return array;
    }
    case FIELD_COUNT:
        return exact_number((double)*(const uint64_t *)at);
    case FIELD_NUMBER:
        return exact_number(*(const double *)at);
    }
    return NULL;
}

static char *print_fields(const RunConfig *config, bool paths)
{
    cJSON *json = cJSON_CreateObject();
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (paths || !fields[i].free)
            cJSON_AddItemToObject(json, fields[i].name, field_to_json(config, &fields[i]));
    char *printed = cJSON_Print(json);
    cJSON_Delete(json);
    char *text = mem_string(printed ? printed : "{}");   /* cJSON's block has its own allocator */
    cJSON_free(printed);
    return text;
}

char *run_config_print(const RunConfig *config)
{
    return print_fields(config, true);
}

char *run_config_identity(const RunConfig *config)
{
    return print_fields(config, false);
}

static tmb_status read_list(const JsonAt *at, const char *name, StringList *list)
{
    JsonAt array;
    TRY(json_array(at, name, &array));
    for (size_t i = 0; i < json_count(&array); i++) {
        JsonAt item = json_element(&array, i);
        const char *text;
        TRY(json_as_string(&item, &text));
        string_list_add(list, text);
    }
    return TMB_OK;
}

static tmb_status check_range(const char *path, const Field *field, double value)
{
    if (value >= field->least && value <= field->most)
        return TMB_OK;
    return fail(TMB_BAD_INPUT, "%s: %s is %g, it must lie between %g and %g; the file is damaged",
                path, field->name, value, field->least, field->most);
}

static tmb_status read_field(const JsonAt *at, const Field *field, RunConfig *config)
{
    void *to = field_at(config, field);
    const char *text;
    switch (field->kind) {
    case FIELD_TEXT:
        TRY(json_string(at, field->name, &text));
        *(char **)to = mem_string(text);
        return TMB_OK;
    case FIELD_LIST:
        return read_list(at, field->name, to);
    case FIELD_COUNT:
        TRY(json_u64(at, field->name, to));
        return check_range(at->source, field, (double)*(const uint64_t *)to);
    case FIELD_NUMBER:
        TRY(json_double(at, field->name, to));
        return check_range(at->source, field, *(const double *)to);
    }
    return TMB_OK;
}

tmb_status run_config_parse(const char *path, const char *json, size_t bytes, RunConfig *out)
{
    cJSON *root;
    *out = (RunConfig){0};
    TRY(json_parse(path, json, bytes, &root));
    JsonAt at = json_at(path, root);
    tmb_status status = json_as_object(&at);
    for (size_t i = 0; !status && i < COUNT_OF(fields); i++) {
        status = read_field(&at, &fields[i], out);
        if (!status && out->format != RUN_FORMAT)   /* the first field */
            status = fail(TMB_UNSUPPORTED, "%s has format %llu, this Timbre reads %d; use the "
                          "version that made it", path, (unsigned long long)out->format,
                          RUN_FORMAT);
    }
    cJSON_Delete(root);
    return status;
}

void run_config_finish(RunConfig *config)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        void *at = field_at(config, &fields[i]);
        if (fields[i].kind == FIELD_TEXT)
            free(*(char **)at);
        else if (fields[i].kind == FIELD_LIST)
            string_list_finish(at);
    }
    *config = (RunConfig){0};
}
