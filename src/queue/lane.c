#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "queue/queue_state.h"

/* --- Its memory --------------------------------------------------------------------------------
 */

static struct bytes put(uint8_t **at, struct bytes bytes)
{
    struct bytes copy = {*at, bytes.len};
    if (bytes.len)
        memcpy(*at, bytes.at, bytes.len);
    *at += bytes.len;
    return copy;
}

/* Hosts and their names in one block. */
static struct mx_host *copy_hosts(const struct endpoint *endpoint)
{
    size_t count = endpoint->host_count, len = count * sizeof(struct mx_host);
    for (size_t i = 0; i < count; i++)
        len += endpoint->hosts[i].name.len;
    if (count == 0)
        return NULL;
    struct mx_host *hosts = memory_new(1, len);
    uint8_t *at = (uint8_t *)(hosts + count);
    for (size_t i = 0; i < count; i++) {
        hosts[i] = endpoint->hosts[i];
        hosts[i].name = put(&at, endpoint->hosts[i].name);
    }
    return hosts;
}

struct lane *lane_for(struct queue *queue, const struct endpoint *endpoint)
{
    struct lane *lane = map_find(queue->lanes, endpoint->name);
    if (lane)
        return lane;
    size_t len = endpoint->host.len + endpoint->unix_path.len + endpoint->name.len +
                 endpoint->user.len + endpoint->password_file.len;
    lane = memory_new(1, sizeof *lane + len);
    uint8_t *at = lane->text;
    lane->endpoint = *endpoint;
    lane->endpoint.host = put(&at, endpoint->host);
    lane->endpoint.unix_path = put(&at, endpoint->unix_path);
    lane->endpoint.name = put(&at, endpoint->name);
    lane->endpoint.user = put(&at, endpoint->user);
    lane->endpoint.password_file = put(&at, endpoint->password_file);
    lane->endpoint.hosts = lane->hosts_owned = copy_hosts(endpoint);
    lane->endpoint.tls = lane->tls_owned = tls_rule_copy(endpoint->tls);
    struct list *const lists[] = {&lane->work,   &lane->rows,    &lane->member,
                                  &lane->linger, &lane->members, &lane->turns};
    for (size_t i = 0; i < COUNT(lists); i++)
        list_init(lists[i]);
    window_init(&lane->window);
    lane->number = queue->lanes_made++;
    lane->site = lane_is_domain(lane) ? NULL : lane;
    map_add(queue->lanes, lane->endpoint.name, lane);
    return lane;
}

void lane_free(struct queue *queue, struct lane *lane)
{
    free(lane->hosts_owned);
    free(lane->tls_owned);
    outcome_leave(&queue->outcomes, lane->failure);
    free(lane);
}

static bool is_used(const struct lane *lane)
{
    return lane->deliveries > 0 || lane->connections > 0 || lane->opening > 0 ||
           !list_is_empty(&lane->members);
}

void lane_release(struct queue *queue, struct lane *lane)
{
    if (is_used(lane))
        return;
    list_remove(&lane->work);
    /* Its rate must not be forgotten before its time. */
    int64_t due_ms = lane->spent.due_us / 1000;
    if (due_ms > queue->now_ms) {
        heap_put(&queue->tokens, &lane->token, due_ms);
        return;
    }
    if (lane_is_fresh(lane, queue->now_ms)) {
        lane_linger(queue, lane);
        return;
    }
    lane_use(queue, lane);
    lane_forget(queue, lane);
    heap_remove(&queue->pauses, &lane->due);
    heap_remove(&queue->tokens, &lane->token);
    map_take(queue->lanes, lane->endpoint.name);
    queue->stats.lanes_suspended -= lane->is_suspended;
    lane_free(queue, lane);
}

const struct endpoint *lane_endpoint(const struct lane *lane)
{
    return &lane->endpoint;
}

const struct lane *lane_shown(const struct lane *lane)
{
    return lane->site ? lane->site : lane;
}

/* --- Its connections ---------------------------------------------------------------------------
 */

void lane_work(struct queue *queue, struct lane *lane)
{
    if (list_is_empty(&lane->work))
        list_append(&queue->work, &lane->work);
}

/* A Unix socket leads to a program of this host, which stores the faster the more messages it has
 * at hand for one sync. */
enum { UNIX_CONNECTIONS = 128 };

size_t lane_limit(const struct queue *queue, const struct lane *lane)
{
    size_t own = lane->endpoint.limits.connections;
    if (own)
        return own;
    size_t limit = queue->settings->lane_connections;
    if (lane->endpoint.unix_path.len && limit < UNIX_CONNECTIONS)
        limit = UNIX_CONNECTIONS;
    return limit ? limit : 1;
}

const struct rate *lane_rate(const struct queue *queue, const struct lane *lane)
{
    const struct rate *own = &lane->endpoint.limits.rate;
    return own->messages ? own : &queue->settings->rate;
}

size_t queue_connection_messages(const struct queue *queue, const struct lane *lane)
{
    size_t own = lane->endpoint.limits.connection_messages;
    return own ? own : queue->settings->connection_messages;
}

/* The connections that it may have now. */
static size_t lane_width(const struct queue *queue, const struct lane *lane)
{
    size_t limit = lane_limit(queue, lane);
    return lane->window.size < limit ? lane->window.size : limit;
}

bool lane_may_take(const struct queue *queue, const struct lane *lane, int64_t now_ms)
{
    return lane->active < lane_width(queue, lane) &&
           rate_ready_ms(lane_rate(queue, lane), &lane->spent) <= now_ms;
}

void lane_await_token(struct queue *queue, struct lane *lane, int64_t now_ms)
{
    int64_t ready_ms = rate_ready_ms(lane_rate(queue, lane), &lane->spent);
    if (lane->offered > 0 && ready_ms > now_ms)
        heap_put(&queue->tokens, &lane->token, ready_ms);
}

bool lane_wants_connection(const struct queue *queue, const struct lane *lane, int64_t now_ms)
{
    if (lane_is_domain(lane) || !lane_may_take(queue, lane, now_ms))
        return false;
    size_t working = lane->connections - lane->opening;
    size_t idle = working > lane->active ? working - lane->active : 0;
    if (lane->offered <= idle + lane->opening || lane->connections >= lane_width(queue, lane))
        return false;
    /* With a rate there is one message at a time to wait for. */
    if (lane_rate(queue, lane)->messages && idle + lane->opening > 0)
        return false;
    /* A probe waits for domains whose MX may have changed. */
    if (lane->is_suspended)
        return now_ms >= lane->until_ms && lane->opening == 0 && lane->resolving == 0;
    if (now_ms < lane->until_ms && lane->connections > 0)
        return false;
    /* At most doubled at a time: what answers one connection may not answer twenty. */
    return lane->opening < (working ? working : 1);
}

static void lane_pause(struct queue *queue, struct lane *lane, int64_t until_ms)
{
    lane->until_ms = until_ms;
    heap_put(&queue->pauses, &lane->due, until_ms);
}

/* Those whose MX was not asked for again while the site did not answer. */
static void work_members(struct queue *queue, struct lane *lane)
{
    LIST_EACH (&lane->members, struct lane, member, member)
        if (member->ready > 0 && !lane_is_fresh(member, queue->now_ms))
            lane_work(queue, member);
}

void lane_due(struct queue *queue, struct lane *lane, int64_t now_ms)
{
    heap_remove(&queue->pauses, &lane->due);
    if (lane->resolution != RESOLUTION_NONE && lane->ready == 0) {
        lane_forget(queue, lane);
        lane_release(queue, lane);
        return;
    }
    if (lane->is_suspended)
        work_members(queue, lane);
    lane_work(queue, lane);
}

void lane_resume(struct queue *queue, struct lane *lane)
{
    if (lane->is_suspended)
        work_members(queue, lane);
    queue->stats.lanes_suspended -= lane->is_suspended;
    lane->is_suspended = false;
    lane->until_ms = 0;
    lane->strikes = 0;
    heap_remove(&queue->pauses, &lane->due);
    lane_work(queue, lane);
}

static void lift(struct queue *queue, struct lane *lane, int64_t since_ms)
{
    /* A probe, or a question, under way will tell. */
    if (lane->opening > 0 || (lane->failure && lane->failed_ms >= since_ms) ||
        lane->resolved_ms >= since_ms)
        return;
    lane->fresh_until_ms = 0;
    lane_resume(queue, lane);
}

void lane_lift(struct queue *queue, struct lane *lane, int64_t since_ms)
{
    lift(queue, lane, since_ms);
    if (lane->site && lane->site != lane)
        lift(queue, lane->site, since_ms);
}

uint32_t lane_failures(const struct lane *lane)
{
    bool is_member = lane->site && lane->site != lane;
    return lane->failures + (is_member ? lane->site->failures - lane->site_failures : 0);
}

const struct outcome *lane_failure(const struct lane *lane)
{
    bool is_sites = lane_failures(lane) != lane->failures;
    return is_sites ? lane->site->failure : lane->failure;
}

int64_t lane_failed_ms(const struct lane *lane)
{
    bool is_sites = lane_failures(lane) != lane->failures;
    return is_sites ? lane->site->failed_ms : lane->failed_ms;
}

void lane_set_failure(struct queue *queue, struct lane *lane, struct outcome *outcome_owned,
                      int64_t failed_ms)
{
    outcome_leave(&queue->outcomes, lane->failure);
    lane->failure = outcome_owned;
    lane->failed_ms = failed_ms;
}

void queue_connected(struct queue *queue, struct lane *lane, int64_t now_ms)
{
    queue->now_ms = now_ms;
    if (lane->opening > 0)
        lane->opening--;
    lane_resume(queue, lane);
}

void lane_failed(struct queue *queue, struct lane *lane, const struct delivery_result *failure,
                 int64_t now_ms)
{
    bool is_working = lane->connections > lane->opening;
    /* Several that were opened together fail together: that is one failure. */
    if (lane->is_suspended && now_ms < lane->until_ms)
        return;
    int64_t until_ms = now_ms + queue_backoff(queue, ++lane->strikes);
    lane_pause(queue, lane, until_ms);
    if (is_working) {
        window_refused(&lane->window, lane->connections - lane->opening);
        return;
    }
    if (!lane->is_suspended)
        window_died(&lane->window);
    queue->stats.lanes_suspended += !lane->is_suspended;
    lane->is_suspended = true;
    lane->failures++;
    lane_set_failure(queue, lane,
                     outcome_new(&queue->outcomes, failure, lane->endpoint.name, false), now_ms);
    lane_expire(queue, lane, now_ms);
    LIST_EACH (&lane->members, struct lane, member, member)
        lane_expire(queue, member, now_ms);
}

void queue_disconnected(struct queue *queue, struct lane *lane,
                        const struct delivery_result *failure, int64_t now_ms)
{
    ASSERT(lane->connections > 0);
    queue->now_ms = now_ms;
    bool was_opening = failure ? lane->opening > 0 : lane->opening == lane->connections;
    lane->opening -= was_opening;
    lane->connections--;
    queue->stats.connections--;
    lane_work(queue, lane);
    if (failure)
        lane_failed(queue, lane, failure, now_ms);
    lane_release(queue, lane);
}
