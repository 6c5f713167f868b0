#ifndef DATA_BYTEMAP_H
#define DATA_BYTEMAP_H
/* A hash map from byte strings to numbers. Keys are not copied: they must stay
 * where they are for the life of the map. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct ByteMapSlot {
    const char *key;      /* NULL: free */
    uint32_t bytes;
    uint32_t value;
} ByteMapSlot;

typedef struct ByteMap {
    ByteMapSlot *slots;
    size_t capacity;      /* a power of two, or 0 */
    size_t count;
} ByteMap;

/* Room for `count` keys; TMB_OUT_OF_HOST when it cannot be had. */
TMB_MUST_USE tmb_status bytemap_init(ByteMap *map, size_t count);
/* Adds a key, which must fit the room asked for. False, and nothing changes, when
 * the key is there already. */
bool bytemap_add(ByteMap *map, const char *key, size_t bytes, uint32_t value);
/* Sets the value of a key whether it is there already or not. */
void bytemap_set(ByteMap *map, const char *key, size_t bytes, uint32_t value);
bool bytemap_find(const ByteMap *map, const char *key, size_t bytes, uint32_t *value);
void bytemap_finish(ByteMap *map);

#endif
