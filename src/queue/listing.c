/* What the operator sees of the queue, and does to it. */
#include <stdlib.h>

#include "base/memory.h"
#include "queue/queue_state.h"
#include "queue/select.h"

/* --- See ---------------------------------------------------------------------------------------
 */

/* It waits for its lane, also when it came after the lane's failure and never was attempted. */
static void describe_suspended(const struct lane *lane, struct queue_entry_recipient *out)
{
    out->state = RECIPIENT_DEFERRED;
    out->reply = outcome_reply(lane_failure(lane));
    if (lane->until_ms > out->next_ms)
        out->next_ms = lane->until_ms;
}

static void describe_open(const struct queue *queue, const struct slot *slot,
                          struct queue_entry_recipient *out)
{
    const struct delivery *delivery = slot->delivery;
    const struct lane *lane = lane_shown(delivery->lane);
    uint32_t ridden = delivery_ridden(delivery);
    out->lane = lane->endpoint.name;
    out->attempts = slot->attempts + ridden;
    out->state = out->attempts > 0 ? RECIPIENT_DEFERRED : RECIPIENT_QUEUED;
    switch ((enum delivery_state)delivery->state) {
    case DELIVERY_ACTIVE: out->state = RECIPIENT_ACTIVE; return;
    case DELIVERY_WAITING: out->next_ms = delivery->in.due.key; return;
    case DELIVERY_READY:
        out->next_ms = queue->now_ms;
        if (ridden > 0)
            out->reply = outcome_reply(lane_failure(delivery->lane));
        if (lane->is_suspended)
            describe_suspended(lane, out);
        return;
    case DELIVERY_UNUSED: return;
    case DELIVERY_NEW: out->state = RECIPIENT_HELD; return;
    }
}

static struct queue_entry_recipient describe(const struct queue *queue, const struct slot *slot,
                                             struct bytes address)
{
    struct queue_entry_recipient out = {.address = address, .attempts = slot->attempts};
    if (slot->outcome) {
        out.reply = outcome_reply(slot->outcome);
        out.lane = outcome_remote(slot->outcome);
    }
    switch ((enum slot_state)slot->state) {
    case SLOT_OPEN:
        if (slot->delivery)
            describe_open(queue, slot, &out);
        break;
    case SLOT_DELIVERED:
    case SLOT_DELIVERED_UNTOLD: out.state = RECIPIENT_DELIVERED; break;
    case SLOT_FAILED:
    case SLOT_FAILED_UNTOLD: out.state = RECIPIENT_FAILED; break;
    }
    return out;
}

/* False: the visitor wants no more. */
static bool visit_message(const struct queue *queue, const struct message *message,
                          const struct queue_walk *walk, queue_visit *visit, void *context)
{
    const struct queue_select *select = walk->select;
    bool has_envelope = walk->needs_envelopes || (select && select_has_addresses(select));
    struct envelope envelope;
    struct arena *arena = has_envelope ? message_open(message, &envelope) : NULL;
    struct queue_entry_recipient *recipients = memory_new(message->slot_count, sizeof *recipients);
    for (size_t i = 0; i < message->slot_count; i++)
        recipients[i] = describe(queue, &message->slots[i],
                                 has_envelope ? envelope.recipients[i].address : BYTES_NONE);
    struct queue_entry entry = {.id = message->id,
                                .received_ms = message->received_ms,
                                .envelope = has_envelope ? &envelope : NULL,
                                .recipients = recipients,
                                .recipient_count = message->slot_count};
    bool is_wanted = !select || select_matches(select, &entry, queue->now_ms);
    bool goes_on = !is_wanted || visit(context, &entry);
    free(recipients);
    arena_free(arena);
    return goes_on;
}

/* The place behind the message with this id, whether it is still there or not. */
static struct list *place_after(struct queue *queue, uint64_t after)
{
    for (size_t i = 0; i < MARKS; i++)
        if (queue->marks[i].at && queue->marks[i].after == after)
            return queue->marks[i].at->next;
    struct message *last = table_find(queue->messages, after);
    if (last)
        return last->by_arrival.next;
    struct list *at = queue->by_arrival.next;
    while (at != &queue->by_arrival && CONTAINER(at, struct message, by_arrival)->id <= after)
        at = at->next;
    return at;
}

static void set_mark(struct queue *queue, uint64_t after, struct list *at)
{
    size_t i = 0;
    while (i < MARKS - 1 && queue->marks[i].at && queue->marks[i].after != after)
        i++;
    for (; i > 0; i--)
        queue->marks[i] = queue->marks[i - 1];
    queue->marks[0] = (struct queue_mark){after, at};
}

void queue_walk(struct queue *queue, struct queue_walk *walk, int64_t now_ms, queue_visit *visit,
                void *context)
{
    queue->now_ms = now_ms;
    queue_sort(queue);
    struct list *at = place_after(queue, walk->after);
    bool goes_on = true;
    for (size_t i = 0; i < walk->limit && at != &queue->by_arrival; i++) {
        const struct message *message = CONTAINER(at, struct message, by_arrival);
        goes_on = message->is_deleted || visit_message(queue, message, walk, visit, context);
        if (!goes_on)
            break;
        walk->after = message->id;
        at = at->next;
    }
    walk->has_more = at != &queue->by_arrival;
    if (walk->has_more)
        set_mark(queue, walk->after, at->previous);
}

bool queue_show(struct queue *queue, uint64_t id, queue_visit *visit, void *context)
{
    const struct message *message = table_find(queue->messages, id);
    struct queue_walk walk = {.needs_envelopes = true};
    if (!message || message->is_deleted)
        return false;
    visit_message(queue, message, &walk, visit, context);
    return true;
}

struct queue_stats queue_stats(const struct queue *queue)
{
    struct queue_stats stats = queue->stats;
    stats.messages = table_count(queue->messages);
    size_t place = 0;
    for (void *value; map_next(queue->lanes, &place, &value);) {
        const struct lane *lane = value;
        stats.lanes += lane->deliveries > 0 || lane->connections > 0 || lane->offered > 0;
    }
    LIST_EACH (&queue->by_arrival, const struct message, by_arrival, message) {
        if (stats.oldest_ms == 0 || message->received_ms < stats.oldest_ms)
            stats.oldest_ms = message->received_ms;
        if (!queue->is_unsorted)
            break;
    }
    return stats;
}

/* --- Do ----------------------------------------------------------------------------------------
 */

static struct message *find(struct queue *queue, uint64_t id)
{
    struct message *message = table_find(queue->messages, id);
    return message && !message->is_deleted ? message : NULL;
}

static bool is_named(const struct lane *lane, struct bytes name)
{
    return bytes_equal_nocase(name, lane->endpoint.name) ||
           bytes_equal_nocase(name, lane_shown(lane)->endpoint.name);
}

bool queue_retry(struct queue *queue, uint64_t id, struct bytes lane, int64_t since_ms,
                 int64_t now_ms)
{
    struct message *message = find(queue, id);
    bool is_any = false;
    queue->now_ms = now_ms;
    for (struct delivery *delivery = message ? &message->first : NULL; delivery;
         delivery = delivery->next) {
        if (delivery->state != DELIVERY_WAITING && delivery->state != DELIVERY_READY)
            continue;
        if (lane.len && !is_named(delivery->lane, lane))
            continue;
        is_any = true;
        if (delivery->state == DELIVERY_WAITING) {
            delivery_withdraw(queue, delivery);
            delivery_make_ready(queue, delivery);
        }
        lane_lift(queue, delivery->lane, since_ms);
    }
    return is_any;
}

/* To be kept, also while a delivery of it is under way. */
static void save(struct queue *queue, struct message *message)
{
    message->unsaved += message->slot_count;
    message_todo(queue, message);
}

bool queue_hold(struct queue *queue, uint64_t id)
{
    struct message *message = find(queue, id);
    if (!message || message->flags & MESSAGE_HELD)
        return false;
    message_hold(queue, message);
    save(queue, message);
    return true;
}

bool queue_release(struct queue *queue, uint64_t id, int64_t now_ms)
{
    struct message *message = find(queue, id);
    if (!message || !(message->flags & MESSAGE_HELD))
        return false;
    queue->now_ms = now_ms;
    message_release(queue, message, now_ms);
    save(queue, message);
    return true;
}

bool queue_delete(struct queue *queue, uint64_t id)
{
    struct message *message = find(queue, id);
    if (!message)
        return false;
    message->is_deleted = true;
    queue->stats.held -= message->flags & MESSAGE_HELD ? 1 : 0;
    message->flags &= (uint8_t)~MESSAGE_HELD;
    message_unroute(queue, message);
    message_todo(queue, message);
    return true;
}
