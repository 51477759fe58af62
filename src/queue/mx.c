#include "queue/mx.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "facts/facts.h"
#include "mail/address.h"
#include "mail/idna.h"
#include "queue/hosts.h"

enum { REASON_LIMIT = 400, WHY_LIMIT = 160 }; /* bytes; a reply's text has 512 */

/* A search under way: what mx_find was given, and the hosts that are left. */
struct search {
    struct facts *facts;
    const struct mx_self *self;
    struct arena *arena;
    struct bytes domain;                      /* as it was given, for reasons */
    struct mx_host hosts[FACTS_RECORD_LIMIT]; /* by preference, then by name */
    size_t count;
    bool is_ours;        /* one was ourselves */
    struct bytes absent; /* a host that was left out, as it has no address */
    struct mx_result result;
};

/* --- Verdicts ----------------------------------------------------------------------------------
 */

PRINTF_LIKE(4, 5)
static enum mx_outcome conclude(struct search *search, enum mx_outcome outcome, const char *status,
                                const char *format, ...)
{
    char text[REASON_LIMIT];
    va_list values;
    va_start(values, format);
    int len = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    ASSERT(len >= 0);
    search->result.status = status;
    if (!arena_copy(search->arena, bytes_of(text), &search->result.reason))
        search->result.reason = BYTES("the DNS shows no way to the domain");
    return outcome;
}

static enum mx_outcome no_memory(struct search *search)
{
    return conclude(search, MX_DEFERRED, "4.3.1", "out of memory for the domain's MX records");
}

static enum mx_outcome unknown(struct search *search, const char *what, struct bytes name,
                               bool is_bogus, struct bytes why)
{
    why = bytes_sub(why, 0, WHY_LIMIT);
    search->result.ttl_ms = MX_TTL_LEAST_MS;
    return conclude(search, MX_DEFERRED, is_bogus ? "4.7.5" : "4.4.3",
                    "the DNS %s %s of %.*s%s%.*s",
                    is_bogus ? "gave a false answer (by DNSSEC) for" : "does not tell", what,
                    BYTES_ARGS(name), why.len ? ": " : "", BYTES_ARGS(why));
}

static enum mx_outcome no_host(struct search *search)
{
    struct bytes domain = search->domain;
    if (search->is_ours)
        return conclude(search, MX_FAILED, "5.4.6",
                        "mail for %.*s loops back to this server: it is the domain's best MX, and "
                        "does not have the domain",
                        BYTES_ARGS(domain));
    if (search->result.is_implicit)
        return conclude(search, MX_FAILED, "5.4.4",
                        "no host takes mail for %.*s: it has neither MX records nor an address",
                        BYTES_ARGS(domain));
    if (search->absent.len)
        return conclude(search, MX_FAILED, "5.4.4",
                        "no host takes mail for %.*s: its MX %.*s has no address",
                        BYTES_ARGS(domain), BYTES_ARGS(search->absent));
    return conclude(search, MX_FAILED, "5.4.4",
                    "no host takes mail for %.*s: its MX records name none", BYTES_ARGS(domain));
}

static void note_ttl(struct search *search, uint32_t ttl_s)
{
    int64_t ttl_ms = (int64_t)ttl_s * 1000;
    if (ttl_ms < MX_TTL_LEAST_MS)
        ttl_ms = MX_TTL_LEAST_MS;
    if (ttl_ms < search->result.ttl_ms)
        search->result.ttl_ms = ttl_ms;
}

/* --- The hosts ---------------------------------------------------------------------------------
 */

static void drop_host(struct search *search, size_t place)
{
    search->count--;
    memmove(&search->hosts[place], &search->hosts[place + 1],
            (search->count - place) * sizeof *search->hosts);
}

/* An MX that is ourselves, and those no better, would bring the mail back (RFC 5321, 5.1). */
static void cut_at_ourselves(struct search *search, size_t place)
{
    while (place > 0 && search->hosts[place - 1].preference == search->hosts[place].preference)
        place--;
    search->count = place;
    search->is_ours = true;
}

/* The name as the DNS is asked for it; empty: none. */
static struct bytes host_name(struct bytes name, uint8_t room[HOST_NAME_LIMIT])
{
    struct buf out = {.at = room, .cap = HOST_NAME_LIMIT, .limit = HOST_NAME_LIMIT};
    return idna_to_ascii(name, &out) ? buf_view(&out) : BYTES_NONE;
}

/* Puts a host in its place; of two with one name the better stays. The record's name is hostile:
 * what is no name, and an address that was put for one, is left out. False: no memory. */
static bool add_record(struct search *search, const struct answer_record *record)
{
    struct ip ip;
    uint8_t room[HOST_NAME_LIMIT];
    struct bytes name = host_name(record->data, room);
    if (name.len == 0 || ip_scan(name, &ip))
        return true;
    for (size_t i = 0; i < search->count; i++) {
        if (!bytes_equal(search->hosts[i].name, name))
            continue;
        if (search->hosts[i].preference <= record->preference)
            return true;
        drop_host(search, i);
        break;
    }
    struct mx_host host = {.preference = record->preference};
    if (!arena_copy(search->arena, name, &host.name))
        return false;
    size_t place = search->count++;
    for (; place > 0; place--) {
        const struct mx_host *before = &search->hosts[place - 1];
        if (before->preference < host.preference ||
            (before->preference == host.preference && bytes_compare(before->name, host.name) < 0))
            break;
        search->hosts[place] = *before;
    }
    search->hosts[place] = host;
    return true;
}

/* Before any is left out for their number: where we stand among them decides. */
static void look_for_our_name(struct search *search)
{
    for (size_t i = 0; i < search->count; i++) {
        if (bytes_equal_nocase(search->hosts[i].name, search->self->hostname)) {
            cut_at_ourselves(search, i);
            return;
        }
    }
}

static bool has_our_address(const struct mx_self *self, const struct host_addresses *addresses)
{
    for (size_t i = 0; i < addresses->count; i++)
        for (size_t j = 0; j < self->address_count; j++)
            if (self->addresses[j].port == self->port &&
                memcmp(&addresses->list[i], &self->addresses[j].ip, sizeof(struct ip)) == 0)
                return true;
    return false;
}

/* Looks at the addresses of all hosts: those that have none are left out. */
static enum mx_outcome look_at_addresses(struct search *search)
{
    struct host_addresses addresses, doubtful = {0};
    bool needs_facts = false, is_certain = false;
    for (size_t i = 0; i < search->count; i++)
        needs_facts |=
            host_find(search->facts, search->hosts[i].name, &addresses) == HOST_NEEDS_FACTS;
    if (needs_facts)
        return MX_NEEDS_FACTS;
    for (size_t i = 0; i < search->count;) {
        enum host_outcome outcome = host_find(search->facts, search->hosts[i].name, &addresses);
        note_ttl(search, addresses.ttl_s);
        if (has_our_address(search->self, &addresses)) {
            cut_at_ourselves(search, i);
            break;
        }
        if (outcome == HOST_ABSENT) {
            search->absent = search->hosts[i].name;
            drop_host(search, i);
            continue;
        }
        is_certain |= outcome == HOST_FOUND;
        if (outcome == HOST_UNKNOWN)
            doubtful = addresses;
        i++;
    }
    if (search->count == 0)
        return no_host(search);
    if (!is_certain)
        return unknown(search, "the address", search->hosts[0].name, doubtful.is_bogus,
                       doubtful.reason);
    return MX_FOUND;
}

static enum mx_outcome take_hosts(struct search *search)
{
    look_for_our_name(search);
    if (search->count > MX_HOST_LIMIT)
        search->count = MX_HOST_LIMIT;
    enum mx_outcome outcome = look_at_addresses(search);
    if (outcome != MX_FOUND)
        return outcome;
    struct mx_host *hosts = arena_alloc(search->arena, search->count * sizeof *hosts);
    if (!hosts)
        return no_memory(search);
    memcpy(hosts, search->hosts, search->count * sizeof *hosts);
    search->result.hosts = hosts;
    search->result.host_count = search->count;
    return MX_FOUND;
}

/* --- The domain --------------------------------------------------------------------------------
 */

/* The one host of a literal or of a domain without MX records. */
static enum mx_outcome take_only_host(struct search *search, struct bytes name)
{
    if (!arena_copy(search->arena, name, &search->hosts[0].name))
        return no_memory(search);
    search->count = 1;
    return take_hosts(search);
}

static enum mx_outcome find_literal(struct search *search)
{
    struct bytes text = bytes_sub(search->domain, 1, search->domain.len - 2);
    struct host_addresses addresses;
    uint8_t room[HOST_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (bytes_starts_nocase(text, BYTES("IPv6:")))
        text = bytes_from(text, sizeof "IPv6:" - 1);
    if (!address_literal_is_valid(search->domain) ||
        host_find(search->facts, text, &addresses) != HOST_FOUND)
        return conclude(search, MX_FAILED, "5.1.2", "%.*s is not the address of a host",
                        BYTES_ARGS(search->domain));
    ip_print(&name, &addresses.list[0]);
    return take_only_host(search, buf_view(&name));
}

/* RFC 7505: the root alone; among others it means nothing. */
static bool is_null_mx(const struct answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        if (answer->records[i].data.len > 0)
            return false;
    return true;
}

static enum mx_outcome take_records(struct search *search, const struct answer *answer)
{
    if (is_null_mx(answer))
        return conclude(search, MX_FAILED, "5.1.10", "%.*s takes no mail, as its null MX says",
                        BYTES_ARGS(search->domain));
    for (size_t i = 0; i < answer->count && search->count < COUNT(search->hosts); i++)
        if (!add_record(search, &answer->records[i]))
            return no_memory(search);
    return take_hosts(search);
}

static enum mx_outcome find_domain(struct search *search)
{
    uint8_t room[HOST_NAME_LIMIT], canonical_room[HOST_NAME_LIMIT];
    struct bytes name = host_name(search->domain, room);
    if (name.len == 0)
        return conclude(search, MX_FAILED, "5.1.2", "%.*s is no name that a domain can have",
                        BYTES_ARGS(search->domain));
    struct bytes canonical;
    const struct answer *answer = facts_ask(search->facts, FACT_MX, name);
    if (!answer)
        return MX_NEEDS_FACTS;
    search->result.is_secure = answer->is_secure;
    note_ttl(search, answer->ttl_s);
    switch (answer->status) {
    case ANSWER_FOUND: return take_records(search, answer);
    case ANSWER_NODATA:
        /* An alias stands for what it leads to (RFC 5321, 5.1). */
        search->result.is_implicit = true;
        canonical = host_name(answer->canonical, canonical_room);
        return take_only_host(search, canonical.len ? canonical : name);
    case ANSWER_NXDOMAIN:
        return conclude(search, MX_FAILED, "5.1.2", "the domain %.*s does not exist",
                        BYTES_ARGS(search->domain));
    case ANSWER_SERVFAIL:
    case ANSWER_TIMEOUT:
        return unknown(search, "the MX records", search->domain, answer->is_bogus, answer->reason);
    }
    return MX_DEFERRED;
}

enum mx_outcome mx_find(struct facts *facts, struct bytes domain, const struct mx_self *self,
                        struct arena *arena, struct mx_result *out)
{
    struct search search = {.facts = facts, .self = self, .arena = arena, .domain = domain};
    search.result.ttl_ms = MX_TTL_MOST_MS;
    enum mx_outcome outcome =
        domain.len && domain.at[0] == '[' ? find_literal(&search) : find_domain(&search);
    if (outcome != MX_NEEDS_FACTS)
        *out = search.result;
    return outcome;
}
