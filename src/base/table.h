/* Hash table from a number (an id, a hash) to a pointer: 16 bytes a place, of which at most three
 * quarters are taken. Numbers are our own, never chosen by a peer. */
#pragma once

#include "base/bytes.h"

struct table;

struct table *table_new(uint64_t seed);
/* Frees the table, not the values. */
void table_free(struct table *table);
size_t table_count(const struct table *table);

/* The value, or NULL. */
void *table_find(const struct table *table, uint64_t key);
/* Adds or replaces; value is not NULL. Gives the replaced value or NULL. */
void *table_add(struct table *table, uint64_t key, void *value);
/* Removes and hands out the value, or NULL. */
void *table_take(struct table *table, uint64_t key);

/* Walks all values in no order: start with *place 0; false at the end. The table must not change
 * in between, except that the value just given may be taken. */
bool table_next(const struct table *table, size_t *place, void **value);
