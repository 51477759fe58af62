/* Lanes by MX: a domain's lane, what the DNS said of it, and the site that carries its mail. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "queue/queue_state.h"

enum {
    DOMAIN_LIMIT = 255,    /* bytes; the DNS has no longer ones */
    SITE_NAME_LIMIT = 200, /* of what people read; beyond, a hash stands for the rest */
    LINGERING_LIMIT = 10000,
    FAIL_BATCH = 100, /* deliveries that a step fails at most */
};

/* --- Names -------------------------------------------------------------------------------------
 */

static const struct endpoint by_mx = {.kind = ENDPOINT_MX, .port = 25, .name = BYTES_INIT("mx")};

/* What follows "mx" in the name of a route: where it differs, lanes do. */
static struct bytes route_suffix(const struct endpoint *route)
{
    return bytes_from(route->name, by_mx.name.len);
}

static struct bytes name_print(const struct queue *queue, const struct endpoint *route,
                               struct bytes domain, uint8_t room[LANE_NAME_LIMIT])
{
    struct buf name = {.at = room, .cap = LANE_NAME_LIMIT, .limit = LANE_NAME_LIMIT};
    if (route->kind == ENDPOINT_MX) {
        buf_add(&name, BYTES("mx:"));
        for (size_t i = 0; i < domain.len; i++)
            buf_add_byte(&name, ascii_lower(domain.at[i]));
        buf_add(&name, route_suffix(route));
    } else {
        buf_add(&name, route->name);
    }
    if (!endpoint_tls_rule(route))
        tls_rule_print(&name, routes_tls_rule(queue->routes, route, domain));
    return buf_view(&name);
}

static const struct endpoint *find_route(const struct queue *queue, struct bytes domain)
{
    const struct endpoint *route = routes_find(queue->routes, domain);
    return route ? route : &by_mx;
}

struct bytes lane_name(const struct queue *queue, struct bytes domain,
                       uint8_t room[LANE_NAME_LIMIT])
{
    return name_print(queue, find_route(queue, domain), domain, room);
}

/* Also keeps the names of domains' lanes apart from those of sites. */
static bool is_possible_domain(struct bytes domain)
{
    return domain.len > 0 && domain.len <= DOMAIN_LIMIT && bytes_find(domain, '=') == domain.len;
}

struct lane *lane_for_domain(struct queue *queue, struct bytes domain)
{
    const struct endpoint *route = find_route(queue, domain);
    bool is_by_mx = route->kind == ENDPOINT_MX;
    if (is_by_mx && !is_possible_domain(domain))
        return NULL;
    uint8_t room[LANE_NAME_LIMIT];
    struct endpoint endpoint = *route;
    endpoint.name = name_print(queue, route, domain, room);
    endpoint.tls = routes_tls_rule(queue->routes, route, domain);
    if (is_by_mx)
        endpoint.host = bytes_sub(endpoint.name, sizeof "mx:" - 1, domain.len);
    return lane_for(queue, &endpoint);
}

bool lane_is_domain(const struct lane *lane)
{
    return lane->endpoint.kind == ENDPOINT_MX && lane->endpoint.host_count == 0;
}

static bool has_hosts(const struct lane *lane, const struct mx_result *result)
{
    if (lane->endpoint.host_count != result->host_count)
        return false;
    for (size_t i = 0; i < result->host_count; i++)
        if (lane->endpoint.hosts[i].preference != result->hosts[i].preference ||
            !bytes_equal(lane->endpoint.hosts[i].name, result->hosts[i].name))
            return false;
    return true;
}

static void print_hosts(struct buf *out, const struct mx_result *result)
{
    buf_add(out, BYTES("mx:"));
    for (size_t i = 0; i < result->host_count; i++) {
        buf_addf(out, "%s%u=", i > 0 ? "," : "", (unsigned)result->hosts[i].preference);
        buf_add(out, result->hosts[i].name);
    }
}

/* Behind the hosts in a site's name: how mail goes there; and, where the domain's name is what TLS
 * verifies, for which domain, and what else it may go by. */
static void print_terms(struct buf *out, const struct lane *lane, const struct endpoint *site)
{
    size_t before = sizeof "mx:" - 1 + lane->endpoint.host.len;
    buf_add(out, bytes_from(lane->endpoint.name, before));
    if (site->host.len) {
        buf_add(out, BYTES(";for="));
        buf_add(out, site->host);
        buf_add(out, site->is_secure ? BYTES(";dnssec") : BYTES_NONE);
    }
}

/* The lane of these hosts, by the route of the domain's lane. Hosts that only a hash tells from
 * others are compared, so that nobody gets mail that is another's. */
static struct lane *site_for(struct queue *queue, const struct lane *lane,
                             const struct mx_result *result)
{
    struct endpoint endpoint = lane->endpoint;
    struct buf whole, name;
    struct lane *site = NULL;
    bool is_bound = tls_rule_is_bound(endpoint.tls);
    if (!is_bound)
        endpoint.host = BYTES_NONE;
    endpoint.is_secure = is_bound && result->is_secure;
    endpoint.hosts = result->hosts;
    endpoint.host_count = result->host_count;
    buf_init(&whole, SIZE_MAX);
    buf_init(&name, SIZE_MAX);
    print_hosts(&whole, result);
    bool is_short = whole.len <= SITE_NAME_LIMIT;
    for (uint64_t salt = 0; !site || !has_hosts(site, result); salt++) {
        buf_clear(&name);
        buf_add(&name, bytes_sub(buf_view(&whole), 0, SITE_NAME_LIMIT));
        if (!is_short || salt > 0)
            buf_addf(&name, "...%016llx", (unsigned long long)hash_bytes(buf_view(&whole), salt));
        print_terms(&name, lane, &endpoint);
        endpoint.name = buf_view(&name);
        site = lane_for(queue, &endpoint);
    }
    buf_done(&whole);
    buf_done(&name);
    return site;
}

/* --- Sites and their domains -------------------------------------------------------------------
 */

static void join_site(struct queue *queue, struct lane *lane, struct lane *site)
{
    lane->site = site;
    lane->site_failures = site->failures;
    list_append(&site->members, &lane->member);
    rows_join(queue, lane);
    site->offered += lane->ready;
    lane_work(queue, site);
}

static void leave_site(struct queue *queue, struct lane *lane)
{
    struct lane *site = lane->site;
    if (!site)
        return;
    /* The site's failures were the domain's. */
    uint32_t failures = lane_failures(lane);
    if (failures != lane->failures) {
        lane_set_failure(queue, lane, outcome_use(site->failure), site->failed_ms);
        lane->failures = failures;
    }
    list_remove(&lane->member);
    rows_leave(queue, lane);
    site->offered -= lane->ready;
    if (lane->opening > 0)
        site->resolving--;
    lane->site = NULL;
    lane_work(queue, site);
    lane_release(queue, site);
}

void lane_forget(struct queue *queue, struct lane *lane)
{
    if (!lane_is_domain(lane))
        return;
    leave_site(queue, lane);
    lane->resolution = RESOLUTION_NONE;
    lane->fresh_until_ms = 0;
}

/* --- What the DNS said -------------------------------------------------------------------------
 */

bool lane_is_fresh(const struct lane *lane, int64_t now_ms)
{
    return lane->resolution != RESOLUTION_NONE && now_ms < lane->fresh_until_ms;
}

bool lane_wants_resolution(const struct lane *lane, int64_t now_ms)
{
    if (!lane_is_domain(lane) || lane->ready == 0 || lane->opening > 0 ||
        lane_is_fresh(lane, now_ms))
        return false;
    if (lane->is_suspended && now_ms < lane->until_ms)
        return false;
    /* While its site does not answer, the domain is asked for again when the site is. */
    return !lane->site || !lane->site->is_suspended || now_ms >= lane->site->until_ms;
}

static void keep_fresh(struct queue *queue, struct lane *lane, enum resolution resolution,
                       int64_t ttl_ms)
{
    lane->resolution = (uint8_t)resolution;
    lane->fresh_until_ms = queue->now_ms + ttl_ms;
    heap_put(&queue->pauses, &lane->due, lane->fresh_until_ms);
}

static void found(struct queue *queue, struct lane *lane, const struct mx_result *result)
{
    struct lane *site = site_for(queue, lane, result);
    if (site != lane->site) {
        leave_site(queue, lane);
        join_site(queue, lane, site);
    }
    keep_fresh(queue, lane, RESOLUTION_FOUND, result->ttl_ms);
}

static void failed(struct queue *queue, struct lane *lane, const struct mx_result *result)
{
    lane_forget(queue, lane);
    lane_set_failure(queue, lane,
                     outcome_decided(&queue->outcomes, result->status, result->reason, NULL),
                     queue->now_ms);
    keep_fresh(queue, lane, RESOLUTION_FAILED, result->ttl_ms);
}

static void deferred(struct queue *queue, struct lane *lane, const struct mx_result *result)
{
    struct delivery_result failure = {.outcome = DEFERRED, .reply = result->reason};
    struct bytes status = bytes_sub(bytes_of(result->status), 0, sizeof failure.status - 1);
    if (status.len)
        memcpy(failure.status, status.at, status.len);
    lane_forget(queue, lane);
    heap_remove(&queue->pauses, &lane->due);
    lane_failed(queue, lane, &failure, queue->now_ms);
}

void queue_resolved(struct queue *queue, struct lane *lane, enum mx_outcome outcome,
                    const struct mx_result *result, int64_t now_ms)
{
    ASSERT(lane_is_domain(lane) && lane->opening == 1 && outcome != MX_NEEDS_FACTS);
    queue->now_ms = now_ms;
    lane->opening = 0;
    lane->resolved_ms = now_ms;
    if (lane->site) {
        lane->site->resolving--;
        lane_work(queue, lane->site);
    }
    /* It must not be freed on the way. */
    lane->deliveries++;
    if (outcome == MX_DEFERRED) {
        deferred(queue, lane, result);
    } else {
        lane_resume(queue, lane);
        if (outcome == MX_FOUND)
            found(queue, lane, result);
        else
            failed(queue, lane, result);
    }
    lane->deliveries--;
    lane_release(queue, lane);
}

bool lane_fail_some(struct queue *queue, struct lane *lane, int64_t now_ms)
{
    if (lane->resolution != RESOLUTION_FAILED || !lane_is_fresh(lane, now_ms) || lane->ready == 0)
        return false;
    for (size_t i = 0; i < FAIL_BATCH && lane->ready > 0; i++) {
        struct delivery *delivery = rows_any(lane);
        struct message *message = delivery->message;
        delivery_withdraw(queue, delivery);
        for (size_t j = 0; j < message->slot_count; j++) {
            struct slot *slot = &message->slots[j];
            if (slot->delivery != delivery)
                continue;
            slot_give_up(queue, message, slot, lane->failure->status, outcome_reply(lane->failure));
        }
        delivery_drop(queue, delivery);
    }
    return true;
}

/* --- Unused lanes ------------------------------------------------------------------------------
 */

void lane_linger(struct queue *queue, struct lane *lane)
{
    if (!list_is_empty(&lane->linger))
        return;
    list_append(&queue->lingering, &lane->linger);
    queue->lingering_count++;
}

void lane_use(struct queue *queue, struct lane *lane)
{
    if (list_is_empty(&lane->linger))
        return;
    list_remove(&lane->linger);
    queue->lingering_count--;
}

bool queue_trim_lanes(struct queue *queue)
{
    if (queue->lingering_count <= LINGERING_LIMIT)
        return false;
    struct lane *lane = LIST_FIRST(&queue->lingering, struct lane, linger);
    lane_use(queue, lane);
    lane_forget(queue, lane);
    lane_release(queue, lane);
    return true;
}
