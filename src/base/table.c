#include "base/table.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

/* Open addressing with linear probing; a value that is taken leaves a mark, so that walks stay
 * valid, and rehashing clears the marks. */
struct place {
    uint64_t key; /* without a value: TAKEN, or 0: never used */
    void *value;
};

enum { TAKEN = 1 };

struct table {
    struct place *places;
    size_t cap, count, used; /* used: filled or marked */
    uint64_t seed;
};

struct table *table_new(uint64_t seed)
{
    struct table *table = NEW(struct table);
    table->seed = seed;
    return table;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    free(table->places);
    free(table);
}

size_t table_count(const struct table *table)
{
    return table->count;
}

static size_t first_place(const struct table *table, uint64_t key)
{
    uint64_t state = key ^ table->seed;
    return random_next(&state) & (table->cap - 1);
}

static struct place *place_find(const struct table *table, uint64_t key)
{
    if (table->cap == 0)
        return NULL;
    for (size_t i = first_place(table, key);; i = (i + 1) & (table->cap - 1)) {
        struct place *place = &table->places[i];
        if (place->value ? place->key == key : place->key != TAKEN)
            return place->value ? place : NULL;
    }
}

static struct place *place_free(const struct table *table, uint64_t key)
{
    size_t i = first_place(table, key);
    while (table->places[i].value)
        i = (i + 1) & (table->cap - 1);
    return &table->places[i];
}

static void rehash(struct table *table)
{
    struct table old = *table;
    size_t cap = 16;
    while (cap / 2 <= old.count)
        cap *= 2;
    table->places = memory_new(cap, sizeof *table->places);
    table->cap = cap;
    table->used = old.count;
    for (size_t i = 0; i < old.cap; i++)
        if (old.places[i].value)
            *place_free(table, old.places[i].key) = old.places[i];
    free(old.places);
}

void *table_find(const struct table *table, uint64_t key)
{
    const struct place *place = place_find(table, key);
    return place ? place->value : NULL;
}

void *table_add(struct table *table, uint64_t key, void *value)
{
    ASSERT(value);
    struct place *place = place_find(table, key);
    if (place) {
        void *old = place->value;
        place->value = value;
        return old;
    }
    if (table->used >= table->cap / 4 * 3)
        rehash(table);
    place = place_free(table, key);
    table->used += place->key != TAKEN;
    *place = (struct place){key, value};
    table->count++;
    return NULL;
}

void *table_take(struct table *table, uint64_t key)
{
    struct place *place = place_find(table, key);
    if (!place)
        return NULL;
    void *value = place->value;
    *place = (struct place){.key = TAKEN};
    table->count--;
    return value;
}

bool table_next(const struct table *table, size_t *place, void **value)
{
    while (*place < table->cap) {
        *value = table->places[(*place)++].value;
        if (*value)
            return true;
    }
    return false;
}
