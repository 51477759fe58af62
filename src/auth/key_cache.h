/* Public keys that were opened before, by the text of their records: opening one and preparing its
 * modulus costs as much again as half a verification. Which key counts is still the DNS's to say
 * each time.
 *
 * Bounded: what came first goes first. */
#pragma once

#include "auth/dkim_key.h"

enum { KEY_CACHE_TEXT_MOST = 4096 }; /* bytes of p=; keys with longer ones are not kept */

struct key_cache;
/* Of at most so many keys. seed: for its hash, so that peers cannot know it. */
struct key_cache *key_cache_new(size_t most, uint64_t seed);
void key_cache_free(struct key_cache *cache);
size_t key_cache_count(const struct key_cache *cache);

/* The key of a record, as dkim_key_open() has it, borrowed until the next call; NULL: there is none
 * in it. */
const struct public_key *key_cache_view(struct key_cache *cache, const struct dkim_key *key);
