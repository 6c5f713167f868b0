#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"

static const double largest_exact_integer = 9007199254740992.0;   /* 2^53 */

static void line_and_column(const char *text, size_t offset, size_t *line, size_t *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < offset; i++) {
        ++*column;
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        }
    }
}

static int by_key(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* By sorting: vocabularies are objects of 100,000 keys. */
static tmb_status check_here(const char *source, const cJSON *object)
{
    size_t count = 0;
    for (const cJSON *item = object->child; item; item = item->next)
        count++;
    const char **keys = mem_try(count + 1, sizeof *keys);
    if (!keys)
        return fail(TMB_OUT_OF_HOST, "%s: no memory for an object of %zu keys", source, count);
    count = 0;
    for (const cJSON *item = object->child; item; item = item->next)
        keys[count++] = item->string;
    qsort(keys, count, sizeof *keys, by_key);
    tmb_status status = TMB_OK;
    for (size_t i = 1; i < count && status == TMB_OK; i++)
        if (!strcmp(keys[i - 1], keys[i]))
            status = fail(TMB_BAD_INPUT, "%s%sthe key \"%.60s\" stands twice in one object; keep "
                          "the one that is meant", source, *source ? ": " : "", keys[i]);
    free(keys);
    return status;
}

/* As deep as cJSON reads (CJSON_NESTING_LIMIT). */
tmb_status json_check_keys(const char *source, const cJSON *tree)
{
    if (cJSON_IsObject(tree))
        TRY(check_here(source, tree));
    for (const cJSON *item = tree ? tree->child : NULL; item; item = item->next)
        TRY(json_check_keys(source, item));
    return TMB_OK;
}

tmb_status json_parse(const char *source, const char *text, size_t bytes, cJSON **out)
{
    const char *end = NULL;
    *out = NULL;
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {   /* Windows editors add it */
        text += 3;
        bytes -= 3;
    }
    cJSON *tree = cJSON_ParseWithLengthOpts(text, bytes, &end, 0);
    size_t offset = end ? (size_t)(end - text) : 0;
    if (offset > bytes)
        offset = bytes;
    if (tree) {
        size_t rest = offset;
        while (rest < bytes && strchr(" \t\r\n", text[rest]) && text[rest])
            rest++;
        if (rest == bytes) {
            tmb_status status = json_check_keys(source, tree);
            if (status != TMB_OK)
                cJSON_Delete(tree);
            else
                *out = tree;
            return status;
        }
        offset = rest;
        cJSON_Delete(tree);
    }
    size_t line, column;
    line_and_column(text, offset, &line, &column);
    return fail(TMB_BAD_INPUT, "%s: line %zu, column %zu: this is not valid JSON", source, line,
                column);
}

tmb_status json_read_file(const char *path, cJSON **out)
{
    char *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    TRY(os_read_file(path, &text, &bytes));
    tmb_status status = json_parse(path, text, bytes, out);
    free(text);
    return status;
}

tmb_status json_write_file(const char *path, const cJSON *tree)
{
    char *text = cJSON_Print(tree);
    if (!text)
        return fail(TMB_OUT_OF_HOST, "%s: no memory to write it", path);
    Text whole = {0};
    text_append(&whole, text, strlen(text));
    text_append(&whole, "\n", 1);
    cJSON_free(text);
    tmb_status status = os_write_file(path, whole.data, whole.bytes);
    text_finish(&whole);
    return status;
}

JsonAt json_at(const char *source, const cJSON *tree)
{
    return (JsonAt){.source = source, .node = tree};
}

static const char *type_name(const cJSON *node)
{
    if (!node)
        return "missing";
    switch (node->type & 0xff) {
    case cJSON_False:
    case cJSON_True: return "true or false";
    case cJSON_NULL: return "null";
    case cJSON_Number: return "a number";
    case cJSON_String: return "a string";
    case cJSON_Array: return "an array";
    case cJSON_Object: return "an object";
    default: return "of an unknown type";
    }
}

static tmb_status wrong_type(const JsonAt *at, const char *needed)
{
    return fail(TMB_BAD_INPUT, "%s: %s is %s, %s is needed", at->source,
                at->path[0] ? at->path : "the top level", type_name(at->node), needed);
}

static tmb_status wrong_value(const JsonAt *at, const char *needed)
{
    return fail(TMB_BAD_INPUT, "%s: %s is %.17g, %s is needed", at->source,
                at->path[0] ? at->path : "the top level", at->node->valuedouble, needed);
}

static JsonAt member(const JsonAt *at, const char *key)
{
    JsonAt child = {.source = at->source};
    snprintf(child.path, sizeof child.path, "%.100s%s%s", at->path, at->path[0] ? "." : "", key);
    if (cJSON_IsObject(at->node))
        child.node = cJSON_GetObjectItemCaseSensitive(at->node, key);
    return child;
}

bool json_has(const JsonAt *at, const char *key)
{
    JsonAt child = member(at, key);
    return child.node && !cJSON_IsNull(child.node);
}

tmb_status json_as_object(const JsonAt *at)
{
    return cJSON_IsObject(at->node) ? TMB_OK : wrong_type(at, "an object");
}

tmb_status json_as_array(const JsonAt *at)
{
    return cJSON_IsArray(at->node) ? TMB_OK : wrong_type(at, "an array");
}

tmb_status json_as_string(const JsonAt *at, const char **out)
{
    if (!cJSON_IsString(at->node))
        return wrong_type(at, "a string");
    *out = at->node->valuestring;
    return TMB_OK;
}

tmb_status json_as_double(const JsonAt *at, double *out)
{
    if (!cJSON_IsNumber(at->node))
        return wrong_type(at, "a number");
    if (!isfinite(at->node->valuedouble))
        return wrong_value(at, "a finite number");
    *out = at->node->valuedouble;
    return TMB_OK;
}

static tmb_status as_integer(const JsonAt *at, double largest, const char *needed, uint64_t *out)
{
    double value;
    TRY(json_as_double(at, &value));
    if (value < 0 || value > largest || value != floor(value))
        return wrong_value(at, needed);
    *out = (uint64_t)value;
    return TMB_OK;
}

tmb_status json_as_u64(const JsonAt *at, uint64_t *out)
{
    return as_integer(at, largest_exact_integer, "a whole number from 0 to 2^53", out);
}

tmb_status json_object(const JsonAt *at, const char *key, JsonAt *out)
{
    *out = member(at, key);
    return json_as_object(out);
}

tmb_status json_array(const JsonAt *at, const char *key, JsonAt *out)
{
    *out = member(at, key);
    return json_as_array(out);
}

tmb_status json_string(const JsonAt *at, const char *key, const char **out)
{
    JsonAt child = member(at, key);
    return json_as_string(&child, out);
}

tmb_status json_double(const JsonAt *at, const char *key, double *out)
{
    JsonAt child = member(at, key);
    return json_as_double(&child, out);
}

tmb_status json_u32(const JsonAt *at, const char *key, uint32_t *out)
{
    JsonAt child = member(at, key);
    uint64_t value = 0;
    TRY(as_integer(&child, UINT32_MAX, "a whole number from 0 to 2^32 - 1", &value));
    *out = (uint32_t)value;
    return TMB_OK;
}

tmb_status json_u64(const JsonAt *at, const char *key, uint64_t *out)
{
    JsonAt child = member(at, key);
    return json_as_u64(&child, out);
}

tmb_status json_bool(const JsonAt *at, const char *key, bool *out)
{
    JsonAt child = member(at, key);
    if (!cJSON_IsBool(child.node))
        return wrong_type(&child, "true or false");
    *out = cJSON_IsTrue(child.node);
    return TMB_OK;
}

tmb_status json_hex(const JsonAt *at, const char *key, uint64_t *out)
{
    const char *text;
    TRY(json_string(at, key, &text));
    size_t digits = strlen(text);
    if (digits == 0 || digits > 16 || strspn(text, "0123456789abcdef") != digits) {
        JsonAt child = member(at, key);
        return fail(TMB_BAD_INPUT, "%s: %s is \"%.40s\", 1 to 16 lower-case hex digits are needed",
                    child.source, child.path, text);
    }
    *out = strtoull(text, NULL, 16);
    return TMB_OK;
}

void json_add_hex(cJSON *object, const char *key, uint64_t value)
{
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, value);
    cJSON_AddStringToObject(object, key, text);
}

tmb_status json_string_or(const JsonAt *at, const char *key, const char *fallback,
                          const char **out)
{
    *out = fallback;
    return json_has(at, key) ? json_string(at, key, out) : TMB_OK;
}

tmb_status json_bool_or(const JsonAt *at, const char *key, bool fallback, bool *out)
{
    *out = fallback;
    return json_has(at, key) ? json_bool(at, key, out) : TMB_OK;
}

size_t json_count(const JsonAt *array)
{
    int count = cJSON_IsArray(array->node) ? cJSON_GetArraySize(array->node) : 0;
    return count > 0 ? (size_t)count : 0;
}

JsonAt json_element(const JsonAt *array, size_t index)
{
    JsonAt child = {.source = array->source};
    snprintf(child.path, sizeof child.path, "%.120s[%zu]", array->path, index);
    if (cJSON_IsArray(array->node) && index <= INT32_MAX)
        child.node = cJSON_GetArrayItem(array->node, (int)index);
    return child;
}
