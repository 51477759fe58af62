#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "queue/queue_state.h"

/* --- Its place ---------------------------------------------------------------------------------
 */

struct delivery *delivery_new(struct queue *queue, struct message *message, struct lane *lane)
{
    struct delivery *delivery = &message->first;
    if (delivery->state != DELIVERY_UNUSED) {
        delivery = NEW(struct delivery);
        delivery->next = message->first.next;
        message->first.next = delivery;
    }
    delivery->message = message;
    delivery->lane = lane;
    delivery->state = DELIVERY_NEW;
    lane->deliveries++;
    lane_use(queue, lane);
    return delivery;
}

void delivery_drop(struct queue *queue, struct delivery *delivery)
{
    ASSERT(delivery->state == DELIVERY_NEW);
    struct message *message = delivery->message;
    struct lane *lane = delivery->lane;
    delivery->state = DELIVERY_UNUSED;
    if (delivery != &message->first) {
        struct delivery *before = &message->first;
        while (before->next != delivery)
            before = before->next;
        before->next = delivery->next;
        free(delivery);
    }
    lane->deliveries--;
    lane_release(queue, lane);
}

void delivery_make_ready(struct queue *queue, struct delivery *delivery)
{
    ASSERT(delivery->state == DELIVERY_NEW);
    struct lane *lane = delivery->lane;
    int64_t expiry_ms = message_expiry(queue, delivery->message);
    delivery->state = DELIVERY_READY;
    delivery->failures_before = lane_failures(lane);
    rows_add(queue, delivery);
    if (lane->ready++ == 0 || expiry_ms < lane->first_expiry_ms)
        lane->first_expiry_ms = expiry_ms;
    queue->stats.deliveries_ready++;
    lane_work(queue, lane);
    if (!lane->site)
        return;
    lane->site->offered++;
    lane_work(queue, lane->site);
}

void delivery_make_waiting(struct queue *queue, struct delivery *delivery, int64_t next_ms)
{
    ASSERT(delivery->state == DELIVERY_NEW);
    delivery->state = DELIVERY_WAITING;
    delivery->in.due = (struct heap_node){0};
    heap_put(&queue->waiting, &delivery->in.due, next_ms);
    queue->stats.deliveries_waiting++;
}

uint32_t delivery_ridden(const struct delivery *delivery)
{
    return delivery->state == DELIVERY_READY
               ? lane_failures(delivery->lane) - delivery->failures_before
               : 0;
}

static void ride_ends(struct queue *queue, struct delivery *delivery)
{
    uint32_t ridden = delivery_ridden(delivery);
    if (ridden == 0)
        return;
    struct message *message = delivery->message;
    for (size_t i = 0; i < message->slot_count; i++) {
        struct slot *slot = &message->slots[i];
        if (slot->delivery != delivery)
            continue;
        slot_count_attempts(slot, ridden);
        slot_set_outcome(queue, slot, outcome_use(lane_failure(delivery->lane)),
                         lane_failed_ms(delivery->lane));
    }
}

void delivery_withdraw(struct queue *queue, struct delivery *delivery)
{
    if (delivery->state == DELIVERY_WAITING) {
        heap_remove(&queue->waiting, &delivery->in.due);
        queue->stats.deliveries_waiting--;
    } else {
        ASSERT(delivery->state == DELIVERY_READY);
        ride_ends(queue, delivery);
        rows_remove(queue, delivery);
        struct lane *lane = delivery->lane;
        lane->ready--;
        if (lane->site)
            lane->site->offered--;
        queue->stats.deliveries_ready--;
    }
    delivery->state = DELIVERY_NEW;
}

/* --- Time --------------------------------------------------------------------------------------
 */

int64_t queue_backoff(struct queue *queue, uint32_t attempts)
{
    int64_t max_ms = queue->settings->retry_max_ms, pause_ms = queue->settings->retry_first_ms;
    for (uint32_t i = 1; i < attempts && pause_ms < max_ms; i++)
        pause_ms = pause_ms > max_ms / 2 ? max_ms : pause_ms * 2;
    if (pause_ms > max_ms)
        pause_ms = max_ms;
    int64_t fifth_ms = pause_ms / 5;
    pause_ms += (int64_t)(random_next(&queue->random) % (uint64_t)(2 * fifth_ms + 1)) - fifth_ms;
    return pause_ms > 0 ? pause_ms : 1;
}

/* In the largest unit that people would say it in. */
static void print_age(struct buf *out, int64_t age_ms)
{
    int64_t minutes = age_ms / 60000;
    if (minutes >= 48 * 60)
        buf_addf(out, "%lld days", (long long)(minutes / (24 * 60)));
    else if (minutes >= 120)
        buf_addf(out, "%lld hours", (long long)(minutes / 60));
    else
        buf_addf(out, "%lld minutes", (long long)minutes);
}

void delivery_expire(struct queue *queue, struct delivery *delivery, int64_t now_ms)
{
    struct message *message = delivery->message;
    bool is_by = now_ms >= message_by(message);
    char text[64];
    struct buf reason = {.at = (uint8_t *)text, .cap = sizeof text, .limit = sizeof text};
    if (is_by) {
        buf_add(&reason, BYTES("not delivered by the time the sender set"));
    } else {
        buf_add(&reason, BYTES("not delivered within "));
        print_age(&reason, queue->settings->expire_ms);
    }
    for (size_t i = 0; i < message->slot_count; i++) {
        struct slot *slot = &message->slots[i];
        if (slot->delivery != delivery)
            continue;
        slot_give_up(queue, message, slot, "5.4.7", buf_view(&reason));
    }
    delivery_drop(queue, delivery);
}

/* --- With a connection -------------------------------------------------------------------------
 */

/* The first `most` recipients of a ready delivery become a delivery of their own; the rest stays
 * in its place. */
static struct delivery *delivery_split(struct queue *queue, struct delivery *delivery, size_t most)
{
    struct message *message = delivery->message;
    size_t count = 0;
    for (size_t i = 0; i < message->slot_count && count <= most; i++)
        count += message->slots[i].delivery == delivery;
    if (count <= most) {
        delivery_withdraw(queue, delivery);
        return delivery;
    }
    ride_ends(queue, delivery);
    delivery->failures_before = lane_failures(delivery->lane);
    struct delivery *part = delivery_new(queue, message, delivery->lane);
    for (size_t i = 0; most > 0; i++) {
        if (message->slots[i].delivery != delivery)
            continue;
        message->slots[i].delivery = part;
        most--;
    }
    return part;
}

/* Fills up with what is ready for the message's other domains at this site (RFC 5321, 5.1: one
 * transaction may serve them all). False: there is no more. */
static bool delivery_gather(struct queue *queue, struct delivery *delivery, size_t most,
                            const struct lane *site)
{
    struct message *message = delivery->message;
    size_t count = 0;
    bool is_joint = false;
    for (size_t i = 0; i < message->slot_count; i++)
        count += message->slots[i].delivery == delivery;
    for (struct delivery *other = &message->first, *next; other && count < most; other = next) {
        next = other->next;
        if (other->state != DELIVERY_READY || other->lane->site != site)
            continue;
        struct delivery *part = delivery_split(queue, other, most - count);
        for (size_t i = 0; i < message->slot_count; i++) {
            if (message->slots[i].delivery != part)
                continue;
            message->slots[i].delivery = delivery;
            count++;
        }
        is_joint |= part->lane != delivery->lane;
        delivery_drop(queue, part);
    }
    return is_joint;
}

static struct queue_delivery *delivery_activate(struct queue *queue, struct delivery *delivery,
                                                struct lane *site, bool is_joint)
{
    struct message *message = delivery->message;
    size_t count = 0;
    for (size_t i = 0; i < message->slot_count; i++)
        count += message->slots[i].delivery == delivery;
    struct active *active = memory_new(1, sizeof *active + count * sizeof *active->indexes);
    for (size_t i = 0, at = 0; i < message->slot_count; i++)
        if (message->slots[i].delivery == delivery)
            active->indexes[at++] = i;
    active->delivery = delivery;
    active->site = site;
    active->is_joint = is_joint;
    /* Its message may be one that still goes by the old routes. */
    active->generation = queue->generation - queue->is_rerouting;
    active->arena = message_open(message, &active->envelope);
    active->public = (struct queue_delivery){.id = message->id,
                                             .envelope = &active->envelope,
                                             .recipients = active->indexes,
                                             .recipient_count = count};
    delivery->state = DELIVERY_ACTIVE;
    delivery->in.active = active;
    site->active++;
    message->active_count++;
    queue->stats.deliveries_active++;
    return &active->public;
}

static struct active *active_of(struct queue_delivery *delivery)
{
    return CONTAINER(delivery, struct active, public);
}

struct queue_delivery *queue_take(struct queue *queue, struct lane *lane, size_t recipient_max,
                                  int64_t now_ms)
{
    size_t most = queue->settings->transaction_recipients;
    if (recipient_max < most)
        most = recipient_max;
    if (most == 0)
        most = 1;
    queue->now_ms = now_ms;
    lane_work(queue, lane);
    for (;;) {
        struct delivery *delivery = lane_may_take(queue, lane, now_ms) ? rows_next(lane) : NULL;
        if (!delivery)
            return NULL;
        if (now_ms >= message_by(delivery->message)) {
            delivery_withdraw(queue, delivery);
            delivery_expire(queue, delivery, now_ms);
            continue;
        }
        bool has_others = delivery->message->first.next;
        delivery = delivery_split(queue, delivery, most);
        rate_spend(lane_rate(queue, lane), &lane->spent, now_ms);
        bool is_joint = has_others && delivery_gather(queue, delivery, most, lane);
        return delivery_activate(queue, delivery, lane, is_joint);
    }
}

bool queue_has_ready(const struct queue *queue, const struct lane *lane)
{
    return lane->offered > 0 && lane_may_take(queue, lane, queue->now_ms);
}

/* Does it speak of the destination, or the connection, rather than of the message? */
static bool is_balk(const struct delivery_result *result)
{
    struct bytes status = bytes_of(result->status);
    return result->outcome == DEFERRED &&
           (result->code == 0 || result->code == 421 || result->was_connection ||
            bytes_equal(status, BYTES("4.3.2")) || bytes_equal(status, BYTES("4.4.5")));
}

static void note_answer(struct active *active, const struct delivery_result *result, int64_t now_ms)
{
    if (is_balk(result))
        window_balked(&active->site->window, now_ms);
    active->was_answered = !is_balk(result);
}

/* Is the sender to know of a delivery? */
static bool is_told(const struct envelope *envelope, const struct slot *slot,
                    const struct delivery_result *result, int64_t now_ms)
{
    if (slot->notify & NOTIFY_SUCCESS && !result->has_dsn)
        return true;
    if (slot->notify & NOTIFY_NEVER || !slot->outcome->was_relayed)
        return false;
    /* RFC 2852, 4.1.4: a trace of the way. 4.1.4.2: the next hop does not tell when it is late. */
    return envelope->by_trace ||
           (envelope->by_mode == BY_NOTIFY && !result->has_by && now_ms < envelope->by_ms);
}

void queue_result(struct queue *queue, struct queue_delivery *taken,
                  const struct delivery_result *result, int64_t now_ms)
{
    struct delivery *delivery = active_of(taken)->delivery;
    const struct endpoint *endpoint = &active_of(taken)->site->endpoint;
    struct message *message = delivery->message;
    ASSERT(result->recipient < message->slot_count);
    struct slot *slot = &message->slots[result->recipient];
    if (slot->delivery != delivery)
        return;
    queue->now_ms = now_ms;
    note_answer(active_of(taken), result, now_ms);
    bool was_relayed = result->outcome == DELIVERED && endpoint->kind != ENDPOINT_LMTP;
    slot_set_outcome(queue, slot,
                     outcome_new(&queue->outcomes, result, endpoint->name, was_relayed), now_ms);
    switch (result->outcome) {
    case DELIVERED:
        slot_count_attempts(slot, 1);
        slot_deliver(queue, message, slot,
                     is_told(&active_of(taken)->envelope, slot, result, now_ms));
        return;
    case FAILED:
        slot_count_attempts(slot, 1);
        slot_fail(queue, message, slot);
        return;
    case DEFERRED: return; /* counted when the delivery is finished */
    }
}

/* Counts an attempt for what is left of the delivery; how many attempts the most tried has had. 0:
 * nothing is left. */
static uint32_t count_attempts(struct queue *queue, const struct delivery *delivery)
{
    struct message *message = delivery->message;
    uint32_t most = 0;
    for (size_t i = 0; i < message->slot_count; i++) {
        struct slot *slot = &message->slots[i];
        if (slot->delivery != delivery)
            continue;
        slot_count_attempts(slot, 1);
        if (slot->attempts > most)
            most = slot->attempts;
        queue->stats.deferred++;
        message->unsaved++;
    }
    return most;
}

/* What is left of it goes to the lanes that the routes name, each recipient to its own. */
static void delivery_route(struct queue *queue, struct delivery *delivery, int64_t next_ms,
                           int64_t now_ms)
{
    struct message *message = delivery->message;
    struct envelope envelope;
    struct arena *arena = message_open(message, &envelope);
    int64_t *instants = memory_new(message->slot_count, sizeof *instants);
    for (size_t i = 0; i < message->slot_count; i++) {
        if (message->slots[i].delivery != delivery)
            continue;
        message->slots[i].delivery = NULL;
        instants[i] = next_ms;
    }
    delivery_drop(queue, delivery);
    message_route(queue, message, &envelope, instants, now_ms);
    free(instants);
    arena_free(arena);
}

static void delivery_retry(struct queue *queue, struct delivery *delivery, uint32_t attempts,
                           bool must_route, int64_t now_ms)
{
    if (delivery->message->flags & MESSAGE_HELD) {
        if (must_route)
            delivery_route(queue, delivery, now_ms, now_ms);
        return;
    }
    int64_t expiry_ms = message_expiry(queue, delivery->message);
    if (now_ms >= expiry_ms) {
        delivery_expire(queue, delivery, now_ms);
        return;
    }
    /* The last attempt is made at the very end. */
    int64_t next_ms = now_ms + queue_backoff(queue, attempts);
    if (next_ms > expiry_ms)
        next_ms = expiry_ms;
    if (must_route)
        delivery_route(queue, delivery, next_ms, now_ms);
    else
        delivery_make_waiting(queue, delivery, next_ms);
}

/* Has it recipients that belong to other lanes? */
static bool is_strange(const struct queue *queue, struct queue_delivery *taken)
{
    const struct active *active = active_of(taken);
    return active->is_joint || active->generation != queue->generation;
}

/* Its connection is through with it: it is in no place, and its message without it. */
static struct delivery *deactivate(struct queue *queue, struct queue_delivery *taken_owned,
                                   int64_t now_ms)
{
    struct active *active = active_of(taken_owned);
    struct delivery *delivery = active->delivery;
    queue->now_ms = now_ms;
    arena_free(active->arena);
    struct lane *site = active->site;
    /* One that does not use what it has needs no more. */
    if (active->was_answered && site->active >= site->window.size)
        window_answered(&site->window, lane_limit(queue, site));
    site->active--;
    lane_work(queue, site);
    free(active);
    delivery->state = DELIVERY_NEW;
    delivery->message->active_count--;
    queue->stats.deliveries_active--;
    message_todo(queue, delivery->message);
    return delivery;
}

void queue_finish(struct queue *queue, struct queue_delivery *delivery_owned, int64_t now_ms)
{
    bool must_route = is_strange(queue, delivery_owned);
    struct delivery *delivery = deactivate(queue, delivery_owned, now_ms);
    uint32_t attempts = count_attempts(queue, delivery);
    if (attempts == 0 || delivery->message->is_deleted)
        delivery_drop(queue, delivery);
    else
        delivery_retry(queue, delivery, attempts, must_route, now_ms);
}

static bool has_open_slot(const struct delivery *delivery)
{
    const struct message *message = delivery->message;
    for (size_t i = 0; i < message->slot_count; i++)
        if (message->slots[i].delivery == delivery)
            return true;
    return false;
}

void queue_put_back(struct queue *queue, struct queue_delivery *delivery_owned, int64_t now_ms)
{
    bool must_route = is_strange(queue, delivery_owned);
    struct lane *site = active_of(delivery_owned)->site;
    rate_return(lane_rate(queue, site), &site->spent);
    struct delivery *delivery = deactivate(queue, delivery_owned, now_ms);
    if (delivery->message->is_deleted || !has_open_slot(delivery))
        delivery_drop(queue, delivery);
    else if (must_route)
        delivery_route(queue, delivery, now_ms, now_ms);
    else if (!(delivery->message->flags & MESSAGE_HELD))
        delivery_make_ready(queue, delivery);
}
