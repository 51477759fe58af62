#include "queue/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "queue/queue_state.h"

struct queue *queue_new(const struct queue_settings *settings, const struct routes *routes)
{
    struct queue *queue = NEW(struct queue);
    queue->settings = settings;
    queue->routes = routes;
    queue->random = settings->seed;
    queue->messages = table_new(settings->seed);
    queue->lanes = map_new(settings->seed);
    queue->reports = table_new(settings->seed);
    queue->rows = table_new(settings->seed);
    outcomes_init(&queue->outcomes, settings->seed);
    queue->shares = table_new(settings->seed);
    list_init(&queue->by_arrival);
    list_init(&queue->work);
    list_init(&queue->lingering);
    heap_init(&queue->waiting);
    heap_init(&queue->pauses);
    heap_init(&queue->tokens);
    heap_init(&queue->postponed);
    heap_init(&queue->notices);
    list_init(&queue->turns);
    queue->noticed = queue->rerouted = &queue->by_arrival;
    buf_init(&queue->state, SIZE_MAX);
    return queue;
}

static void free_deliveries(struct message *message)
{
    for (struct delivery *delivery = &message->first, *next; delivery; delivery = next) {
        next = delivery->next;
        if (delivery->state == DELIVERY_ACTIVE) {
            arena_free(delivery->in.active->arena);
            free(delivery->in.active);
        }
        if (delivery != &message->first)
            free(delivery);
    }
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    size_t place = 0;
    for (void *value; table_next(queue->reports, &place, &value);)
        report_free(value);
    LIST_EACH (&queue->by_arrival, struct message, by_arrival, message) {
        free_deliveries(message);
        message_free(queue, message);
    }
    place = 0;
    for (void *value; map_next(queue->lanes, &place, &value);)
        lane_free(queue, value);
    table_free(queue->messages);
    map_free(queue->lanes);
    table_free(queue->reports);
    rows_free(queue);
    outcomes_done(&queue->outcomes);
    heap_done(&queue->waiting);
    heap_done(&queue->pauses);
    heap_done(&queue->tokens);
    heap_done(&queue->postponed);
    for (struct heap_node *node; (node = heap_first(&queue->notices));) {
        heap_remove(&queue->notices, node);
        free(CONTAINER(node, struct notice, due));
    }
    heap_done(&queue->notices);
    buf_done(&queue->state);
    failures_done(&queue->failures);
    free(queue->todo);
    free(queue);
}

void queue_reload(struct queue *queue, const struct queue_settings *settings,
                  const struct routes *routes, int64_t now_ms)
{
    queue->settings = settings;
    queue->routes = routes;
    queue->generation++;
    queue->now_ms = now_ms;
    queue->noticed = &queue->by_arrival;
    queue->rerouted = &queue->by_arrival;
    queue->is_rerouting = true;
    size_t place = 0;
    for (void *value; map_next(queue->lanes, &place, &value);) {
        struct lane *lane = value;
        /* Limits and ages may have changed, and what we take for ourselves. */
        lane->first_expiry_ms = INT64_MIN;
        if (lane->resolution != RESOLUTION_NONE) {
            lane->fresh_until_ms = now_ms;
            heap_put(&queue->pauses, &lane->due, now_ms);
        }
        lane_work(queue, lane);
    }
}

/* --- Messages come -----------------------------------------------------------------------------
 */

/* By id: what was accepted while a long message came in has a larger one than it. */
static void link_by_id(struct queue *queue, struct message *message)
{
    struct list *after = &queue->by_arrival;
    while (after->previous != &queue->by_arrival &&
           CONTAINER(after->previous, struct message, by_arrival)->id > message->id)
        after = after->previous;
    list_append(after, &message->by_arrival);
}

bool queue_add(struct queue *queue, const struct envelope *envelope, int64_t now_ms)
{
    if (table_find(queue->messages, envelope->id))
        return false;
    queue->now_ms = now_ms;
    struct message *message = message_new(envelope, queue->settings->seed);
    table_add(queue->messages, message->id, message);
    link_by_id(queue, message);
    queue->stats.recipients_waiting += message->slot_count;
    int64_t *next_ms = memory_new(message->slot_count, sizeof *next_ms);
    for (size_t i = 0; i < message->slot_count; i++)
        next_ms[i] = envelope->hold_until_ms;
    message_route(queue, message, envelope, next_ms, now_ms);
    notice_add(queue, message, envelope);
    /* Nobody to deliver to: gone at once. */
    if (message->slot_count == 0)
        message_todo(queue, message);
    free(next_ms);
    return true;
}

void queue_sort(struct queue *queue)
{
    struct item {
        struct heap_node node;
        struct message *message;
    };
    if (!queue->is_unsorted)
        return;
    struct heap heap;
    size_t at = 0, count = table_count(queue->messages);
    struct item *items = memory_new(count, sizeof *items);
    heap_init(&heap);
    LIST_EACH (&queue->by_arrival, struct message, by_arrival, message) {
        list_remove(&message->by_arrival);
        items[at].message = message;
        /* Ids have 64 bits, keys 63 and a sign. */
        heap_put(&heap, &items[at++].node, (int64_t)(message->id ^ (uint64_t)1 << 63));
    }
    for (struct heap_node *first; (first = heap_first(&heap));) {
        heap_remove(&heap, first);
        list_append(&queue->by_arrival, &CONTAINER(first, struct item, node)->message->by_arrival);
    }
    heap_done(&heap);
    free(items);
    queue->is_unsorted = false;
}

/* Nothing waits longer than this, though the clock was wrong when the state was saved. */
static int64_t latest_attempt(const struct queue *queue, const struct envelope *envelope,
                              int64_t now_ms)
{
    int64_t latest_ms = now_ms + queue->settings->retry_max_ms;
    return envelope->hold_until_ms > latest_ms ? envelope->hold_until_ms : latest_ms;
}

bool queue_restore(struct queue *queue, const struct envelope *envelope, struct bytes state,
                   int64_t now_ms)
{
    if (table_find(queue->messages, envelope->id))
        return false;
    queue->now_ms = now_ms;
    struct message *message = message_new(envelope, queue->settings->seed);
    int64_t *next_ms = memory_new(message->slot_count, sizeof *next_ms);
    for (size_t i = 0; i < message->slot_count; i++)
        next_ms[i] = envelope->hold_until_ms;
    bool is_good = state.len == 0 || state_scan(&queue->outcomes, state, &message->flags,
                                                message->slots, next_ms, message->slot_count);
    queue->stats.held += message->flags & MESSAGE_HELD ? 1 : 0;
    table_add(queue->messages, message->id, message);
    list_append(&queue->by_arrival, &message->by_arrival);
    struct list *before = message->by_arrival.previous;
    if (before != &queue->by_arrival &&
        CONTAINER(before, struct message, by_arrival)->id > message->id)
        queue->is_unsorted = true;
    queue->noticed = queue->rerouted = &queue->by_arrival;
    memset(queue->marks, 0, sizeof queue->marks);
    int64_t latest_ms = latest_attempt(queue, envelope, now_ms);
    for (size_t i = 0; i < message->slot_count; i++) {
        queue->stats.recipients_waiting += message->slots[i].state == SLOT_OPEN;
        if (next_ms[i] > latest_ms)
            next_ms[i] = latest_ms;
    }
    message_route(queue, message, envelope, next_ms, now_ms);
    notice_add(queue, message, envelope);
    /* It may have been about to be reported on, or removed. */
    message_todo(queue, message);
    free(next_ms);
    return is_good;
}

/* --- Steps -------------------------------------------------------------------------------------
 */

static void print_state(struct queue *queue, const struct message *message)
{
    int64_t *next_ms = memory_new(message->slot_count, sizeof *next_ms);
    for (size_t i = 0; i < message->slot_count; i++) {
        const struct delivery *delivery = message->slots[i].delivery;
        if (delivery && delivery->state == DELIVERY_WAITING)
            next_ms[i] = delivery->in.due.key;
    }
    buf_clear(&queue->state);
    state_print(&queue->state, message->flags, message->slots, next_ms, message->slot_count);
    free(next_ms);
}

static bool is_final(const struct message *message)
{
    for (size_t i = 0; i < message->slot_count; i++)
        if (message->slots[i].state != SLOT_DELIVERED && message->slots[i].state != SLOT_FAILED)
            return false;
    return true;
}

/* With a delivery under way, soon there may be more to save: the rest waits, but not long, so
 * that a crash repeats little and saving costs little. */
static bool is_worth_saving(const struct message *message)
{
    enum { SHARE = 8 };
    if (message->active_count == 0)
        return message->unsaved > 0;
    return (uint64_t)message->unsaved * SHARE >= message->slot_count && message->unsaved > 0;
}

static enum queue_effect message_step(struct queue *queue, struct message *message,
                                      struct queue_task *task)
{
    struct report *report = table_find(queue->reports, message->id);
    bool is_quiet = message->active_count == 0 && !(report && report->phase == REPORT_DRIVEN);
    *task = (struct queue_task){.id = message->id};
    if (is_quiet && (message->is_deleted || is_final(message))) {
        message_drop(queue, message);
        return QUEUE_REMOVE;
    }
    if (message->is_deleted)
        return QUEUE_IDLE;
    /* Saved before it is reported: storing a report takes a while, and a crash meanwhile shall
     * neither deliver nor try anything twice. */
    if (is_worth_saving(message)) {
        message->unsaved = 0;
        message_todo(queue, message);
        print_state(queue, message);
        task->state = buf_view(&queue->state);
        return QUEUE_SAVE;
    }
    if (!(report = report_next(queue, message)))
        return QUEUE_IDLE;
    task->report = &report->public;
    return QUEUE_REPORT;
}

bool queue_spend(struct queue *queue)
{
    if (queue->steps_left == 0)
        return false;
    queue->steps_left--;
    return true;
}

static enum queue_effect todo_step(struct queue *queue, struct queue_task *task)
{
    if (failure_next(queue, task))
        return QUEUE_FAILED;
    while (queue->todo_at < queue->todo_count) {
        if (!queue_spend(queue))
            return QUEUE_IDLE;
        struct message *message = queue->todo[queue->todo_at++];
        message->is_in_todo = false;
        enum queue_effect effect = message_step(queue, message, task);
        if (effect != QUEUE_IDLE)
            return effect;
    }
    queue->todo_at = queue->todo_count = 0;
    return QUEUE_IDLE;
}

static enum queue_effect work_step(struct queue *queue, int64_t now_ms, struct queue_task *task)
{
    struct lane *lane;
    while ((lane = LIST_FIRST(&queue->work, struct lane, work)) && queue_spend(queue)) {
        *task = (struct queue_task){.lane = lane};
        lane_await_token(queue, lane, now_ms);
        if (lane_wants_connection(queue, lane, now_ms)) {
            lane->connections++;
            lane->opening++;
            queue->stats.connections++;
            return QUEUE_CONNECT;
        }
        if (lane_wants_resolution(lane, now_ms)) {
            lane->opening = 1;
            if (lane->site)
                lane->site->resolving++;
            return QUEUE_RESOLVE;
        }
        if (!lane_fail_some(queue, lane, now_ms) && !lane_expire_some(queue, lane, now_ms)) {
            list_remove(&lane->work);
            continue;
        }
        enum queue_effect effect = todo_step(queue, task);
        if (effect != QUEUE_IDLE)
            return effect;
    }
    return QUEUE_IDLE;
}

static bool is_due(const struct heap *heap, int64_t now_ms, struct heap_node **out)
{
    *out = heap_first(heap);
    return *out && (*out)->key <= now_ms;
}

/* What waits for its time, one each of those whose time has come. */
static bool time_step(struct queue *queue, int64_t now_ms)
{
    struct heap_node *node;
    bool is_any = false;
    if (is_due(&queue->waiting, now_ms, &node)) {
        struct delivery *delivery = CONTAINER(node, struct delivery, in.due);
        delivery_withdraw(queue, delivery);
        if (now_ms >= message_by(delivery->message))
            delivery_expire(queue, delivery, now_ms);
        else
            delivery_make_ready(queue, delivery);
        is_any = true;
    }
    if (is_due(&queue->pauses, now_ms, &node)) {
        lane_due(queue, CONTAINER(node, struct lane, due), now_ms);
        is_any = true;
    }
    if (is_due(&queue->tokens, now_ms, &node)) {
        struct lane *lane = CONTAINER(node, struct lane, token);
        heap_remove(&queue->tokens, node);
        lane_work(queue, lane);
        lane_release(queue, lane);
        is_any = true;
    }
    if (is_due(&queue->postponed, now_ms, &node)) {
        report_due(queue, CONTAINER(node, struct report, due));
        is_any = true;
    }
    return notice_step(queue, now_ms) || is_any;
}

/* Messages go by the new routes, as many as a step does. */
static void reroute_step(struct queue *queue, int64_t now_ms)
{
    while (queue->is_rerouting && queue_spend(queue)) {
        struct list *next = queue->rerouted->next;
        queue->is_rerouting = next != &queue->by_arrival;
        if (!queue->is_rerouting)
            return;
        queue->rerouted = next;
        message_reroute(queue, CONTAINER(next, struct message, by_arrival), now_ms);
    }
}

enum queue_effect queue_step(struct queue *queue, int64_t now_ms, struct queue_task *task)
{
    enum { STEPS_MOST = 1000 };
    queue->now_ms = now_ms;
    queue->steps_left = STEPS_MOST;
    queue_sort(queue);
    reroute_step(queue, now_ms);
    do {
        enum queue_effect effect = todo_step(queue, task);
        if (effect != QUEUE_IDLE)
            return effect;
        effect = work_step(queue, now_ms, task);
        if (effect != QUEUE_IDLE)
            return effect;
    } while (queue_spend(queue) && (time_step(queue, now_ms) || queue_trim_lanes(queue)));
    return QUEUE_IDLE;
}

int64_t queue_deadline(const struct queue *queue)
{
    const struct heap *const heaps[] = {&queue->waiting, &queue->pauses, &queue->tokens,
                                        &queue->postponed};
    int64_t deadline_ms = notice_deadline(queue);
    if (queue->todo_at < queue->todo_count || !list_is_empty(&queue->work) || queue->is_rerouting)
        return queue->now_ms;
    for (size_t i = 0; i < COUNT(heaps); i++) {
        const struct heap_node *first = heap_first(heaps[i]);
        if (first && first->key < deadline_ms)
            deadline_ms = first->key;
    }
    return deadline_ms;
}
