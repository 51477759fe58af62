/* Binary min-heap of things with an instant; each thing knows its place, so that it can be
 * moved or removed from the middle. */
#pragma once

#include "base/bytes.h"

/* Embedded in the thing; place 0 means: in no heap. */
struct heap_node {
    int64_t key; /* usually an instant in ms */
    size_t place;
};

struct heap {
    struct heap_node **nodes; /* from 1 */
    size_t count, cap;
};

void heap_init(struct heap *heap);
void heap_done(struct heap *heap);
/* Adds the node, or moves it to its new key when it is in the heap already. */
void heap_put(struct heap *heap, struct heap_node *node, int64_t key);
/* Takes the node out, if it is in. */
void heap_remove(struct heap *heap, struct heap_node *node);
/* The node with the smallest key, still in the heap; NULL when empty. */
struct heap_node *heap_first(const struct heap *heap);
