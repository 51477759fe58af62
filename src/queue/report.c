#include <stdlib.h>

#include "base/memory.h"
#include "queue/queue_state.h"

/* While a message's other recipients may end within this, their sender gets one report, not
 * several. */
static const int64_t GATHER_MS = 30 * 1000;

/* With the driver at a time: each holds a part of its message in memory. */
enum { DRIVEN_MOST = 64 };

static bool is_untold(const struct slot *slot)
{
    return slot->state == SLOT_DELIVERED_UNTOLD || slot->state == SLOT_FAILED_UNTOLD;
}

static bool is_told(const struct queue *queue, const struct message *message,
                    const struct slot *slot)
{
    return is_untold(slot) || notice_is_wanted(queue, slot, message->notices);
}

/* --- What it tells -----------------------------------------------------------------------------
 */

static int64_t slot_at_ms(const struct slot *slot)
{
    return (int64_t)slot->at_s * 1000;
}

/* What an attempt came to, as far as there was one. */
static void describe_outcome(const struct outcome *outcome, int64_t at_ms,
                             struct queue_report_recipient *item)
{
    if (!outcome)
        return;
    item->was_relayed = outcome->was_relayed;
    item->code = outcome->code;
    if (outcome->status[0])
        item->status = bytes_of(outcome->status);
    item->reply = outcome_reply(outcome);
    item->remote = outcome_remote(outcome);
    item->at_ms = at_ms;
}

static struct queue_report_recipient
describe_late(const struct queue *queue, const struct message *message, const struct slot *slot)
{
    struct queue_report_recipient item = {
        .outcome = DEFERRED,
        .status = BYTES("4.0.0"),
        .retry_until_ms = message_expiry(queue, message),
    };
    const struct delivery *delivery = slot->delivery;
    bool waits_for_lane =
        delivery && delivery->state == DELIVERY_READY && lane_failure(delivery->lane) &&
        (delivery_ridden(delivery) > 0 || lane_shown(delivery->lane)->is_suspended);
    if (waits_for_lane)
        describe_outcome(lane_failure(delivery->lane), lane_failed_ms(delivery->lane), &item);
    else
        describe_outcome(slot->outcome, slot_at_ms(slot), &item);
    if (message->notices & MESSAGE_BY_TOLD)
        item.status = BYTES("4.4.7"); /* RFC 2852, 4.1.3 */
    return item;
}

static struct queue_report_recipient
describe(const struct queue *queue, const struct message *message, const struct slot *slot)
{
    if (slot->state == SLOT_OPEN)
        return describe_late(queue, message, slot);
    bool has_failed = slot->state == SLOT_FAILED_UNTOLD;
    struct queue_report_recipient item = {.outcome = has_failed ? FAILED : DELIVERED,
                                          .status = has_failed ? BYTES("5.0.0") : BYTES("2.0.0")};
    describe_outcome(slot->outcome, slot_at_ms(slot), &item);
    return item;
}

static void drive(struct queue *queue, struct report *report)
{
    struct message *message = report->message;
    size_t count = 0;
    for (size_t i = 0; i < message->slot_count; i++)
        count += is_told(queue, message, &message->slots[i]);
    struct queue_report_recipient *items = memory_new(count, sizeof *items);
    report->envelope = NEW(struct envelope);
    report->arena = message_open(message, report->envelope);
    for (size_t i = 0, at = 0; i < message->slot_count; i++) {
        if (!is_told(queue, message, &message->slots[i]))
            continue;
        items[at] = describe(queue, message, &message->slots[i]);
        items[at++].recipient = &report->envelope->recipients[i];
    }
    report->public = (struct queue_report){.id = message->id,
                                           .envelope = report->envelope,
                                           .recipients = items,
                                           .recipient_count = count};
    report->notices = message->notices;
    report->phase = REPORT_DRIVEN;
    queue->driven++;
    message->has_gathered = false;
}

/* --- When ------------------------------------------------------------------------------------- */

static bool has_news(const struct queue *queue, const struct message *message)
{
    for (size_t i = 0; i < message->slot_count; i++)
        if (is_told(queue, message, &message->slots[i]))
            return true;
    return false;
}

/* May a recipient that is still open end before this? */
static bool may_end(const struct message *message, int64_t until_ms)
{
    for (const struct delivery *delivery = &message->first; delivery; delivery = delivery->next) {
        switch ((enum delivery_state)delivery->state) {
        case DELIVERY_UNUSED:
        case DELIVERY_NEW: break;
        case DELIVERY_ACTIVE: return true;
        case DELIVERY_WAITING:
            if (delivery->in.due.key < until_ms)
                return true;
            break;
        case DELIVERY_READY:
            if (!lane_shown(delivery->lane)->is_suspended ||
                lane_shown(delivery->lane)->until_ms < until_ms)
                return true;
            break;
        }
    }
    return false;
}

struct report *report_next(struct queue *queue, struct message *message)
{
    struct report *report = table_find(queue->reports, message->id);
    if (message->active_count > 0 || message->flags & MESSAGE_HELD || !has_news(queue, message))
        return NULL;
    if (report && report->phase != REPORT_GATHERING)
        return NULL;
    int64_t until_ms = queue->now_ms + GATHER_MS;
    bool is_gathering = !message->has_gathered && may_end(message, until_ms);
    if (is_gathering && report)
        return NULL;
    if (!report) {
        report = NEW(struct report);
        report->message = message;
        list_init(&report->turn);
        table_add(queue->reports, message->id, report);
    }
    if (is_gathering) {
        heap_put(&queue->postponed, &report->due, until_ms);
        return NULL;
    }
    heap_remove(&queue->postponed, &report->due);
    if (queue->driven >= DRIVEN_MOST) {
        report->phase = REPORT_IN_TURN;
        list_append(&queue->turns, &report->turn);
        return NULL;
    }
    drive(queue, report);
    return report;
}

void report_free(struct report *report)
{
    free((void *)(uintptr_t)report->public.recipients);
    free(report->envelope);
    arena_free(report->arena);
    free(report);
}

void report_drop(struct queue *queue, struct report *report)
{
    ASSERT(report->phase != REPORT_DRIVEN);
    heap_remove(&queue->postponed, &report->due);
    list_remove(&report->turn);
    table_take(queue->reports, report->message->id);
    report_free(report);
}

void report_due(struct queue *queue, struct report *report)
{
    report->message->has_gathered = true;
    message_todo(queue, report->message);
    report_drop(queue, report);
}

/* --- Done --------------------------------------------------------------------------------------
 */

static void settle(struct message *message, const struct report *report)
{
    message->flags |= report->notices;
    message->notices &= (uint8_t)~report->notices;
    message->unsaved += report->notices != 0;
    for (size_t i = 0; i < report->public.recipient_count; i++) {
        const struct queue_report_recipient *item = &report->public.recipients[i];
        struct slot *slot = &message->slots[item->recipient - report->envelope->recipients];
        if (item->outcome == DEFERRED)
            continue;
        slot->state = item->outcome == FAILED ? SLOT_FAILED : SLOT_DELIVERED;
        message->unsaved++;
    }
}

void queue_reported(struct queue *queue, uint64_t id, bool was_stored, int64_t now_ms)
{
    struct report *report = table_find(queue->reports, id);
    ASSERT(report && report->phase == REPORT_DRIVEN);
    struct message *message = report->message;
    queue->now_ms = now_ms;
    queue->driven--;
    message_todo(queue, message);
    if (was_stored) {
        settle(message, report);
        report->phase = REPORT_GATHERING;
        report_drop(queue, report);
    } else {
        report->phase = REPORT_PUT_OFF;
        heap_put(&queue->postponed, &report->due, now_ms + queue_backoff(queue, 1));
    }
    struct report *next = LIST_FIRST(&queue->turns, struct report, turn);
    if (next)
        report_due(queue, next);
}
