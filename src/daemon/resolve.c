#include "daemon/resolve.h"

#include <stdlib.h>

#include "base/memory.h"
#include "facts/facts.h"
#include "queue/mx.h"

/* Each round answers all that was asked, and mx_find asks twice: for the MX records, and for the
 * addresses of the hosts. */
enum { ROUND_LIMIT = 4 };

struct resolve {
    struct list link;
    struct worker *worker;
    struct generation *generation;
    struct lane *lane;
    struct facts *facts;
    struct arena *arena;
    struct resolving *query; /* under way; NULL: none */
    unsigned rounds;
};

static void resolve_free(struct resolve *resolve)
{
    list_remove(&resolve->link);
    resolver_cancel(resolve->query);
    facts_free(resolve->facts);
    arena_free(resolve->arena);
    generation_leave(resolve->generation);
    free(resolve);
}

static void log_outcome(struct bytes domain, enum mx_outcome outcome,
                        const struct mx_result *result)
{
    if (outcome == MX_FOUND)
        log_debug("resolved", LOG_BYTES("domain", domain), LOG_BYTES("best", result->hosts[0].name),
                  LOG_INT("hosts", result->host_count), LOG_INT("ttl_ms", result->ttl_ms),
                  LOG_TEXT("dnssec", result->is_secure ? "secure" : "insecure"));
    else
        log_warning("resolve-failed", LOG_BYTES("domain", domain),
                    LOG_TEXT("status", result->status), LOG_BYTES("reason", result->reason));
}

static void advance(void *context)
{
    struct resolve *resolve = context;
    struct worker *worker = resolve->worker;
    const struct endpoint *endpoint = lane_endpoint(resolve->lane);
    struct mx_self self = resolve->generation->self;
    struct mx_result result;
    resolve->query = NULL;
    self.port = endpoint->port;
    enum mx_outcome outcome =
        mx_find(resolve->facts, endpoint->host, &self, resolve->arena, &result);
    if (outcome == MX_NEEDS_FACTS) {
        ASSERT(resolve->rounds++ < ROUND_LIMIT);
        arena_reset(resolve->arena);
        resolve->query = resolver_resolve(worker->resolver, resolve->facts, advance, resolve);
        return;
    }
    log_outcome(endpoint->host, outcome, &result);
    queue_resolved(worker->queue, resolve->lane, outcome, &result, loop_wall_ms(worker->loop));
    resolve_free(resolve);
}

void resolve_begin(struct worker *worker, struct lane *lane)
{
    struct resolve *resolve = NEW(struct resolve);
    resolve->worker = worker;
    resolve->generation = generation_use(worker->generation);
    resolve->lane = lane;
    resolve->facts = facts_new();
    resolve->arena = arena_new(MX_ARENA);
    list_append(&worker->resolves, &resolve->link);
    advance(resolve);
}

void resolve_kill_all(struct worker *worker)
{
    LIST_EACH (&worker->resolves, struct resolve, link, resolve)
        resolve_free(resolve);
}
