#include "showing.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"

static const char file_name[] = "quickstart.json";

void showing_clear(Showing *showing)
{
    for (size_t i = 0; i < SHOWN; i++)
        free(showing->replies[i]);
    *showing = (Showing){0};
}

/* ---- reading ------------------------------------------------------------- */

static tmb_status read_showing(const JsonAt *top, const char *key, Showing *out)
{
    JsonAt at, replies;
    const char *text;
    if (!json_has(top, key))
        return TMB_OK;
    TRY(json_object(top, key, &at));
    TRY(json_double(&at, "loss", &out->loss));
    TRY(json_double(&at, "seconds", &out->seconds));
    TRY(json_array(&at, "replies", &replies));
    if (json_count(&replies) != SHOWN)
        return fail(TMB_BAD_INPUT, "%s: %d replies are needed", top->source, SHOWN);
    for (size_t i = 0; i < SHOWN; i++) {
        JsonAt reply = json_element(&replies, i);
        TRY(json_as_string(&reply, &text));
        out->replies[i] = mem_string(text);
    }
    out->there = true;
    return TMB_OK;
}

static tmb_status read_showings(const JsonAt *top, const char *model,
                                const char *const letters[SHOWN], Showings *out)
{
    const char *text;
    JsonAt list;
    TRY(json_string(top, "model", &text));
    if (strcmp(text, model) != 0)
        return fail(TMB_BAD_INPUT, "%s is of another model", top->source);
    TRY(json_array(top, "letters", &list));
    if (json_count(&list) != SHOWN)
        return fail(TMB_BAD_INPUT, "%s: %d letters are needed", top->source, SHOWN);
    for (size_t i = 0; i < SHOWN; i++) {
        JsonAt letter = json_element(&list, i);
        TRY(json_as_string(&letter, &text));
        if (strcmp(text, letters[i]) != 0)
            return fail(TMB_BAD_INPUT, "%s is of other letters", top->source);
    }
    TRY(json_bool(top, "trained", &out->trained));
    TRY(read_showing(top, "before", &out->before));
    TRY(read_showing(top, "after", &out->after));
    if (out->after.there && !(out->trained && out->before.there))
        return fail(TMB_BAD_INPUT, "%s: an answer without its like before", top->source);
    return TMB_OK;
}

void showings_load(const char *run, const char *model, const char *const letters[SHOWN],
                   Showings *out)
{
    *out = (Showings){0};
    char *path = os_join(run, file_name);
    cJSON *tree = NULL;
    if (os_exists(path) && json_read_file(path, &tree) == TMB_OK) {
        JsonAt top = json_at(path, tree);
        if (read_showings(&top, model, letters, out) != TMB_OK) {
            showing_clear(&out->before);
            showing_clear(&out->after);
            *out = (Showings){0};
        }
    }
    cJSON_Delete(tree);
    free(path);
}

/* ---- writing ------------------------------------------------------------- */

static void add_showing(cJSON *tree, const char *key, const Showing *showing)
{
    if (!showing->there)
        return;
    cJSON *at = cJSON_AddObjectToObject(tree, key);
    cJSON_AddNumberToObject(at, "loss", showing->loss);
    cJSON_AddNumberToObject(at, "seconds", showing->seconds);
    cJSON_AddItemToObject(at, "replies",
                          cJSON_CreateStringArray((const char *const *)showing->replies, SHOWN));
}

tmb_status showings_save(const char *run, const char *model, const char *const letters[SHOWN],
                         const Showings *showings)
{
    if (!os_exists(run))
        return TMB_OK;
    char *path = os_join(run, file_name);
    cJSON *tree = cJSON_CreateObject();
    cJSON_AddStringToObject(tree, "model", model);
    cJSON_AddItemToObject(tree, "letters", cJSON_CreateStringArray(letters, SHOWN));
    cJSON_AddBoolToObject(tree, "trained", showings->trained);
    add_showing(tree, "before", &showings->before);
    add_showing(tree, "after", &showings->after);
    tmb_status status = json_write_file(path, tree);
    cJSON_Delete(tree);
    free(path);
    return status;
}
