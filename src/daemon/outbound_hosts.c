#include "daemon/outbound_hosts.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "facts/facts.h"
#include "mail/idna.h"
#include "queue/hosts.h"

enum { REMOTE_LIMIT = HOST_NAME_LIMIT + 64, FAILURE_LIMIT = 256 };
/* While there are others, none is waited for as long as it may take: networks where IPv6 leads
 * nowhere are many. In that time a packet is sent again once (RFC 6298, 2), and more than the
 * farthest hosts need. */
static const int64_t HURRY_MS = 3000;

struct outbound_hosts {
    struct worker *worker;
    const struct config *config;
    const struct endpoint *endpoint;
    struct mx_host only; /* where the endpoint is one host */
    const struct mx_host *list;
    size_t count;
    struct facts *facts;
    struct resolving *query; /* under way; NULL: none */
    bool was_asked;
    outbound_hosts_ready *ready;
    void *context;
    struct candidate plan[PLAN_LIMIT];
    size_t plan_count, tried; /* the current one is plan[tried - 1] */
    uint16_t port;
    struct buf remote; /* of the current one */
    char failure[FAILURE_LIMIT];
    bool is_unknown, is_bogus; /* an address, as the failure says */
};

struct outbound_hosts *outbound_hosts_open(struct worker *worker, struct generation *generation,
                                           struct lane *lane)
{
    struct outbound_hosts *hosts = NEW(struct outbound_hosts);
    const struct endpoint *endpoint = lane_endpoint(lane);
    hosts->worker = worker;
    hosts->config = generation->config;
    hosts->endpoint = endpoint;
    hosts->port = endpoint->port;
    buf_init(&hosts->remote, REMOTE_LIMIT);
    hosts->only.name = endpoint->host;
    hosts->list = endpoint->kind == ENDPOINT_MX ? endpoint->hosts : &hosts->only;
    hosts->count = endpoint->kind == ENDPOINT_MX ? endpoint->host_count : 1;
    return hosts;
}

void outbound_hosts_close(struct outbound_hosts *hosts_owned)
{
    if (!hosts_owned)
        return;
    resolver_cancel(hosts_owned->query);
    buf_done(&hosts_owned->remote);
    facts_free(hosts_owned->facts);
    free(hosts_owned);
}

static bool is_socket(const struct outbound_hosts *hosts)
{
    return hosts->endpoint->unix_path.len > 0;
}

/* --- Addresses ---------------------------------------------------------------------------------
 */

/* Of several hosts, what says most: a false answer, then none. */
static void note_absence(struct outbound_hosts *hosts, size_t host, enum host_outcome outcome,
                         const struct host_addresses *addresses)
{
    struct bytes name = hosts->list[host].name, reason = addresses->reason;
    bool is_bogus = addresses->is_bogus;
    if (outcome == HOST_ABSENT && !hosts->failure[0]) {
        snprintf(hosts->failure, sizeof hosts->failure, "%.*s has no address", BYTES_ARGS(name));
    } else if (outcome == HOST_UNKNOWN && !hosts->is_bogus) {
        snprintf(hosts->failure, sizeof hosts->failure, "the DNS %s the address of %.*s%s%.*s",
                 is_bogus ? "gave a false answer (by DNSSEC) for" : "does not tell",
                 BYTES_ARGS(name), reason.len ? ": " : "", BYTES_ARGS(reason));
        hosts->is_unknown = true;
        hosts->is_bogus = is_bogus;
    }
}

/* Asks for all addresses; false while facts are missing. */
static bool look(struct outbound_hosts *hosts)
{
    struct host_addresses addresses[MX_HOST_LIMIT];
    struct plan_host list[MX_HOST_LIMIT];
    bool needs_facts = false;
    ASSERT(hosts->count <= MX_HOST_LIMIT);
    for (size_t i = 0; i < hosts->count; i++) {
        enum host_outcome outcome = host_find(hosts->facts, hosts->list[i].name, &addresses[i]);
        needs_facts |= outcome == HOST_NEEDS_FACTS;
        list[i] = (struct plan_host){hosts->list[i].preference, &addresses[i]};
        if (!needs_facts)
            note_absence(hosts, i, outcome, &addresses[i]);
    }
    if (needs_facts)
        return false;
    struct plan_wish wish = {
        .port = hosts->port,
        .families = hosts->config->outbound.families,
        .random = random_next(&hosts->worker->random),
        .now_ms = loop_now_ms(hosts->worker->loop),
    };
    hosts->plan_count = hosts_plan(hosts->worker->hosts, list, hosts->count, &wish, hosts->plan);
    if (hosts->plan_count == 0 && !hosts->failure[0])
        snprintf(hosts->failure, sizeof hosts->failure,
                 "no host has an address of the kind that outbound.address_families allows");
    return true;
}

static void advance(void *context)
{
    struct outbound_hosts *hosts = context;
    hosts->query = NULL;
    if (look(hosts)) {
        hosts->ready(hosts->context);
        return;
    }
    /* All addresses are asked for at once. */
    ASSERT(!hosts->was_asked);
    hosts->was_asked = true;
    hosts->query = resolver_resolve(hosts->worker->resolver, hosts->facts, advance, hosts);
}

void outbound_hosts_find(struct outbound_hosts *hosts, outbound_hosts_ready *ready, void *context)
{
    hosts->ready = ready;
    hosts->context = context;
    if (is_socket(hosts)) {
        hosts->plan_count = 1;
        ready(context);
        return;
    }
    hosts->facts = facts_new();
    advance(hosts);
}

/* --- One after the other -----------------------------------------------------------------------
 */

static const struct ip *current(const struct outbound_hosts *hosts)
{
    return &hosts->plan[hosts->tried - 1].ip;
}

bool outbound_hosts_has_next(const struct outbound_hosts *hosts)
{
    return hosts->tried < hosts->plan_count;
}

static struct lookup_address socket_address(const struct ip *ip, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct lookup_address address = {.len = ip_is_ipv4(ip) ? sizeof in : sizeof in6};
    memcpy(&in.sin_addr, ip->at + 12, sizeof in.sin_addr);
    memcpy(&in6.sin6_addr, ip->at, sizeof in6.sin6_addr);
    if (ip_is_ipv4(ip))
        memcpy(address.storage, &in, sizeof in);
    else
        memcpy(address.storage, &in6, sizeof in6);
    return address;
}

/* "mx.example[192.0.2.1]:25"; an address that is its own name stands in its brackets alone. */
static void print_remote(struct outbound_hosts *hosts)
{
    const struct candidate *candidate = &hosts->plan[hosts->tried - 1];
    struct bytes name = hosts->list[candidate->host].name;
    struct buf *out = &hosts->remote;
    struct ip ip;
    buf_clear(out);
    if (!ip_scan(name, &ip))
        buf_add(out, name);
    buf_add_byte(out, '[');
    ip_print(out, &candidate->ip);
    buf_addf(out, "]:%u", hosts->port);
}

struct stream *outbound_hosts_connect(struct outbound_hosts *hosts,
                                      const struct stream_events *events, void *context,
                                      struct error *err)
{
    ASSERT(outbound_hosts_has_next(hosts));
    hosts->tried++;
    return outbound_hosts_again(hosts, events, context, err);
}

struct stream *outbound_hosts_again(struct outbound_hosts *hosts,
                                    const struct stream_events *events, void *context,
                                    struct error *err)
{
    struct loop *loop = hosts->worker->loop;
    if (is_socket(hosts))
        return stream_connect_unix(loop, hosts->endpoint->unix_path, events, context, err);
    print_remote(hosts);
    struct lookup_address to = socket_address(current(hosts), hosts->port);
    return stream_connect(loop, &to, events, context, err);
}

int64_t outbound_hosts_timeout_ms(const struct outbound_hosts *hosts)
{
    int64_t most_ms = hosts->config->outbound.connect_timeout_ms;
    return outbound_hosts_has_next(hosts) && most_ms > HURRY_MS ? HURRY_MS : most_ms;
}

struct bytes outbound_hosts_remote(const struct outbound_hosts *hosts)
{
    return hosts->remote.len ? buf_view(&hosts->remote) : hosts->endpoint->name;
}

struct bytes outbound_hosts_failure(const struct outbound_hosts *hosts)
{
    return bytes_of(hosts->failure);
}

const char *outbound_hosts_status(const struct outbound_hosts *hosts)
{
    return hosts->is_bogus ? "4.7.5" : hosts->is_unknown ? "4.4.3" : "4.4.4";
}

size_t outbound_hosts_tried(const struct outbound_hosts *hosts)
{
    return hosts->tried;
}

void outbound_hosts_failed(struct outbound_hosts *hosts)
{
    if (!is_socket(hosts))
        hosts_failed(hosts->worker->hosts, current(hosts), hosts->port,
                     loop_now_ms(hosts->worker->loop));
}

void outbound_hosts_missed(struct outbound_hosts *hosts)
{
    if (!is_socket(hosts))
        hosts_missed(hosts->worker->hosts, current(hosts), hosts->port,
                     loop_now_ms(hosts->worker->loop));
}

void outbound_hosts_reached(struct outbound_hosts *hosts)
{
    if (!is_socket(hosts))
        hosts_reached(hosts->worker->hosts, current(hosts));
}

void outbound_hosts_worked(struct outbound_hosts *hosts)
{
    if (!is_socket(hosts))
        hosts_worked(hosts->worker->hosts, current(hosts), hosts->port);
}

struct bytes outbound_hosts_name(const struct outbound_hosts *hosts)
{
    return is_socket(hosts) ? BYTES_NONE : hosts->list[hosts->plan[hosts->tried - 1].host].name;
}

bool outbound_hosts_is_here(const struct outbound_hosts *hosts)
{
    return is_socket(hosts) || ip_is_loopback(current(hosts));
}

void outbound_hosts_tls_failed(struct outbound_hosts *hosts)
{
    if (!is_socket(hosts))
        hosts_tls_failed(hosts->worker->hosts, current(hosts), hosts->port,
                         loop_now_ms(hosts->worker->loop));
}

bool outbound_hosts_is_clear(const struct outbound_hosts *hosts)
{
    return !is_socket(hosts) && hosts_is_clear(hosts->worker->hosts, current(hosts), hosts->port,
                                               loop_now_ms(hosts->worker->loop));
}

bool outbound_hosts_has_other(const struct outbound_hosts *hosts)
{
    int64_t now_ms = loop_now_ms(hosts->worker->loop);
    for (size_t i = 0; i < hosts->plan_count; i++)
        if (i != hosts->tried - 1 &&
            !hosts_is_down(hosts->worker->hosts, &hosts->plan[i].ip, hosts->port, now_ms))
            return true;
    return false;
}
