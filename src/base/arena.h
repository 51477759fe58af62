/* Memory that is freed all at once: one arena a connection, one a transaction.
 *
 * It has a ceiling, because what it holds comes from outside: at the ceiling an allocation gives
 * NULL and the command that asked answers 452 4.3.1. */
#pragma once

#include "base/bytes.h"

struct arena;

/* An empty arena that gives out at most ceiling bytes in all; allocates its first block on first
 * use. */
struct arena *arena_new(size_t ceiling);
void arena_free(struct arena *arena);

/* Zeroed memory of size bytes, aligned for any object; NULL at the ceiling. */
MUST_CHECK void *arena_alloc(struct arena *arena, size_t size);
/* A copy of the bytes in the arena, in *out; false at the ceiling. */
MUST_CHECK bool arena_copy(struct arena *arena, struct bytes bytes, struct bytes *out);
/* Gives back everything at once; keeps the arena and its first block, so that a session that has
 * one small transaction after the other allocates nothing for them. */
void arena_reset(struct arena *arena);
/* Bytes given out since the last reset. */
size_t arena_used(const struct arena *arena);
