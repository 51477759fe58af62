#include "daemon/worker.h"

#include <libpsl.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/key_cache.h"
#include "base/memory.h"
#include "daemon/inbound.h"
#include "daemon/line.h"
#include "daemon/outbound.h"
#include "daemon/outbound_tls.h"
#include "daemon/report.h"
#include "daemon/resolve.h"
#include "daemon/self.h"
#include "daemon/verify.h"

/* An envelope with the most recipients that a configuration may allow fits. */
enum {
    ENVELOPE_ARENA = 64 << 20,
    SENDER_KEYS = 1000, /* some 4 KiB each */
};
static const int64_t DISK_LOOK_MS = 5000;

struct generation *generation_use(struct generation *generation)
{
    generation->users++;
    return generation;
}

void generation_leave(struct generation *generation)
{
    if (--generation->users)
        return;
    outbound_contexts_free(generation->outbound_contexts);
    config_free(generation->config);
    self_done(&generation->self);
    tls_context_free(generation->tls);
    psl_free(generation->psl);
    free(generation);
}

static struct generation *generation_new(const struct worker *worker, struct config *config_owned)
{
    struct generation *generation = NEW(struct generation);
    generation->config = config_owned;
    generation->users = 1;
    self_init(&generation->self, config_owned);
    recipients_set_directory(config_owned->recipients, worker->directory);
    generation->psl = psl_latest(NULL);
    generation->outbound_contexts = outbound_contexts_new(config_owned, &worker->signer.signer);
    return generation;
}

static bool open_tls(struct worker *worker, struct generation *generation, struct error *err)
{
    if (!generation->config->tls.certificate_count)
        return true;
    generation->tls = server_tls_new(generation->config, &worker->signer.signer, err);
    return generation->tls != NULL;
}

uint64_t worker_id(struct worker *worker)
{
    return id_next(&worker->ids, loop_wall_ms(worker->loop));
}

/* --- The queue ------------------------------------------------------------------------------ */

static void log_failed(struct worker *worker, const struct queue_task *task)
{
    const struct queue_failure *failure = &task->failure;
    const struct envelope *envelope = failure->envelope;
    log_info("failed", LOG_ID(task->id),
             LOG_BYTES("to", envelope->recipients[failure->recipient].address),
             LOG_BYTES("status", failure->status), LOG_BYTES("reply", failure->reply),
             LOG_INT("delay_ms", loop_wall_ms(worker->loop) - envelope->received_ms));
}

/* A worker that drains keeps what became of deliveries under way, but begins nothing: whoever owns
 * the shard next will. With much to do, sessions have their turn in between. */
static void run_queue(struct worker *worker)
{
    enum { TASKS_MOST = 1000 };
    struct queue_task task;
    for (size_t i = 0; i < TASKS_MOST; i++) {
        switch (queue_step(worker->queue, loop_wall_ms(worker->loop), &task)) {
        case QUEUE_IDLE: return;
        case QUEUE_RESOLVE:
            if (!worker->is_draining)
                resolve_begin(worker, task.lane);
            continue;
        case QUEUE_CONNECT:
            if (!worker->is_draining)
                outbound_open(worker, task.lane);
            continue;
        case QUEUE_REPORT:
            if (!worker->is_draining)
                report_begin(worker, task.report);
            continue;
        case QUEUE_FAILED: log_failed(worker, &task); continue;
        case QUEUE_SAVE: spool_update(worker->spool, task.id, task.state); continue;
        case QUEUE_REMOVE: spool_remove(worker->spool, task.id); continue;
        }
    }
}

/* Has the queue something to do that did not fit in this turn? */
static bool is_behind(const struct worker *worker)
{
    return queue_deadline(worker->queue) <= loop_wall_ms(worker->loop);
}

bool worker_is_done(const struct worker *worker)
{
    return worker->is_draining && !is_behind(worker) && worker->inbound_count == 0 &&
           list_is_empty(&worker->outbounds) && worker->report_count == 0 &&
           commit_is_idle(worker->commit) && line_is_idle(worker->line);
}

void worker_turn(struct worker *worker)
{
    line_turn(worker->line);
    do
        run_queue(worker);
    while (outbound_wake_idle(worker));
    int64_t deadline_ms = queue_deadline(worker->queue);
    int64_t ahead_ms = deadline_ms - loop_wall_ms(worker->loop);
    bool is_idle = deadline_ms == INT64_MAX || (worker->is_draining && !is_behind(worker));
    timer_set(&worker->queue_timer, is_idle ? INT64_MAX : loop_now_ms(worker->loop) + ahead_ms);
    commit_turn(worker->commit);
}

/* A disk that failed is tried again when the spool next looks at it, which on a quiet server no
 * mail makes it do; results that could not be written wait for that. */
static void on_disk_timer(void *context)
{
    struct worker *worker = context;
    (void)spool_has_room(worker->spool, loop_now_ms(worker->loop));
    timer_set(&worker->disk_timer, loop_now_ms(worker->loop) + DISK_LOOK_MS);
}

static void on_queue_timer(void *context)
{
    /* Nothing to do here: the turn that follows steps the queue. */
}

/* --- What it is told ------------------------------------------------------------------------- */

void worker_kill(struct worker *worker)
{
    verify_hurry_all(worker);
    inbound_kill_all(worker);
    outbound_kill_all(worker);
}

static void on_drained(void *context)
{
    worker_kill(context);
}

void worker_stop(struct worker *worker)
{
    if (worker->is_draining)
        return;
    worker->is_draining = true;
    gate_close_all(worker);
    timer_set(&worker->drain_timer,
              loop_now_ms(worker->loop) + worker->generation->config->limits.drain_ms);
    inbound_shut_all(worker);
    outbound_shut_all(worker);
}

static void log_resolver(const struct worker *worker)
{
    const char *anchor = resolver_anchor(worker->resolver);
    log_info("resolver", LOG_BYTES("servers", resolver_servers(worker->resolver)),
             LOG_TEXT("trust_anchor", anchor ? anchor : "none"));
}

/* What it was asked, the old one still answers. */
static void renew_resolver(struct worker *worker, const struct resolver_settings *settings)
{
    struct error err;
    if (resolver_is_like(worker->resolver, settings))
        return;
    struct resolver *resolver = resolver_new(worker->loop, settings, &err);
    if (!resolver) {
        log_error("resolver-failed", LOG_TEXT("reason", err.text));
        return;
    }
    resolver_retire(worker->resolver);
    worker->resolver = resolver;
    log_resolver(worker);
}

void worker_reload(struct worker *worker, struct config *config_owned)
{
    struct generation *old = worker->generation;
    struct error err;
    worker->generation = generation_new(worker, config_owned);
    /* The supervisor has looked at the certificates; where they fail here all the same, the old
     * ones are better than none. */
    if (!open_tls(worker, worker->generation, &err)) {
        log_error("tls-error", LOG_TEXT("reason", err.text));
        if (old->tls)
            worker->generation->tls = tls_context_share(old->tls);
    }
    renew_resolver(worker, &config_owned->resolver);
    queue_reload(worker->queue, &config_owned->queue, config_owned->routes,
                 loop_wall_ms(worker->loop));
    generation_leave(old);
}

/* --- Life ---------------------------------------------------------------------------------------
 */

/* A message found in the spool at the start goes on where it was. */
static void on_found(void *context, const struct spool_found *found)
{
    struct worker *worker = context;
    struct arena *arena = arena_new(ENVELOPE_ARENA);
    struct envelope envelope;
    int64_t now_ms = loop_wall_ms(worker->loop);
    if (found->id > worker->ids.last)
        worker->ids.last = found->id;
    if (!envelope_scan(found->meta, arena, &envelope)) {
        log_error("spool-error", LOG_ID(found->id),
                  LOG_TEXT("reason", "its envelope is of another version; it stays in the spool"));
    } else if (!queue_restore(worker->queue, &envelope, found->state, now_ms)) {
        log_warning("spool-error", LOG_ID(found->id),
                    LOG_TEXT("reason", "its state cannot be read; delivery begins anew"));
    }
    arena_free(arena);
}

static bool open_spool(struct worker *worker, const struct worker_ground *ground, struct error *err)
{
    const struct config *config = ground->config;
    char path[4096];
    snprintf(path, sizeof path, "%s/%u", config->spool.path, ground->shard);
    struct spool_settings settings = {
        .path = path,
        .segment_bytes = config->spool.segment_bytes,
        .inline_body_bytes = config->spool.inline_body_bytes,
        .low_water_bytes = config->spool.low_water_bytes,
        .is_durable = config->spool.is_durable,
        .seed = config->queue.seed,
    };
    worker->spool = spool_open(ground->disk, &settings, on_found, worker, err);
    if (!worker->spool)
        return error_wrap(err, "spool");
    queue_sort(worker->queue);
    worker->commit = commit_new(worker->loop, worker->spool, ground->token);
    log_info("spool-opened", LOG_INT("messages", spool_stats(worker->spool).messages));
    return true;
}

bool worker_open(struct worker *worker, const struct worker_ground *ground, struct error *err)
{
    struct config *config = ground->config;
    *worker = (struct worker){.loop = ground->loop,
                              .keeper = ground->keeper,
                              .directory = ground->directory,
                              .random = config->queue.seed};
    list_init(&worker->inbounds);
    list_init(&worker->outbounds);
    list_init(&worker->resolves);
    list_init(&worker->verifies);
    list_init(&worker->gates);
    keeper_signer_init(&worker->signer, worker->keeper);
    worker->generation = generation_new(worker, config);
    worker->ids.shard = ground->shard;
    worker->queue = queue_new(&config->queue, config->routes);
    worker->hosts = hosts_new(config->queue.seed);
    worker->line = line_new(worker->loop);
    worker->keys = key_cache_new(SENDER_KEYS, config->queue.seed);
    worker->inbounds_by_peer = map_new(config->queue.seed);
    timer_init(&worker->queue_timer, worker->loop, on_queue_timer, worker);
    timer_init(&worker->drain_timer, worker->loop, on_drained, worker);
    timer_init(&worker->disk_timer, worker->loop, on_disk_timer, worker);
    inbound_init(worker);
    worker->resolver = resolver_new(worker->loop, &config->resolver, err);
    if (!worker->resolver || !open_tls(worker, worker->generation, err) ||
        !open_spool(worker, ground, err)) {
        worker_close(worker);
        return false;
    }
    log_resolver(worker);
    timer_set(&worker->disk_timer, loop_now_ms(worker->loop) + DISK_LOOK_MS);
    return true;
}

void worker_close(struct worker *worker)
{
    timer_clear(&worker->queue_timer);
    timer_clear(&worker->drain_timer);
    timer_clear(&worker->disk_timer);
    commit_free(worker->commit);
    if (worker->spool)
        spool_close(worker->spool);
    resolve_kill_all(worker);
    queue_free(worker->queue);
    hosts_free(worker->hosts);
    line_free(worker->line);
    key_cache_free(worker->keys);
    resolver_free(worker->resolver);
    map_free(worker->inbounds_by_peer);
    keeper_signer_done(&worker->signer);
    generation_leave(worker->generation);
}
