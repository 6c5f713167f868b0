#ifndef BASE_JSON_H
#define BASE_JSON_H
/* Typed reading of JSON: every getter checks the type and names the file and the path
 * of the offending key ("config.json: optimizer.lr is a string, a number is needed").
 * Numbers beyond 2^53 do not survive JSON; json_hex keeps 64 bits in a string. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/status.h"

enum { JSON_PATH_BYTES = 160 };

/* A place in a document: an object, an array or a value, and how we got there. Plain
 * data; valid while the cJSON tree and the source name live. */
typedef struct JsonAt {
    const char *source;            /* file name for messages */
    const cJSON *node;
    char path[JSON_PATH_BYTES];    /* "optimizer.betas[1]", "" at the top */
} JsonAt;

/* TMB_BAD_INPUT, naming the key, when some object of the tree has a key twice: readers differ on
 * which of the two counts, so such documents are refused. source may be "". */
TMB_MUST_USE tmb_status json_check_keys(const char *source, const cJSON *tree);
/* Parses exactly one value, whose objects have each key once; the message names line and column, or
 * the key. *out by cJSON_Delete. */
TMB_MUST_USE tmb_status json_parse(const char *source, const char *text, size_t bytes,
                                   cJSON **out);
TMB_MUST_USE tmb_status json_read_file(const char *path, cJSON **out);
/* Writes the tree (indented) to a file that appears only when complete. */
TMB_MUST_USE tmb_status json_write_file(const char *path, const cJSON *tree);
JsonAt json_at(const char *source, const cJSON *tree);

/* Members of an object. The plain form needs the key; the _or form gives the fallback
 * when the key is missing or null. A wrong type is TMB_BAD_INPUT in both. */
TMB_MUST_USE tmb_status json_object(const JsonAt *at, const char *key, JsonAt *out);
TMB_MUST_USE tmb_status json_array(const JsonAt *at, const char *key, JsonAt *out);
TMB_MUST_USE tmb_status json_string(const JsonAt *at, const char *key, const char **out);
TMB_MUST_USE tmb_status json_double(const JsonAt *at, const char *key, double *out);
TMB_MUST_USE tmb_status json_u32(const JsonAt *at, const char *key, uint32_t *out);
TMB_MUST_USE tmb_status json_u64(const JsonAt *at, const char *key, uint64_t *out);
TMB_MUST_USE tmb_status json_bool(const JsonAt *at, const char *key, bool *out);
TMB_MUST_USE tmb_status json_hex(const JsonAt *at, const char *key, uint64_t *out);

TMB_MUST_USE tmb_status json_string_or(const JsonAt *at, const char *key, const char *fallback,
                                       const char **out);
TMB_MUST_USE tmb_status json_bool_or(const JsonAt *at, const char *key, bool fallback, bool *out);

/* Is the key there, and not null? */
bool json_has(const JsonAt *at, const char *key);

/* Elements of an array; index < json_count. Type checks as above. */
size_t json_count(const JsonAt *array);
JsonAt json_element(const JsonAt *array, size_t index);
/* The value itself, for elements of arrays. */
TMB_MUST_USE tmb_status json_as_object(const JsonAt *at);
TMB_MUST_USE tmb_status json_as_array(const JsonAt *at);
TMB_MUST_USE tmb_status json_as_string(const JsonAt *at, const char **out);
TMB_MUST_USE tmb_status json_as_double(const JsonAt *at, double *out);
TMB_MUST_USE tmb_status json_as_u64(const JsonAt *at, uint64_t *out);

/* Writing: the partner of json_hex. */
void json_add_hex(cJSON *object, const char *key, uint64_t value);

#endif
