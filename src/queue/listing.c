/* What the operator sees of the queue, and does to it. */
#include <stdlib.h>

#include "base/memory.h"
#include "queue/queue_state.h"

/* --- See ---------------------------------------------------------------------------------------
 */

/* It waits for its lane, also when it came after the lane's failure and never was attempted. */
static void describe_suspended(const struct lane *lane, struct queue_entry_recipient *out)
{
    out->state = RECIPIENT_DEFERRED;
    out->reply = outcome_reply(lane->failure);
    if (lane->until_ms > out->next_ms)
        out->next_ms = lane->until_ms;
}

static void describe_open(const struct queue *queue, const struct slot *slot,
                          struct queue_entry_recipient *out)
{
    const struct delivery *delivery = slot->delivery;
    const struct lane *lane = delivery->lane;
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
            out->reply = outcome_reply(lane->failure);
        if (lane->is_suspended)
            describe_suspended(lane, out);
        return;
    case DELIVERY_UNUSED:
    case DELIVERY_NEW: return;
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

static bool visit_message(const struct queue *queue, const struct message *message,
                          queue_visit *visit, void *context)
{
    struct envelope envelope;
    struct arena *arena = message_open(message, &envelope);
    struct queue_entry_recipient *recipients = memory_new(message->slot_count, sizeof *recipients);
    for (size_t i = 0; i < message->slot_count; i++)
        recipients[i] = describe(queue, &message->slots[i], envelope.recipients[i].address);
    struct queue_entry entry = {.id = message->id, .envelope = &envelope, .recipients = recipients};
    bool goes_on = visit(context, &entry);
    free(recipients);
    arena_free(arena);
    return goes_on;
}

void queue_list(struct queue *queue, uint64_t after, queue_visit *visit, void *context)
{
    queue_sort(queue);
    const struct message *last = after ? map_find_u64(queue->messages, after) : NULL;
    struct list *at = last ? last->by_arrival.next : queue->by_arrival.next;
    for (; at != &queue->by_arrival; at = at->next) {
        const struct message *message = CONTAINER(at, struct message, by_arrival);
        if (message->id <= after || message->is_deleted)
            continue;
        if (!visit_message(queue, message, visit, context))
            return;
    }
}

bool queue_show(struct queue *queue, uint64_t id, queue_visit *visit, void *context)
{
    const struct message *message = map_find_u64(queue->messages, id);
    if (!message || message->is_deleted)
        return false;
    visit_message(queue, message, visit, context);
    return true;
}

struct queue_stats queue_stats(const struct queue *queue)
{
    struct queue_stats stats = queue->stats;
    stats.messages = map_count(queue->messages);
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

static bool retry_message(struct queue *queue, struct message *message)
{
    bool is_any = false;
    for (struct delivery *delivery = &message->first; delivery; delivery = delivery->next) {
        if (delivery->state != DELIVERY_WAITING && delivery->state != DELIVERY_READY)
            continue;
        is_any = true;
        if (delivery->state == DELIVERY_WAITING) {
            delivery_withdraw(queue, delivery);
            delivery_make_ready(queue, delivery);
        }
        lane_lift(queue, delivery->lane);
    }
    return is_any;
}

size_t queue_retry(struct queue *queue, uint64_t id, int64_t now_ms)
{
    queue->now_ms = now_ms;
    if (id != 0) {
        struct message *message = map_find_u64(queue->messages, id);
        return message && !message->is_deleted && retry_message(queue, message);
    }
    size_t count = 0;
    LIST_EACH (&queue->by_arrival, struct message, by_arrival, message)
        count += retry_message(queue, message);
    return count;
}

bool queue_delete(struct queue *queue, uint64_t id)
{
    struct message *message = map_find_u64(queue->messages, id);
    if (!message || message->is_deleted)
        return false;
    message->is_deleted = true;
    message_unroute(queue, message);
    message_todo(queue, message);
    return true;
}
