#include "data/bytemap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

tmb_status bytemap_init(ByteMap *map, size_t count)
{
    size_t capacity = 16;
    while (capacity / 2 < count)      /* at most half full: short probe runs */
        capacity *= 2;
    *map = (ByteMap){.capacity = capacity};
    map->slots = mem_try(capacity, sizeof *map->slots);
    if (!map->slots)
        return fail(TMB_OUT_OF_HOST, "a table of %zu names does not fit into memory", count);
    return TMB_OK;
}

/* The slot that holds the key, or the free one where it belongs. FNV-1a, with a
 * final mix because the low bits pick the slot. */
static ByteMapSlot *slot_of(const ByteMap *map, const char *key, size_t bytes)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)key[i]) * 0x100000001b3u;
    hash ^= hash >> 32;
    for (size_t at = (size_t)hash & (map->capacity - 1);; at = (at + 1) & (map->capacity - 1)) {
        ByteMapSlot *slot = &map->slots[at];
        if (!slot->key || (slot->bytes == bytes && memcmp(slot->key, key, bytes) == 0))
            return slot;
    }
}

bool bytemap_add(ByteMap *map, const char *key, size_t bytes, uint32_t value)
{
    ByteMapSlot *slot = slot_of(map, key, bytes);
    if (slot->key)
        return false;
    assert(map->count < map->capacity / 2 && bytes <= UINT32_MAX);
    *slot = (ByteMapSlot){.key = key, .bytes = (uint32_t)bytes, .value = value};
    map->count++;
    return true;
}

void bytemap_set(ByteMap *map, const char *key, size_t bytes, uint32_t value)
{
    if (!bytemap_add(map, key, bytes, value))
        slot_of(map, key, bytes)->value = value;
}

bool bytemap_find(const ByteMap *map, const char *key, size_t bytes, uint32_t *value)
{
    if (!map->capacity)
        return false;
    const ByteMapSlot *slot = slot_of(map, key, bytes);
    if (!slot->key)
        return false;
    *value = slot->value;
    return true;
}

void bytemap_finish(ByteMap *map)
{
    free(map->slots);
    *map = (ByteMap){0};
}
