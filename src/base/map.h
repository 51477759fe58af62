/* Hash map from bytes to a pointer (base/table.h has numbers for keys). Keys come from the outside
 * (domains, addresses), so the hash takes a seed that peers cannot know. */
#pragma once

#include "base/bytes.h"

struct map;

struct map *map_new(uint64_t seed);
/* Frees the map and its copies of the keys, not the values. */
void map_free(struct map *map);
size_t map_count(const struct map *map);

/* The value, or NULL. */
void *map_find(const struct map *map, struct bytes key);
/* Adds or replaces; copies the key; value is not NULL. Gives the replaced value or NULL. */
void *map_add(struct map *map, struct bytes key, void *value);
/* Removes and hands out the value, or NULL. */
void *map_take(struct map *map, struct bytes key);

/* Walks all entries in no order: start with *place 0; false at the end. The map must not change
 * in between, except that the entry just given may be taken. */
bool map_next(const struct map *map, size_t *place, void **value);
