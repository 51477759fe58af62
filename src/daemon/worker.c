#include "daemon/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/counter.h"
#include "daemon/inbound.h"
#include "daemon/journal.h"
#include "daemon/orders.h"
#include "daemon/outbound.h"
#include "daemon/report.h"
#include "disk/disk_real.h"

/* An envelope with the most recipients that a configuration may allow fits. */
enum { ENVELOPE_ARENA = 64 << 20 };
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
    config_free(generation->config);
    free(generation);
}

uint64_t worker_id(struct worker *worker)
{
    return id_next(&worker->ids, loop_wall_ms(worker->loop));
}

/* --- The queue ------------------------------------------------------------------------------ */

/* The DNS is not asked yet: what the routes do not name cannot be delivered. */
static void no_route(struct worker *worker, struct lane *lane)
{
    char text[REPLY_LIMIT];
    snprintf(text, sizeof text, "no route to %.*s", BYTES_ARGS(lane_endpoint(lane)->host));
    struct mx_result result = {.status = "5.4.4", .reason = bytes_of(text)};
    queue_resolved(worker->queue, lane, MX_FAILED, &result, loop_wall_ms(worker->loop));
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
                no_route(worker, task.lane);
            continue;
        case QUEUE_CONNECT:
            if (!worker->is_draining)
                outbound_open(worker, task.lane);
            continue;
        case QUEUE_REPORT:
            if (!worker->is_draining)
                report_begin(worker, task.report);
            continue;
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

static bool is_quiet(const struct worker *worker)
{
    return !is_behind(worker) && worker->inbound_count == 0 && list_is_empty(&worker->outbounds) &&
           worker->report_count == 0 && commit_is_idle(worker->commit);
}

/* Each turn, before the loop sleeps: what the turn brought takes effect. */
static void worker_turn(void *context)
{
    struct worker *worker = context;
    do
        run_queue(worker);
    while (outbound_wake_idle(worker));
    int64_t deadline_ms = queue_deadline(worker->queue);
    int64_t ahead_ms = deadline_ms - loop_wall_ms(worker->loop);
    bool is_idle = deadline_ms == INT64_MAX || (worker->is_draining && !is_behind(worker));
    timer_set(&worker->queue_timer, is_idle ? INT64_MAX : loop_now_ms(worker->loop) + ahead_ms);
    commit_turn(worker->commit);
    journal_flush(worker->child->journal);
    log_flush();
    if (worker->is_draining && is_quiet(worker))
        loop_stop(worker->loop);
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

/* --- What the supervisor says ----------------------------------------------------------------- */

static void on_drained(void *context)
{
    struct worker *worker = context;
    inbound_kill_all(worker);
    outbound_kill_all(worker);
}

static void on_stop(void *context)
{
    struct worker *worker = context;
    if (worker->is_draining)
        return;
    worker->is_draining = true;
    gate_close_all(worker);
    timer_set(&worker->drain_timer,
              loop_now_ms(worker->loop) + worker->generation->config->limits.drain_ms);
    inbound_shut_all(worker);
    outbound_shut_all(worker);
}

static void on_gone(void *context)
{
    on_stop(context);
    on_drained(context);
}

static void on_reload(void *context, struct config *config_owned)
{
    struct worker *worker = context;
    struct generation *old = worker->generation;
    worker->generation = NEW(struct generation);
    worker->generation->config = config_owned;
    worker->generation->users = 1;
    worker->child->config = config_owned;
    queue_reload(worker->queue, &config_owned->queue, config_owned->routes,
                 loop_wall_ms(worker->loop));
    generation_leave(old);
}

static void on_peer(void *context, int fd_owned)
{
    struct worker *worker = context;
    struct error err;
    counter_close(worker->counter);
    worker->counter = counter_open(worker, fd_owned, &err);
    if (!worker->counter)
        log_error("ipc-error", LOG_TEXT("reason", err.text));
}

static const struct orders_events order_events = {on_reload, on_peer, on_stop, on_gone};

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

static bool open_spool(struct worker *worker, struct error *err)
{
    const struct config *config = worker->child->config;
    char path[4096];
    snprintf(path, sizeof path, "%s/%u", config->spool.path, worker->child->index);
    struct spool_settings settings = {
        .path = path,
        .segment_bytes = config->spool.segment_bytes,
        .inline_body_bytes = config->spool.inline_body_bytes,
        .low_water_bytes = config->spool.low_water_bytes,
        .is_durable = config->spool.is_durable,
        .seed = config->queue.seed,
    };
    worker->disk = disk_real_new();
    worker->spool = spool_open(worker->disk, &settings, on_found, worker, err);
    if (!worker->spool)
        return error_wrap(err, "spool");
    struct token *token = NULL;
    if (worker->child->token_fd >= 0 && !(token = token_map(worker->child->token_fd, err)))
        return false;
    worker->token = token;
    worker->commit = commit_new(worker->loop, worker->spool, token);
    log_info("spool-opened", LOG_INT("messages", spool_stats(worker->spool).messages));
    return true;
}

static bool worker_open(struct worker *worker, struct error *err)
{
    struct child *child = worker->child;
    worker->loop = loop_new(err);
    if (!worker->loop)
        return false;
    worker->ids.shard = child->index;
    worker->queue = queue_new(&child->config->queue, child->config->routes);
    worker->inbounds_by_peer = map_new(child->config->queue.seed);
    timer_init(&worker->queue_timer, worker->loop, on_queue_timer, worker);
    timer_init(&worker->drain_timer, worker->loop, on_drained, worker);
    timer_init(&worker->disk_timer, worker->loop, on_disk_timer, worker);
    inbound_init(worker);
    if (!open_spool(worker, err))
        return false;
    for (size_t i = 0; i < child->listener_count; i++)
        if (!gate_open(worker, child->listeners[i], i, err))
            return false;
    if (child->control_fd >= 0)
        on_peer(worker, child->control_fd);
    worker->orders = orders_open(worker->loop, child, &order_events, worker, err);
    if (!worker->orders)
        return false;
    loop_on_turn(worker->loop, worker_turn, worker);
    timer_set(&worker->disk_timer, loop_now_ms(worker->loop) + DISK_LOOK_MS);
    return true;
}

static void worker_close(struct worker *worker)
{
    orders_close(worker->orders);
    counter_close(worker->counter);
    timer_clear(&worker->queue_timer);
    timer_clear(&worker->drain_timer);
    timer_clear(&worker->disk_timer);
    commit_free(worker->commit);
    spool_close(worker->spool);
    token_unmap(worker->token);
    disk_free(worker->disk);
    queue_free(worker->queue);
    map_free(worker->inbounds_by_peer);
    loop_on_turn(worker->loop, NULL, NULL);
    loop_free(worker->loop);
    generation_leave(worker->generation);
}

int worker_main(struct child *child)
{
    struct worker worker = {.child = child};
    struct error err;
    list_init(&worker.inbounds);
    list_init(&worker.outbounds);
    list_init(&worker.gates);
    worker.generation = NEW(struct generation);
    worker.generation->config = child->config;
    worker.generation->users = 1;
    if (!worker_open(&worker, &err) || !child_ready(child, &err)) {
        log_error("worker-failed", LOG_TEXT("reason", err.text));
        /* Half opened, nothing accepted: there is nothing to put in order. */
        _exit(EXIT_FAILURE);
    }
    log_set_buffered(true);
    loop_run(worker.loop);
    log_set_buffered(false);
    worker_close(&worker);
    return EXIT_SUCCESS;
}
