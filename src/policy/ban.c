#include "policy/ban.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"

static const int64_t HALF_MS = INT64_C(10) * 60 * 1000, DAY_MS = INT64_C(24) * 3600 * 1000;

/* The weight of failures that brings a ban, how long the first one is, and the longest; and how
 * long an entry that has done nothing more is kept. A network has many people in it, and an
 * account's owner is not who guesses: those take more, and are shorter. */
static const struct {
    const char *word;
    double threshold;
    int64_t first_ms, most_ms, kept_ms;
} kinds[] = {
    [BAN_ADDRESS] = {"address", 10, 600 * 1000, 24 * 3600 * 1000, 2 * 24 * 3600 * 1000},
    [BAN_NETWORK] = {"network", 40, 600 * 1000, 6 * 3600 * 1000, 24 * 3600 * 1000},
    [BAN_ACCOUNT] = {"account", 60, 600 * 1000, 3600 * 1000, 24 * 3600 * 1000},
    [BAN_KNOWN] = {"known", 0, 0, 0, INT64_C(60) * 24 * 3600 * 1000},
};

/* Answers wait a quarter of a second for the first failure, then twice as long each time. */
enum { DELAY_FIRST_MS = 250, DELAY_MOST_MS = 8000 };

struct ban {
    struct list link;    /* by its last touch, the longest ago in front */
    struct list changed; /* alone: it has not */
    enum ban_kind kind;
    double weight;
    int64_t at_ms, until_ms;
    uint64_t count;
    size_t key_len;
    uint8_t key[]; /* of the map: the kind's digit and the key */
};

struct bans {
    struct map *by_key;
    struct list all, changed;
};

const char *ban_kind_word(enum ban_kind kind)
{
    return kinds[kind].word;
}

bool ban_kind_find(struct bytes word, enum ban_kind *out)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (bytes_equal(word, bytes_of(kinds[i].word))) {
            *out = (enum ban_kind)i;
            return true;
        }
    return false;
}

struct bans *bans_new(uint64_t seed)
{
    struct bans *bans = NEW(struct bans);
    bans->by_key = map_new(seed);
    list_init(&bans->all);
    list_init(&bans->changed);
    return bans;
}

static struct bytes key_of(const struct ban *ban)
{
    return (struct bytes){ban->key, ban->key_len};
}

static void drop(struct bans *bans, struct ban *ban_owned)
{
    (void)map_take(bans->by_key, key_of(ban_owned));
    list_remove(&ban_owned->link);
    list_remove(&ban_owned->changed);
    free(ban_owned);
}

void bans_free(struct bans *bans)
{
    if (!bans)
        return;
    LIST_EACH (&bans->all, struct ban, link, ban)
        drop(bans, ban);
    map_free(bans->by_key);
    free(bans);
}

size_t bans_count(const struct bans *bans)
{
    return map_count(bans->by_key);
}

/* --- Keys ------------------------------------------------------------------------------------- */

/* A key as the map has it, in room of its own. */
struct key {
    uint8_t room[BAN_KEY_LIMIT + 1];
    struct buf text;
};

static void begin_key(struct key *key, enum ban_kind kind)
{
    key->text = (struct buf){.at = key->room, .cap = sizeof key->room, .limit = sizeof key->room};
    buf_add_byte(&key->text, (uint8_t)('0' + kind));
}

static void add_network(struct buf *out, const struct ip *client)
{
    enum { IPV4_KEPT = 15, IPV6_KEPT = 8 };
    bool is_ipv4 = ip_is_ipv4(client);
    struct ip network = {{0}};
    memcpy(network.at, client->at, is_ipv4 ? IPV4_KEPT : IPV6_KEPT);
    ip_print(out, &network);
    buf_add(out, is_ipv4 ? BYTES("/24") : BYTES("/64"));
}

/* False: the query has none of that kind. */
static bool make_key(struct key *key, enum ban_kind kind, const struct ban_query *query)
{
    struct bytes account = bytes_sub(query->account, 0, BAN_ACCOUNT_LIMIT);
    begin_key(key, kind);
    switch (kind) {
    case BAN_ADDRESS: ip_print(&key->text, &query->client); return true;
    case BAN_NETWORK: add_network(&key->text, &query->client); return true;
    case BAN_ACCOUNT: buf_add(&key->text, account); return account.len > 0;
    case BAN_KNOWN:
        ip_print(&key->text, &query->client);
        buf_add_byte(&key->text, ' ');
        buf_add(&key->text, account);
        return account.len > 0;
    }
    return false;
}

static struct ban *find(const struct bans *bans, enum ban_kind kind, const struct ban_query *query)
{
    struct key key;
    return make_key(&key, kind, query) ? map_find(bans->by_key, buf_view(&key.text)) : NULL;
}

/* --- Entries ---------------------------------------------------------------------------------- */

static double weight_at(double weight, int64_t at_ms, int64_t now_ms)
{
    int64_t halves = now_ms > at_ms ? (now_ms - at_ms) / HALF_MS : 0;
    int64_t rest_ms = now_ms > at_ms ? (now_ms - at_ms) % HALF_MS : 0;
    if (halves > 60)
        return 0;
    /* Straight between two halvings. */
    return weight / (double)(INT64_C(1) << halves) * (1 - (double)rest_ms / (double)(2 * HALF_MS));
}

/* One must go: the one longest untouched, but not what is banned while there is another near. */
static void make_room(struct bans *bans, int64_t now_ms)
{
    enum { LOOKED_AT = 64 };
    size_t looked = 0;
    struct ban *oldest = LIST_FIRST(&bans->all, struct ban, link);
    LIST_EACH (&bans->all, struct ban, link, ban)
        if (looked++ < LOOKED_AT && ban->until_ms <= now_ms) {
            oldest = ban;
            break;
        }
    if (oldest)
        drop(bans, oldest);
}

static struct ban *add(struct bans *bans, enum ban_kind kind, struct bytes key, int64_t now_ms)
{
    struct ban *ban = map_find(bans->by_key, key);
    if (!ban) {
        if (map_count(bans->by_key) >= BANS_LIMIT)
            make_room(bans, now_ms);
        ban = memory_new(1, sizeof *ban + key.len);
        ban->kind = kind;
        ban->key_len = key.len;
        memcpy(ban->key, key.at, key.len);
        list_init(&ban->link);
        list_init(&ban->changed);
        (void)map_add(bans->by_key, key, ban);
    }
    list_remove(&ban->link);
    list_append(&bans->all, &ban->link);
    return ban;
}

static void touch(struct bans *bans, struct ban *ban, double weight, int64_t now_ms)
{
    ban->weight = weight;
    ban->at_ms = now_ms;
    list_remove(&ban->changed);
    list_append(&bans->changed, &ban->changed);
}

/* --- Logins ----------------------------------------------------------------------------------- */

static const enum ban_kind checked[] = {BAN_ADDRESS, BAN_NETWORK, BAN_ACCOUNT};

struct ban_verdict bans_check(const struct bans *bans, const struct ban_query *query,
                              int64_t now_ms)
{
    for (size_t i = 0; i < COUNT(checked); i++) {
        const struct ban *ban = find(bans, checked[i], query);
        bool is_banned = ban && ban->until_ms > now_ms;
        if (is_banned && !(ban->kind == BAN_ACCOUNT && find(bans, BAN_KNOWN, query)))
            return (struct ban_verdict){true, ban->kind, ban->until_ms};
    }
    return (struct ban_verdict){.is_banned = false};
}

/* The failures begin anew behind a ban. */
static void begin_ban(struct ban *ban, int64_t now_ms)
{
    int64_t length_ms = kinds[ban->kind].first_ms;
    for (uint64_t i = 0; i < ban->count && length_ms < kinds[ban->kind].most_ms; i++)
        length_ms *= 2;
    if (length_ms > kinds[ban->kind].most_ms)
        length_ms = kinds[ban->kind].most_ms;
    ban->until_ms = now_ms + length_ms;
    ban->count++;
    ban->weight = 0;
}

static int64_t delay_of(double weight)
{
    int64_t delay_ms = DELAY_FIRST_MS;
    for (; weight >= 2 && delay_ms < DELAY_MOST_MS; weight -= 1)
        delay_ms *= 2;
    return delay_ms;
}

int64_t bans_fail(struct bans *bans, const struct ban_query *query, int64_t now_ms,
                  struct ban_verdict *out)
{
    int64_t delay_ms = DELAY_FIRST_MS;
    *out = (struct ban_verdict){.is_banned = false};
    for (size_t i = 0; i < COUNT(checked); i++) {
        struct key key;
        if (!make_key(&key, checked[i], query))
            continue;
        struct ban *ban = add(bans, checked[i], buf_view(&key.text), now_ms);
        touch(bans, ban, weight_at(ban->weight, ban->at_ms, now_ms) + 1, now_ms);
        if (ban->kind == BAN_ADDRESS)
            delay_ms = delay_of(ban->weight);
        if (ban->weight < kinds[ban->kind].threshold || ban->until_ms > now_ms)
            continue;
        begin_ban(ban, now_ms);
        if (!out->is_banned)
            *out = (struct ban_verdict){true, ban->kind, ban->until_ms};
    }
    return delay_ms;
}

void bans_succeed(struct bans *bans, const struct ban_query *query, int64_t now_ms)
{
    struct key key;
    struct ban *address = find(bans, BAN_ADDRESS, query);
    if (address && address->weight > 0)
        touch(bans, address, 0, now_ms);
    if (!make_key(&key, BAN_KNOWN, query))
        return;
    struct ban *known = map_find(bans->by_key, buf_view(&key.text));
    /* Once a day is often enough to say so. */
    if (!known || now_ms - known->at_ms > DAY_MS)
        touch(bans, add(bans, BAN_KNOWN, buf_view(&key.text), now_ms), 0, now_ms);
}

/* --- Kept over restarts ----------------------------------------------------------------------- */

void bans_restore(struct bans *bans, const struct ban_entry *entry)
{
    struct key key;
    begin_key(&key, entry->kind);
    buf_add(&key.text, entry->key);
    if (key.text.overflowed)
        return;
    struct ban *ban = add(bans, entry->kind, buf_view(&key.text), entry->at_ms);
    ban->weight = entry->weight;
    ban->at_ms = entry->at_ms;
    ban->until_ms = entry->until_ms;
    ban->count = entry->count;
}

bool bans_take_changed(struct bans *bans, struct ban_entry *out)
{
    struct ban *ban = LIST_FIRST(&bans->changed, struct ban, changed);
    if (!ban)
        return false;
    list_remove(&ban->changed);
    *out = (struct ban_entry){.kind = ban->kind,
                              .key = bytes_from(key_of(ban), 1),
                              .weight = ban->weight,
                              .at_ms = ban->at_ms,
                              .until_ms = ban->until_ms,
                              .count = ban->count};
    return true;
}

bool ban_entry_matters(const struct ban_entry *entry, int64_t now_ms)
{
    int64_t last_ms = entry->until_ms > entry->at_ms ? entry->until_ms : entry->at_ms;
    return now_ms - last_ms < kinds[entry->kind].kept_ms;
}

void bans_sift(struct bans *bans, bans_is_kept *is_kept, void *context)
{
    LIST_EACH (&bans->all, struct ban, link, ban)
        if (list_is_empty(&ban->changed) &&
            !is_kept(context, ban->kind, bytes_from(key_of(ban), 1)))
            drop(bans, ban);
}
