#include "facts/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"

enum { KEY_LIMIT = 1 + 255 }; /* the type and a name */

struct entry {
    struct list link; /* the oldest first */
    int64_t until_ms;
    size_t bytes; /* of memory */
    struct answer answer;
    size_t key_len;
    uint8_t key[KEY_LIMIT];
    /* Behind it the records, and then the bytes that answer and records have views of. */
};

struct cache {
    struct map *entries;
    struct list all;
    size_t bytes, bytes_most;
};

struct cache *cache_new(size_t bytes, uint64_t seed)
{
    struct cache *cache = NEW(struct cache);
    cache->entries = map_new(seed);
    cache->bytes_most = bytes;
    list_init(&cache->all);
    return cache;
}

static void drop(struct cache *cache, struct entry *entry)
{
    (void)map_take(cache->entries, (struct bytes){entry->key, entry->key_len});
    list_remove(&entry->link);
    cache->bytes -= entry->bytes;
    free(entry);
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    LIST_EACH (&cache->all, struct entry, link, entry)
        drop(cache, entry);
    map_free(cache->entries);
    free(cache);
}

size_t cache_count(const struct cache *cache)
{
    return map_count(cache->entries);
}

size_t cache_bytes(const struct cache *cache)
{
    return cache->bytes;
}

/* False: it is too long for a name. */
static bool print_key(struct buf *key, enum fact_type type, struct bytes name)
{
    buf_add_byte(key, (uint8_t)type);
    buf_add(key, name);
    return !key->overflowed;
}

static struct bytes copy(uint8_t **to, struct bytes bytes)
{
    struct bytes copied = {*to, bytes.len};
    if (bytes.len)
        memcpy(*to, bytes.at, bytes.len);
    *to += bytes.len;
    return copied;
}

static struct entry *entry_new(struct bytes key, const struct answer *answer)
{
    size_t texts = answer->canonical.len;
    size_t records = answer->count * sizeof *answer->records;
    for (size_t i = 0; i < answer->count; i++)
        texts += answer->records[i].data.len;
    size_t bytes = sizeof(struct entry) + records + texts;
    if (bytes > CACHE_ENTRY_MOST)
        return NULL;
    struct entry *entry = memory_new(1, bytes);
    struct answer_record *list = (struct answer_record *)(void *)(entry + 1);
    uint8_t *to = (uint8_t *)(list + answer->count);
    list_init(&entry->link);
    entry->bytes = bytes;
    entry->key_len = key.len;
    memcpy(entry->key, key.at, key.len);
    entry->answer = *answer;
    entry->answer.reason = BYTES_NONE;
    entry->answer.canonical = copy(&to, answer->canonical);
    entry->answer.records = list;
    for (size_t i = 0; i < answer->count; i++) {
        list[i] = answer->records[i];
        list[i].data = copy(&to, answer->records[i].data);
    }
    return entry;
}

static bool is_failure(const struct answer *answer)
{
    return answer->status == ANSWER_SERVFAIL || answer->status == ANSWER_TIMEOUT;
}

void cache_add(struct cache *cache, enum fact_type type, struct bytes name,
               const struct answer *answer, int64_t now_ms)
{
    uint8_t room[KEY_LIMIT];
    struct buf key = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (answer->ttl_s == 0 || is_failure(answer) || !print_key(&key, type, name))
        return;
    struct entry *before = map_find(cache->entries, buf_view(&key));
    if (before)
        drop(cache, before);
    struct entry *entry = entry_new(buf_view(&key), answer);
    if (!entry)
        return;
    uint32_t ttl_s = answer->ttl_s < CACHE_TTL_MOST_S ? answer->ttl_s : CACHE_TTL_MOST_S;
    entry->until_ms = now_ms + ttl_s * INT64_C(1000);
    list_append(&cache->all, &entry->link);
    (void)map_add(cache->entries, buf_view(&key), entry);
    cache->bytes += entry->bytes;
    for (struct entry *oldest; cache->bytes > cache->bytes_most &&
                               (oldest = LIST_FIRST(&cache->all, struct entry, link));)
        drop(cache, oldest);
}

bool cache_answer(struct cache *cache, struct facts *facts, const struct question *question,
                  int64_t now_ms)
{
    uint8_t room[KEY_LIMIT];
    struct buf key = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (!print_key(&key, question->type, question->name))
        return false;
    struct entry *entry = map_find(cache->entries, buf_view(&key));
    if (!entry)
        return false;
    if (entry->until_ms <= now_ms) {
        drop(cache, entry);
        return false;
    }
    struct answer answer = entry->answer;
    /* Of what is left a part of a second counts as one: 0 would say that it is over. */
    answer.ttl_s = (uint32_t)((entry->until_ms - now_ms + 999) / 1000);
    facts_answer(facts, question->type, question->name, &answer);
    return true;
}
