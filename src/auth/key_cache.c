#include "auth/key_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"

struct kept {
    struct list link; /* the oldest first */
    struct public_key *key;
    size_t name_len;
    uint8_t name[]; /* the algorithm and the text of p= */
};

struct key_cache {
    struct map *keys;
    struct list all;
    size_t most;
    struct public_key *passing; /* the newest that is not kept */
};

struct key_cache *key_cache_new(size_t most, uint64_t seed)
{
    struct key_cache *cache = NEW(struct key_cache);
    cache->keys = map_new(seed);
    cache->most = most;
    list_init(&cache->all);
    return cache;
}

static void drop(struct key_cache *cache, struct kept *kept)
{
    (void)map_take(cache->keys, (struct bytes){kept->name, kept->name_len});
    list_remove(&kept->link);
    public_key_free(kept->key);
    free(kept);
}

void key_cache_free(struct key_cache *cache)
{
    if (!cache)
        return;
    LIST_EACH (&cache->all, struct kept, link, kept)
        drop(cache, kept);
    map_free(cache->keys);
    public_key_free(cache->passing);
    free(cache);
}

size_t key_cache_count(const struct key_cache *cache)
{
    return map_count(cache->keys);
}

static void keep(struct key_cache *cache, struct bytes name, struct public_key *key_owned)
{
    struct kept *kept = memory_new(1, sizeof *kept + name.len);
    kept->key = key_owned;
    kept->name_len = name.len;
    memcpy(kept->name, name.at, name.len);
    list_init(&kept->link);
    list_append(&cache->all, &kept->link);
    (void)map_add(cache->keys, name, kept);
    struct kept *oldest = LIST_FIRST(&cache->all, struct kept, link);
    if (oldest && map_count(cache->keys) > cache->most)
        drop(cache, oldest);
}

const struct public_key *key_cache_view(struct key_cache *cache, const struct dkim_key *key)
{
    uint8_t room[1 + KEY_CACHE_TEXT_MOST];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    buf_add_byte(&name, (uint8_t)key->algorithm);
    buf_add(&name, key->data);
    struct kept *kept = name.overflowed ? NULL : map_find(cache->keys, buf_view(&name));
    if (kept)
        return kept->key;
    struct public_key *opened = dkim_key_open(key);
    if (opened && !name.overflowed && cache->most > 0) {
        keep(cache, buf_view(&name), opened);
        return opened;
    }
    public_key_free(cache->passing);
    cache->passing = opened;
    return opened;
}
