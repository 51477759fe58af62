#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

/* Open addressing with linear probing; a taken entry leaves a mark (TAKEN) so that walks stay
 * valid, and rehashing on growth clears the marks. Short keys are stored in the entry. */
enum { INLINE_KEY = 8 };

struct entry {
    void *value; /* NULL: free or taken */
    uint32_t hash;
    uint32_t len;
    union {
        uint8_t bytes[INLINE_KEY];
        uint8_t *heap; /* when len > INLINE_KEY */
    } key;
};

static const uint32_t TAKEN = 1; /* the hash of a free entry whose value was taken */

struct map {
    struct entry *entries;
    size_t cap, count, used; /* used: filled or taken */
    uint64_t seed;
};

struct map *map_new(uint64_t seed)
{
    struct map *map = NEW(struct map);
    map->seed = seed;
    return map;
}

static const uint8_t *entry_key(const struct entry *entry)
{
    return entry->len > INLINE_KEY ? entry->key.heap : entry->key.bytes;
}

static void entry_clear(struct entry *entry, uint32_t mark)
{
    if (entry->len > INLINE_KEY)
        free(entry->key.heap);
    *entry = (struct entry){.hash = mark};
}

void map_free(struct map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->cap; i++)
        if (map->entries[i].value)
            entry_clear(&map->entries[i], 0);
    free(map->entries);
    free(map);
}

size_t map_count(const struct map *map)
{
    return map->count;
}

static uint32_t key_hash(const struct map *map, struct bytes key)
{
    return (uint32_t)hash_bytes(key, map->seed);
}

static struct entry *entry_find(const struct map *map, struct bytes key, uint32_t hash)
{
    if (map->cap == 0)
        return NULL;
    for (size_t i = hash & (map->cap - 1);; i = (i + 1) & (map->cap - 1)) {
        struct entry *entry = &map->entries[i];
        if (!entry->value) {
            if (entry->hash == TAKEN)
                continue;
            return NULL;
        }
        if (entry->hash == hash && bytes_equal((struct bytes){entry_key(entry), entry->len}, key))
            return entry;
    }
}

static struct entry *entry_free(const struct map *map, uint32_t hash)
{
    size_t i = hash & (map->cap - 1);
    while (map->entries[i].value)
        i = (i + 1) & (map->cap - 1);
    return &map->entries[i];
}

static void map_rehash(struct map *map)
{
    struct map old = *map;
    size_t cap = 16;
    while (cap / 2 <= old.count)
        cap *= 2;
    map->entries = memory_new(cap, sizeof *map->entries);
    map->cap = cap;
    map->used = old.count;
    for (size_t i = 0; i < old.cap; i++)
        if (old.entries[i].value)
            *entry_free(map, old.entries[i].hash) = old.entries[i];
    free(old.entries);
}

void *map_find(const struct map *map, struct bytes key)
{
    struct entry *entry = entry_find(map, key, key_hash(map, key));
    return entry ? entry->value : NULL;
}

void *map_add(struct map *map, struct bytes key, void *value)
{
    ASSERT(value && key.len <= UINT32_MAX);
    uint32_t hash = key_hash(map, key);
    struct entry *entry = entry_find(map, key, hash);
    if (entry) {
        void *old = entry->value;
        entry->value = value;
        return old;
    }
    if (map->used >= map->cap / 4 * 3)
        map_rehash(map);
    entry = entry_free(map, hash);
    if (entry->hash != TAKEN)
        map->used++;
    *entry = (struct entry){.value = value, .hash = hash, .len = (uint32_t)key.len};
    uint8_t *copy = entry->key.bytes;
    if (key.len > INLINE_KEY)
        copy = entry->key.heap = memory_new(key.len, 1);
    if (key.len)
        memcpy(copy, key.at, key.len);
    map->count++;
    return NULL;
}

void *map_take(struct map *map, struct bytes key)
{
    struct entry *entry = entry_find(map, key, key_hash(map, key));
    if (!entry)
        return NULL;
    void *value = entry->value;
    entry_clear(entry, TAKEN);
    map->count--;
    return value;
}

bool map_next(const struct map *map, size_t *place, void **value)
{
    while (*place < map->cap) {
        const struct entry *entry = &map->entries[(*place)++];
        if (entry->value) {
            *value = entry->value;
            return true;
        }
    }
    return false;
}
