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
} Field;

#define TEXT(name) {#name, FIELD_TEXT, offsetof(RunConfig, name), false}
#define PATH(name) {#name, FIELD_TEXT, offsetof(RunConfig, name), true}
#define PATHS(name) {#name, FIELD_LIST, offsetof(RunConfig, name), true}
#define LIST(name) {#name, FIELD_LIST, offsetof(RunConfig, name), false}
#define WHOLE(name) {#name, FIELD_COUNT, offsetof(RunConfig, name), false}
#define REAL(name) {#name, FIELD_NUMBER, offsetof(RunConfig, name), false}

static const Field fields[] = {
    WHOLE(format), TEXT(version), PATH(model), TEXT(model_sha256), PATHS(data), LIST(data_sha256),
    PATH(validation), TEXT(validation_sha256), TEXT(method), WHOLE(rank), REAL(alpha),
    TEXT(targets), PATH(initial), TEXT(initial_sha256), WHOLE(seed), WHOLE(steps), WHOLE(step_examples), WHOLE(row_tokens),
    REAL(learning_rate), TEXT(schedule), WHOLE(warmup_steps), REAL(weight_decay), REAL(beta1),
    REAL(beta2), REAL(epsilon), REAL(max_grad_norm), WHOLE(eval_every), WHOLE(patience),
    WHOLE(checkpoint_every), REAL(max_seconds), WHOLE(recompute_level), WHOLE(recompute_layers),
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

char *run_config_print(const RunConfig *config)
{
    cJSON *json = cJSON_CreateObject();
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        cJSON_AddItemToObject(json, fields[i].name, field_to_json(config, &fields[i]));
    char *printed = cJSON_Print(json);
    cJSON_Delete(json);
    char *text = mem_string(printed ? printed : "{}");   /* cJSON's block has its own allocator */
    cJSON_free(printed);
    return text;
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
        return json_u64(at, field->name, to);
    case FIELD_NUMBER:
        return json_double(at, field->name, to);
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

char *run_config_difference(const RunConfig *was, const RunConfig *is)
{
    Text lines = {0};
    text_append(&lines, "", 0);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (fields[i].free)
            continue;
        cJSON *a = field_to_json(was, &fields[i]), *b = field_to_json(is, &fields[i]);
        if (!cJSON_Compare(a, b, true)) {
            char *before = cJSON_PrintUnformatted(a), *after = cJSON_PrintUnformatted(b);
            text_print(&lines, "%s: was %s, is %s\n", fields[i].name, before, after);
            cJSON_free(before);
            cJSON_free(after);
        }
        cJSON_Delete(a);
        cJSON_Delete(b);
    }
    return lines.data;
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
