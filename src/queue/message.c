#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "queue/kept.h"
#include "queue/queue_state.h"

/* --- Its memory --------------------------------------------------------------------------------
 */

struct message *message_new(const struct envelope *envelope, uint64_t seed)
{
    struct buf printed;
    buf_init(&printed, UINT32_MAX);
    kept_print(&printed, envelope);
    ASSERT(!printed.overflowed && envelope->recipient_count <= UINT32_MAX);
    size_t slots = envelope->recipient_count * sizeof(struct slot);
    struct message *message = memory_new(1, sizeof *message + slots + printed.len);
    message->id = envelope->id;
    message->received_ms = envelope->received_ms;
    message->sender = sender_hash(envelope->reverse_path, seed);
    message->envelope_len = (uint32_t)printed.len;
    message->slot_count = (uint32_t)envelope->recipient_count;
    message->has_reverse_path = envelope->reverse_path.len > 0;
    message->has_times = envelope->by_mode == BY_RETURN || envelope->hold_until_ms > 0;
    memcpy(&message->slots[message->slot_count], printed.at, printed.len);
    buf_done(&printed);
    for (size_t i = 0; i < envelope->recipient_count; i++)
        message->slots[i].notify = envelope->recipients[i].notify;
    list_init(&message->by_arrival);
    return message;
}

struct arena *message_open(const struct message *message, struct envelope *out)
{
    size_t ceiling = message->slot_count * sizeof *out->recipients + 4096;
    struct arena *arena = arena_new(ceiling);
    struct bytes printed = {(const uint8_t *)&message->slots[message->slot_count],
                            message->envelope_len};
    kept_scan(printed, arena, out);
    ASSERT(out->recipient_count == message->slot_count);
    out->id = message->id;
    out->received_ms = message->received_ms;
    for (size_t i = 0; i < message->slot_count; i++)
        out->recipients[i].notify = message->slots[i].notify;
    return arena;
}

void message_free(struct queue *queue, struct message *message)
{
    for (size_t i = 0; i < message->slot_count; i++)
        outcome_leave(&queue->outcomes, message->slots[i].outcome);
    free(message);
}

void message_drop(struct queue *queue, struct message *message)
{
    struct delivery *delivery = &message->first, *next;
    do {
        next = delivery->next;
        if (delivery->state != DELIVERY_UNUSED) {
            if (delivery->state != DELIVERY_NEW)
                delivery_withdraw(queue, delivery);
            delivery_drop(queue, delivery);
        }
        delivery = next;
    } while (delivery);
    for (size_t i = 0; i < message->slot_count; i++)
        queue->stats.recipients_waiting -= message->slots[i].state == SLOT_OPEN;
    struct report *report = table_find(queue->reports, message->id);
    if (report)
        report_drop(queue, report);
    table_take(queue->messages, message->id);
    for (size_t i = 0; i < MARKS; i++)
        if (queue->marks[i].at == &message->by_arrival)
            queue->marks[i].at = message->by_arrival.previous;
    if (queue->noticed == &message->by_arrival)
        queue->noticed = message->by_arrival.previous;
    if (queue->rerouted == &message->by_arrival)
        queue->rerouted = message->by_arrival.previous;
    queue->stats.held -= message->flags & MESSAGE_HELD ? 1 : 0;
    list_remove(&message->by_arrival);
    message_free(queue, message);
}

void message_todo(struct queue *queue, struct message *message)
{
    if (message->is_in_todo)
        return;
    message->is_in_todo = true;
    if (queue->todo_count == queue->todo_cap && queue->todo_at > queue->todo_cap / 2) {
        queue->todo_count -= queue->todo_at;
        memmove(queue->todo, queue->todo + queue->todo_at,
                queue->todo_count * sizeof(struct message *));
        queue->todo_at = 0;
    }
    if (queue->todo_count == queue->todo_cap) {
        queue->todo_cap = queue->todo_cap ? queue->todo_cap * 2 : 64;
        queue->todo = memory_resize(queue->todo, queue->todo_cap, sizeof(struct message *));
    }
    queue->todo[queue->todo_count++] = message;
}

/* --- Time --------------------------------------------------------------------------------------
 */

struct times {
    int64_t by_ms;    /* INT64_MAX: none */
    int64_t begin_ms; /* when the first attempt could be made */
};

static struct times message_times(const struct message *message)
{
    struct times times = {.by_ms = INT64_MAX, .begin_ms = message->received_ms};
    if (!message->has_times)
        return times;
    struct envelope envelope;
    arena_free(message_open(message, &envelope));
    if (envelope.by_mode == BY_RETURN)
        times.by_ms = envelope.by_ms;
    if (envelope.hold_until_ms > times.begin_ms)
        times.begin_ms = envelope.hold_until_ms;
    return times;
}

int64_t message_by(const struct message *message)
{
    return message_times(message).by_ms;
}

int64_t message_begin(const struct message *message)
{
    return message_times(message).begin_ms;
}

int64_t message_expiry(const struct queue *queue, const struct message *message)
{
    struct times times = message_times(message);
    int64_t expire_ms = queue->settings->expire_ms;
    if (times.begin_ms > INT64_MAX - expire_ms)
        return times.by_ms;
    int64_t aged_ms = times.begin_ms + expire_ms;
    return aged_ms < times.by_ms ? aged_ms : times.by_ms;
}

/* --- Routing -----------------------------------------------------------------------------------
 */

static struct bytes domain_of(struct bytes address)
{
    size_t at = bytes_find_last(address, '@');
    return bytes_from(address, at < address.len ? at + 1 : at);
}

static void fail_unroutable(struct queue *queue, struct message *message, struct slot *slot)
{
    struct bytes reason = BYTES("no route: the address has no domain, or one that is too long");
    slot_give_up(queue, message, slot, "5.4.4", reason);
}

/* Those that are nowhere wait for their instant, or are ready. */
static void place_deliveries(struct queue *queue, struct message *message, int64_t now_ms)
{
    for (struct delivery *delivery = &message->first; delivery; delivery = delivery->next) {
        if (delivery->state != DELIVERY_NEW)
            continue;
        if (delivery->in.due.key > now_ms)
            delivery_make_waiting(queue, delivery, delivery->in.due.key);
        else
            delivery_make_ready(queue, delivery);
    }
}

void message_route(struct queue *queue, struct message *message, const struct envelope *envelope,
                   const int64_t *next_ms, int64_t now_ms)
{
    uint64_t serial = ++queue->routing_serial;
    for (size_t i = 0; i < message->slot_count; i++) {
        struct slot *slot = &message->slots[i];
        if (slot->state != SLOT_OPEN || slot->delivery)
            continue;
        struct bytes domain = domain_of(envelope->recipients[i].address);
        struct lane *lane = lane_for_domain(queue, domain);
        if (!lane) {
            fail_unroutable(queue, message, slot);
            continue;
        }
        if (lane->routing_serial != serial) {
            lane->routing_serial = serial;
            lane->routing = delivery_new(queue, message, lane);
            lane->routing->in.due.key = INT64_MAX;
        }
        slot->delivery = lane->routing;
        if (next_ms[i] < slot->delivery->in.due.key)
            slot->delivery->in.due.key = next_ms[i];
    }
    if (!(message->flags & MESSAGE_HELD))
        place_deliveries(queue, message, now_ms);
}

/* Do all deliveries that are not active go by the lanes that the routes have now? */
static bool is_routed(const struct queue *queue, const struct message *message,
                      const struct envelope *envelope)
{
    uint8_t room[LANE_NAME_LIMIT];
    for (size_t i = 0; i < message->slot_count; i++) {
        const struct delivery *delivery = message->slots[i].delivery;
        if (!delivery || delivery->state == DELIVERY_ACTIVE)
            continue;
        struct bytes domain = domain_of(envelope->recipients[i].address);
        struct bytes name = lane_name(queue, domain, room);
        if (!bytes_equal(name, delivery->lane->endpoint.name))
            return false;
    }
    return true;
}

void message_unroute(struct queue *queue, struct message *message)
{
    for (struct delivery *delivery = &message->first, *next; delivery; delivery = next) {
        next = delivery->next;
        if (delivery->state == DELIVERY_UNUSED || delivery->state == DELIVERY_ACTIVE)
            continue;
        if (delivery->state != DELIVERY_NEW)
            delivery_withdraw(queue, delivery);
        for (size_t i = 0; i < message->slot_count; i++)
            if (message->slots[i].delivery == delivery)
                message->slots[i].delivery = NULL;
        delivery_drop(queue, delivery);
    }
}

/* Unroutes, and notes when each slot would have been tried next. */
static void unroute(struct queue *queue, struct message *message, int64_t *next_ms)
{
    for (size_t i = 0; i < message->slot_count; i++) {
        const struct delivery *delivery = message->slots[i].delivery;
        if (delivery && delivery->state == DELIVERY_WAITING)
            next_ms[i] = delivery->in.due.key;
    }
    message_unroute(queue, message);
}

void message_reroute(struct queue *queue, struct message *message, int64_t now_ms)
{
    struct envelope envelope;
    struct arena *arena = message_open(message, &envelope);
    if (!message->is_deleted && !is_routed(queue, message, &envelope)) {
        int64_t *next_ms = memory_new(message->slot_count, sizeof *next_ms);
        unroute(queue, message, next_ms);
        message_route(queue, message, &envelope, next_ms, now_ms);
        free(next_ms);
    }
    arena_free(arena);
}

void message_hold(struct queue *queue, struct message *message)
{
    message->flags |= MESSAGE_HELD;
    queue->stats.held++;
    for (struct delivery *delivery = &message->first; delivery; delivery = delivery->next)
        if (delivery->state == DELIVERY_WAITING || delivery->state == DELIVERY_READY)
            delivery_withdraw(queue, delivery);
}

void message_release(struct queue *queue, struct message *message, int64_t now_ms)
{
    message->flags &= (uint8_t)~MESSAGE_HELD;
    queue->stats.held--;
    int64_t begin_ms = message_begin(message);
    for (struct delivery *delivery = &message->first; delivery; delivery = delivery->next)
        if (delivery->state == DELIVERY_NEW)
            delivery->in.due.key = begin_ms;
    place_deliveries(queue, message, now_ms);
}

/* --- Slots -------------------------------------------------------------------------------------
 */

void slot_set_outcome(struct queue *queue, struct slot *slot, struct outcome *outcome_owned,
                      int64_t at_ms)
{
    outcome_leave(&queue->outcomes, slot->outcome);
    slot->outcome = outcome_owned;
    slot->at_s = at_ms > 0 && at_ms / 1000 <= UINT32_MAX ? (uint32_t)(at_ms / 1000) : 0;
}

void slot_count_attempts(struct slot *slot, uint32_t count)
{
    uint32_t most = UINT16_MAX - slot->attempts;
    slot->attempts = (uint16_t)(slot->attempts + (count < most ? count : most));
}

static void slot_close(struct queue *queue, struct message *message, struct slot *slot,
                       enum slot_state state)
{
    ASSERT(slot->state == SLOT_OPEN);
    slot->state = (uint8_t)state;
    slot->delivery = NULL;
    queue->stats.recipients_waiting--;
    message->unsaved++;
}

void slot_deliver(struct queue *queue, struct message *message, struct slot *slot, bool is_told)
{
    bool is_to_be_told = message->has_reverse_path && is_told;
    queue->stats.delivered++;
    slot_close(queue, message, slot, is_to_be_told ? SLOT_DELIVERED_UNTOLD : SLOT_DELIVERED);
}

void slot_fail(struct queue *queue, struct message *message, struct slot *slot)
{
    /* NOTIFY not given means FAILURE here (RFC 3461, 4.1); a notification of a notification is
     * never sent (RFC 5321, 6.1). */
    bool is_to_be_told =
        message->has_reverse_path && (slot->notify == 0 || slot->notify & NOTIFY_FAILURE);
    queue->stats.failed++;
    slot_close(queue, message, slot, is_to_be_told ? SLOT_FAILED_UNTOLD : SLOT_FAILED);
}

void slot_give_up(struct queue *queue, struct message *message, struct slot *slot,
                  const char *status, struct bytes reason)
{
    struct outcome *decided = outcome_decided(&queue->outcomes, status, reason, slot->outcome);
    slot_set_outcome(queue, slot, decided, (int64_t)slot->at_s * 1000);
    slot_fail(queue, message, slot);
    failure_add(queue, message, (size_t)(slot - message->slots));
    message_todo(queue, message);
}
