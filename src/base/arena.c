#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Small enough that an idle session costs little, large enough for an envelope with a few
 * recipients; each further block doubles up to a page times 16. */
enum { FIRST_BLOCK = 512, LARGEST_BLOCK = 65536, ALIGNMENT = 16 };

struct block {
    struct block *next;
    size_t size, used;
    _Alignas(ALIGNMENT) uint8_t bytes[];
};

struct arena {
    struct block *newest;
    size_t ceiling, used;
};

struct arena *arena_new(size_t ceiling)
{
    struct arena *arena = NEW(struct arena);
    arena->ceiling = ceiling;
    return arena;
}

static void free_blocks(struct arena *arena, bool is_first_kept)
{
    while (arena->newest && !(is_first_kept && !arena->newest->next)) {
        struct block *next = arena->newest->next;
        free(arena->newest);
        arena->newest = next;
    }
    arena->used = 0;
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    free_blocks(arena, false);
    free(arena);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT)
        return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size > arena->ceiling - arena->used)
        return NULL;
    struct block *block = arena->newest;
    if (!block || size > block->size - block->used) {
        size_t room = !block                             ? FIRST_BLOCK
                      : block->size >= LARGEST_BLOCK / 2 ? LARGEST_BLOCK
                                                         : block->size * 2;
        if (room < size)
            room = size;
        struct block *fresh = memory_new(1, sizeof *fresh + room);
        fresh->size = room;
        fresh->next = block;
        arena->newest = block = fresh;
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    arena->used += size;
    return memory;
}

bool arena_copy(struct arena *arena, struct bytes bytes, struct bytes *out)
{
    uint8_t *memory = arena_alloc(arena, bytes.len);
    if (!memory)
        return false;
    if (bytes.len)
        memcpy(memory, bytes.at, bytes.len);
    *out = (struct bytes){memory, bytes.len};
    return true;
}

void arena_reset(struct arena *arena)
{
    free_blocks(arena, true);
    struct block *first = arena->newest;
    if (!first)
        return;
    /* One that was made for a single large object is not kept for small ones. */
    if (first->size > FIRST_BLOCK) {
        free_blocks(arena, false);
        return;
    }
    memset(first->bytes, 0, first->used);
    first->used = 0;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
