#include "base/heap.h"

#include <stdlib.h>

#include "base/memory.h"

void heap_init(struct heap *heap)
{
    *heap = (struct heap){.count = 0};
}

void heap_done(struct heap *heap)
{
    free(heap->nodes);
    heap_init(heap);
}

static void set(struct heap *heap, size_t place, struct heap_node *node)
{
    heap->nodes[place] = node;
    node->place = place;
}

static void sift_up(struct heap *heap, struct heap_node *node)
{
    size_t place = node->place;
    for (; place > 1 && node->key < heap->nodes[place / 2]->key; place /= 2)
        set(heap, place, heap->nodes[place / 2]);
    set(heap, place, node);
}

static void sift_down(struct heap *heap, struct heap_node *node)
{
    size_t place = node->place;
    for (;;) {
        size_t child = place * 2;
        if (child > heap->count)
            break;
        if (child < heap->count && heap->nodes[child + 1]->key < heap->nodes[child]->key)
            child++;
        if (heap->nodes[child]->key >= node->key)
            break;
        set(heap, place, heap->nodes[child]);
        place = child;
    }
    set(heap, place, node);
}

void heap_put(struct heap *heap, struct heap_node *node, int64_t key)
{
    node->key = key;
    if (node->place == 0) {
        if (heap->count + 1 >= heap->cap) {
            heap->cap = heap->cap ? heap->cap * 2 : 16;
            heap->nodes = memory_resize(heap->nodes, heap->cap, sizeof *heap->nodes);
        }
        set(heap, ++heap->count, node);
    }
    sift_up(heap, node);
    sift_down(heap, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (node->place == 0)
        return;
    struct heap_node *last = heap->nodes[heap->count--];
    if (last != node) {
        set(heap, node->place, last);
        sift_up(heap, last);
        sift_down(heap, last);
    }
    node->place = 0;
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count ? heap->nodes[1] : NULL;
}
