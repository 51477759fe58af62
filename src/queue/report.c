#include <stdlib.h>

#include "base/memory.h"
#include "queue/queue_state.h"

static bool is_untold(const struct slot *slot)
{
    return slot->state == SLOT_DELIVERED_UNTOLD || slot->state == SLOT_FAILED_UNTOLD;
}

static struct queue_report_recipient describe(const struct slot *slot,
                                              const struct envelope_recipient *recipient)
{
    bool has_failed = slot->state == SLOT_FAILED_UNTOLD;
    struct queue_report_recipient item = {.recipient = recipient,
                                          .outcome = has_failed ? FAILED : DELIVERED,
                                          .status = has_failed ? BYTES("5.0.0") : BYTES("2.0.0")};
    const struct outcome *outcome = slot->outcome;
    if (!outcome)
        return item;
    item.was_relayed = outcome->was_relayed;
    item.code = outcome->code;
    if (outcome->status[0])
        item.status = bytes_of(outcome->status);
    item.reply = outcome_reply(outcome);
    item.remote = outcome_remote(outcome);
    item.at_ms = outcome->at_ms;
    return item;
}

struct report *report_new(struct message *message)
{
    size_t count = 0;
    for (size_t i = 0; i < message->slot_count; i++)
        count += is_untold(&message->slots[i]);
    if (count == 0)
        return NULL;
    struct report *report = NEW(struct report);
    struct queue_report_recipient *items = memory_new(count, sizeof *items);
    report->message = message;
    report->arena = message_open(message, &report->envelope);
    for (size_t i = 0, at = 0; i < message->slot_count; i++)
        if (is_untold(&message->slots[i]))
            items[at++] = describe(&message->slots[i], &report->envelope.recipients[i]);
    report->public = (struct queue_report){.id = message->id,
                                           .envelope = &report->envelope,
                                           .recipients = items,
                                           .recipient_count = count};
    return report;
}

void report_free(struct report *report)
{
    free((void *)(uintptr_t)report->public.recipients);
    arena_free(report->arena);
    free(report);
}

void queue_reported(struct queue *queue, uint64_t id, bool was_stored, int64_t now_ms)
{
    struct report *report = map_find_u64(queue->reports, id);
    ASSERT(report && report->due.place == 0);
    struct message *message = report->message;
    queue->now_ms = now_ms;
    message_todo(queue, message);
    if (!was_stored) {
        heap_put(&queue->postponed, &report->due, now_ms + queue_backoff(queue, 1));
        return;
    }
    for (size_t i = 0; i < report->public.recipient_count; i++) {
        const struct queue_report_recipient *item = &report->public.recipients[i];
        struct slot *slot = &message->slots[item->recipient - report->envelope.recipients];
        slot->state = item->outcome == FAILED ? SLOT_FAILED : SLOT_DELIVERED;
        message->unsaved++;
    }
    map_take_u64(queue->reports, id);
    report_free(report);
}
