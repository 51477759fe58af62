#include "daemon/keeper_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"

/* Exists while something of it waits. */
struct keeper_source {
    struct list link;
    struct list items;
    size_t count, name_len;
    uint8_t name[];
};

struct keeper_queue {
    size_t limit, source_limit, count;
    struct map *by_name;
    struct list sources; /* the one whose turn is next in front */
};

struct keeper_queue *keeper_queue_new(size_t limit, size_t source_limit, uint64_t seed)
{
    struct keeper_queue *queue = NEW(struct keeper_queue);
    queue->limit = limit;
    queue->source_limit = source_limit;
    queue->by_name = map_new(seed);
    list_init(&queue->sources);
    return queue;
}

void keeper_queue_free(struct keeper_queue *queue)
{
    if (!queue)
        return;
    ASSERT(queue->count == 0);
    map_free(queue->by_name);
    free(queue);
}

static struct keeper_source *find_source(struct keeper_queue *queue, struct bytes name)
{
    struct keeper_source *source = map_find(queue->by_name, name);
    if (source)
        return source;
    source = memory_new(1, sizeof *source + name.len);
    list_init(&source->items);
    source->name_len = name.len;
    if (name.len)
        memcpy(source->name, name.at, name.len);
    (void)map_add(queue->by_name, name, source);
    list_append(&queue->sources, &source->link);
    return source;
}

bool keeper_queue_add(struct keeper_queue *queue, struct bytes name, struct keeper_item *item)
{
    if (queue->count >= queue->limit)
        return false;
    struct keeper_source *source = find_source(queue, name);
    if (source->count >= queue->source_limit)
        return false;
    list_append(&source->items, &item->link);
    item->source = source;
    source->count++;
    queue->count++;
    return true;
}

void keeper_queue_remove(struct keeper_queue *queue, struct keeper_item *item)
{
    struct keeper_source *source = item->source;
    if (!source)
        return;
    list_remove(&item->link);
    item->source = NULL;
    queue->count--;
    if (--source->count)
        return;
    list_remove(&source->link);
    (void)map_take(queue->by_name, (struct bytes){source->name, source->name_len});
    free(source);
}

struct keeper_item *keeper_queue_take(struct keeper_queue *queue)
{
    struct keeper_source *source = LIST_FIRST(&queue->sources, struct keeper_source, link);
    if (!source)
        return NULL;
    struct keeper_item *item = LIST_FIRST(&source->items, struct keeper_item, link);
    list_remove(&source->link);
    list_append(&queue->sources, &source->link);
    keeper_queue_remove(queue, item);
    return item;
}

size_t keeper_queue_count(const struct keeper_queue *queue)
{
    return queue->count;
}
