#include "queue/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/random.h"
#include "facts/facts.h"

/* --- Addresses of a host -----------------------------------------------------------------------
 */

enum { FAMILY_LIMIT = HOST_ADDRESS_LIMIT / 2, IPV4_BYTES = 4, IPV6_BYTES = 16 };

/* "0.0.0.0" would be this host itself, and a multicast address is no one's. */
static bool is_for_one_host(const struct ip *ip)
{
    static const struct ip unspecified = {{0}};
    if (!ip_is_ipv4(ip))
        return ip->at[0] != 0xff && memcmp(ip, &unspecified, sizeof unspecified) != 0;
    return ip->at[12] != 0 && ip->at[12] < 224;
}

static void take_addresses(const struct answer *answer, size_t bytes, struct host_addresses *out)
{
    size_t most = out->count + FAMILY_LIMIT;
    for (size_t i = 0; i < answer->count && out->count < most; i++) {
        struct bytes data = answer->records[i].data;
        if (data.len != bytes)
            continue;
        struct ip ip = bytes == IPV4_BYTES ? ip_from_ipv4(data.at) : ip_from_ipv6(data.at);
        if (is_for_one_host(&ip))
            out->list[out->count++] = ip;
    }
}

static bool has_failed(const struct answer *answer)
{
    return answer->status == ANSWER_SERVFAIL || answer->status == ANSWER_TIMEOUT;
}

enum host_outcome host_find(struct facts *facts, struct bytes name, struct host_addresses *out)
{
    struct host_addresses found = {.ttl_s = UINT32_MAX};
    if (ip_scan(name, &found.list[0])) {
        found.count = is_for_one_host(&found.list[0]);
        *out = found;
        return found.count ? HOST_FOUND : HOST_ABSENT;
    }
    const struct answer *ipv6 = facts_ask(facts, FACT_AAAA, name);
    const struct answer *ipv4 = facts_ask(facts, FACT_A, name);
    if (!ipv6 || !ipv4)
        return HOST_NEEDS_FACTS;
    take_addresses(ipv6, IPV6_BYTES, &found);
    take_addresses(ipv4, IPV4_BYTES, &found);
    found.ttl_s = ipv6->ttl_s < ipv4->ttl_s ? ipv6->ttl_s : ipv4->ttl_s;
    const struct answer *failed = has_failed(ipv4) ? ipv4 : has_failed(ipv6) ? ipv6 : NULL;
    if (failed && found.count == 0) {
        found.is_bogus = failed->is_bogus;
        found.reason = failed->reason;
    }
    *out = found;
    return found.count ? HOST_FOUND : failed ? HOST_UNKNOWN : HOST_ABSENT;
}

/* --- What is down ------------------------------------------------------------------------------
 */

enum { KEY_BYTES = sizeof(struct ip) + 2 };

struct down {
    struct list by_age; /* of the last failure */
    uint8_t key[KEY_BYTES];
    unsigned strikes; /* failures in a row */
    int64_t until_ms;
};

struct family {
    unsigned misses; /* in a row */
    int64_t doubted_until_ms;
};

/* Addresses about which something is remembered; at most HOSTS_DOWN_LIMIT. */
struct memory {
    struct map *by_address; /* struct down */
    struct list by_age;
};

struct hosts {
    struct memory down;
    struct memory clear; /* without TLS until until_ms; no strikes */
    struct family ipv4, ipv6;
    uint64_t random;
};

static struct bytes key_of(const struct ip *ip, uint16_t port, uint8_t key[KEY_BYTES])
{
    memcpy(key, ip->at, sizeof ip->at);
    key[sizeof ip->at] = (uint8_t)(port >> 8);
    key[sizeof ip->at + 1] = (uint8_t)port;
    return (struct bytes){key, KEY_BYTES};
}

static void forget(struct memory *memory, struct down *down)
{
    map_take(memory->by_address, (struct bytes){down->key, KEY_BYTES});
    list_remove(&down->by_age);
    free(down);
}

static void memory_init(struct memory *memory, uint64_t seed)
{
    memory->by_address = map_new(seed);
    list_init(&memory->by_age);
}

static void memory_done(struct memory *memory)
{
    LIST_EACH (&memory->by_age, struct down, by_age, down)
        forget(memory, down);
    map_free(memory->by_address);
}

struct hosts *hosts_new(uint64_t seed)
{
    struct hosts *hosts = NEW(struct hosts);
    memory_init(&hosts->down, seed);
    memory_init(&hosts->clear, seed);
    hosts->random = seed;
    return hosts;
}

void hosts_free(struct hosts *hosts)
{
    if (!hosts)
        return;
    memory_done(&hosts->down);
    memory_done(&hosts->clear);
    free(hosts);
}

static struct down *remember(struct memory *memory, struct bytes key)
{
    struct down *oldest = LIST_FIRST(&memory->by_age, struct down, by_age);
    if (oldest && map_count(memory->by_address) >= HOSTS_DOWN_LIMIT)
        forget(memory, oldest);
    struct down *down = NEW(struct down);
    memcpy(down->key, key.at, key.len);
    list_init(&down->by_age);
    map_add(memory->by_address, key, down);
    return down;
}

/* It is the newest now. */
static void renew(struct memory *memory, struct down *down, int64_t until_ms)
{
    down->until_ms = until_ms;
    list_remove(&down->by_age);
    list_append(&memory->by_age, &down->by_age);
}

static bool is_remembered(const struct memory *memory, const struct ip *ip, uint16_t port,
                          int64_t now_ms)
{
    uint8_t room[KEY_BYTES];
    const struct down *down = map_find(memory->by_address, key_of(ip, port, room));
    return down && now_ms < down->until_ms;
}

static int64_t pause_of(struct hosts *hosts, unsigned strikes)
{
    int64_t pause_ms = HOSTS_DOWN_FIRST_MS;
    for (unsigned i = 1; i < strikes && pause_ms < HOSTS_DOWN_MOST_MS; i++)
        pause_ms *= 2;
    if (pause_ms > HOSTS_DOWN_MOST_MS)
        pause_ms = HOSTS_DOWN_MOST_MS;
    int64_t fifth_ms = pause_ms / 5;
    return pause_ms - fifth_ms + (int64_t)(random_next(&hosts->random) % (uint64_t)(2 * fifth_ms));
}

void hosts_failed(struct hosts *hosts, const struct ip *ip, uint16_t port, int64_t now_ms)
{
    uint8_t room[KEY_BYTES];
    struct bytes key = key_of(ip, port, room);
    struct down *down = map_find(hosts->down.by_address, key);
    if (!down)
        down = remember(&hosts->down, key);
    else if (now_ms < down->until_ms)
        return;
    else if (now_ms - down->until_ms > HOSTS_DOWN_MOST_MS)
        down->strikes = 0; /* what was long ago says nothing of today */
    renew(&hosts->down, down, now_ms + pause_of(hosts, ++down->strikes));
}

void hosts_worked(struct hosts *hosts, const struct ip *ip, uint16_t port)
{
    uint8_t room[KEY_BYTES];
    struct down *down = map_find(hosts->down.by_address, key_of(ip, port, room));
    if (down)
        forget(&hosts->down, down);
}

bool hosts_is_down(const struct hosts *hosts, const struct ip *ip, uint16_t port, int64_t now_ms)
{
    return is_remembered(&hosts->down, ip, port, now_ms);
}

void hosts_tls_failed(struct hosts *hosts, const struct ip *ip, uint16_t port, int64_t now_ms)
{
    uint8_t room[KEY_BYTES];
    struct bytes key = key_of(ip, port, room);
    struct down *down = map_find(hosts->clear.by_address, key);
    if (!down)
        down = remember(&hosts->clear, key);
    renew(&hosts->clear, down, now_ms + HOSTS_CLEAR_MS);
}

bool hosts_is_clear(const struct hosts *hosts, const struct ip *ip, uint16_t port, int64_t now_ms)
{
    return is_remembered(&hosts->clear, ip, port, now_ms);
}

static struct family *family_of(struct hosts *hosts, const struct ip *ip)
{
    return ip_is_ipv4(ip) ? &hosts->ipv4 : &hosts->ipv6;
}

void hosts_missed(struct hosts *hosts, const struct ip *ip, uint16_t port, int64_t now_ms)
{
    struct family *family = family_of(hosts, ip);
    if (hosts_is_down(hosts, ip, port, now_ms))
        return;
    if (family->misses < FAMILY_MISSES)
        family->misses++;
    if (family->misses == FAMILY_MISSES)
        family->doubted_until_ms = now_ms + FAMILY_DOUBT_MS;
}

void hosts_reached(struct hosts *hosts, const struct ip *ip)
{
    *family_of(hosts, ip) = (struct family){0};
}

/* --- The order of a connection -----------------------------------------------------------------
 */

/* One host's addresses, or the shares of all hosts. */
enum { RANK_LIMIT = 2 * MX_HOST_LIMIT };
_Static_assert((int)HOST_ADDRESS_LIMIT <= (int)RANK_LIMIT, "all of a host can be ranked");
_Static_assert((int)PLAN_LIMIT <= (int)RANK_LIMIT, "one host's share can be the whole plan");

struct ranking {
    const struct hosts *hosts;
    const struct plan_wish *wish;
    uint64_t random;
};

static void shuffle(struct ranking *ranking, size_t *places, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)(random_next(&ranking->random) % i), place = places[i - 1];
        places[i - 1] = places[other];
        places[other] = place;
    }
}

/* Those that are not down first; both kinds in the order they had. */
static void put_down_last(const struct ranking *ranking, struct candidate *list, size_t count)
{
    const struct plan_wish *wish = ranking->wish;
    struct candidate down[RANK_LIMIT];
    size_t down_count = 0, kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (hosts_is_down(ranking->hosts, &list[i].ip, wish->port, wish->now_ms))
            down[down_count++] = list[i];
        else
            list[kept++] = list[i];
    }
    memcpy(&list[kept], down, down_count * sizeof *down);
}

/* The places of one family's addresses, in the order of chance. */
static size_t pick_family(struct ranking *ranking, const struct host_addresses *from, bool is_ipv4,
                          size_t places[HOST_ADDRESS_LIMIT])
{
    size_t count = 0;
    if (ranking->wish->families == (is_ipv4 ? FAMILIES_IPV6 : FAMILIES_IPV4))
        return 0;
    for (size_t i = 0; i < from->count; i++)
        if (ip_is_ipv4(&from->list[i]) == is_ipv4)
            places[count++] = i;
    shuffle(ranking, places, count);
    return count;
}

/* IPv6 comes first (RFC 6724), unless it leads nowhere, and IPv4 does. */
static bool begins_by_ipv4(const struct ranking *ranking)
{
    int64_t now_ms = ranking->wish->now_ms;
    return now_ms < ranking->hosts->ipv6.doubted_until_ms &&
           now_ms >= ranking->hosts->ipv4.doubted_until_ms;
}

/* One host's share of candidates. */
static size_t rank_host(struct ranking *ranking, const struct host_addresses *from, size_t host,
                        size_t share, struct candidate *out)
{
    size_t first[HOST_ADDRESS_LIMIT], second[HOST_ADDRESS_LIMIT];
    bool is_ipv4_first = begins_by_ipv4(ranking);
    size_t first_count = pick_family(ranking, from, is_ipv4_first, first);
    size_t second_count = pick_family(ranking, from, !is_ipv4_first, second);
    struct candidate all[RANK_LIMIT];
    size_t count = 0;
    for (size_t turn = 0; turn < first_count || turn < second_count; turn++) {
        if (turn < first_count)
            all[count++] = (struct candidate){from->list[first[turn]], host};
        if (turn < second_count)
            all[count++] = (struct candidate){from->list[second[turn]], host};
    }
    put_down_last(ranking, all, count);
    if (count > share)
        count = share;
    memcpy(out, all, count * sizeof *all);
    return count;
}

/* The hosts that have addresses, by preference, equals in the order of chance. */
static size_t order_hosts(struct ranking *ranking, const struct plan_host *list, size_t count,
                          size_t order[MX_HOST_LIMIT])
{
    size_t found = 0, group = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].addresses->count == 0)
            continue;
        if (found > group && list[order[group]].preference != list[i].preference) {
            shuffle(ranking, &order[group], found - group);
            group = found;
        }
        order[found++] = i;
    }
    shuffle(ranking, &order[group], found - group);
    return found;
}

size_t hosts_plan(const struct hosts *hosts, const struct plan_host *list, size_t count,
                  const struct plan_wish *wish, struct candidate out[PLAN_LIMIT])
{
    ASSERT(count <= MX_HOST_LIMIT);
    struct ranking ranking = {hosts, wish, wish->random};
    struct candidate all[RANK_LIMIT];
    size_t order[MX_HOST_LIMIT], found = 0;
    size_t host_count = order_hosts(&ranking, list, count, order);
    /* Both families of many hosts, or more of fewer. */
    size_t share = host_count > PLAN_LIMIT / 2 ? 2 : PLAN_LIMIT / (host_count ? host_count : 1);
    for (size_t i = 0; i < host_count; i++)
        found += rank_host(&ranking, list[order[i]].addresses, order[i], share, &all[found]);
    put_down_last(&ranking, all, found);
    if (found > PLAN_LIMIT)
        found = PLAN_LIMIT;
    memcpy(out, all, found * sizeof *all);
    return found;
}
