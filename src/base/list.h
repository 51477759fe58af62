/* Doubly linked list whose links live inside its items; adding and removing allocate nothing.
 * A struct list is a ring with itself as the mark; an item in no list links to itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct list {
    struct list *next, *previous;
};

static inline void list_init(struct list *list)
{
    list->next = list->previous = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

/* Puts the item at the end; it must be in no list. */
static inline void list_append(struct list *list, struct list *item)
{
    item->previous = list->previous;
    item->next = list;
    list->previous->next = item;
    list->previous = item;
}

/* Puts the item at the front; it must be in no list. */
static inline void list_prepend(struct list *list, struct list *item)
{
    list_append(list->next, item);
}

/* Takes the item out of the list it is in, if any. */
static inline void list_remove(struct list *item)
{
    item->previous->next = item->next;
    item->next->previous = item->previous;
    list_init(item);
}

/* The item of the given type at the front; NULL when the list is empty. */
#define LIST_FIRST(ring, type, member)                                                             \
    (list_is_empty(ring) ? NULL : CONTAINER((ring)->next, type, member))

/* Walks all items; `item` may be removed (and freed) in the body. The inner loop is there for the
 * type of `item` alone: it runs once, and where it is left by a break it takes the outer one with
 * it. */
#define LIST_EACH(ring, type, member, item)                                                        \
    for (struct list *item##_at = (ring)->next, *item##_after = item##_at->next,                   \
                     *item##_went = (ring)->next;                                                  \
         item##_went && item##_at != (ring);                                                       \
         item##_at = item##_after, item##_after = item##_at->next)                                 \
        for (type *item = (item##_went = NULL, CONTAINER(item##_at, type, member)); item;          \
             item = NULL, item##_went = (ring)->next)
