/* Answers kept for the time that the DNS allows: what stands in front of a resolver, so that what
 * is asked over and over (the keys and policies of who sends much) costs a look-up in memory.
 *
 * Bounded in bytes: what came first goes first. Keeps no failures. Pure: knows no clock, time is a
 * parameter. */
#pragma once

#include "facts/facts.h"

enum {
    CACHE_TTL_MOST_S = 300,       /* a change in the DNS is seen after this at the latest */
    CACHE_ENTRY_MOST = 32 * 1024, /* bytes; larger answers are not kept */
};

struct cache;
/* Of at most so many bytes. seed: for its hash, so that peers cannot know it. */
struct cache *cache_new(size_t bytes, uint64_t seed);
void cache_free(struct cache *cache);

/* Keeps an answer; copies. name: as questions have it, lower case without a final dot. now_ms:
 * steady. What cannot be kept is passed over. */
void cache_add(struct cache *cache, enum fact_type type, struct bytes name,
               const struct answer *answer, int64_t now_ms);
/* Answers the question, with what is left of the answer's time. False: it is not here. */
MUST_CHECK bool cache_answer(struct cache *cache, struct facts *facts,
                             const struct question *question, int64_t now_ms);
/* How many answers it has, and bytes that they take. */
size_t cache_count(const struct cache *cache);
size_t cache_bytes(const struct cache *cache);
