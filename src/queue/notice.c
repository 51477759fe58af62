/* That a message is late: who is to be told, and when. */
#include <stdlib.h>

#include "base/memory.h"
#include "queue/queue_state.h"

/* For those who asked where the configuration says nothing of it. */
static const int64_t DELAY_MS = 4 * 60 * 60 * 1000;

static int64_t delay_ms(const struct queue *queue)
{
    int64_t set_ms = queue->settings->delay_notice_ms;
    return set_ms ? set_ms : DELAY_MS;
}

static void add(struct queue *queue, uint64_t id, uint8_t kind, int64_t due_ms)
{
    struct notice *notice = NEW(struct notice);
    notice->id = id;
    notice->kind = kind;
    heap_put(&queue->notices, &notice->due, due_ms);
}

void notice_add(struct queue *queue, const struct message *message, const struct envelope *envelope)
{
    if (!message->has_reverse_path)
        return;
    /* Later than any message lives, it is never due. */
    int64_t last_ms = message_expiry(queue, message);
    if (envelope->by_mode == BY_NOTIFY && envelope->by_ms < last_ms &&
        !(message->flags & MESSAGE_BY_TOLD))
        add(queue, message->id, MESSAGE_BY_TOLD, envelope->by_ms);
    /* Until it is released it is not late (FUTURERELEASE). */
    if (envelope->hold_until_ms > message->received_ms && !(message->flags & MESSAGE_DELAY_TOLD) &&
        delay_ms(queue) < last_ms - envelope->hold_until_ms)
        add(queue, message->id, MESSAGE_DELAY_TOLD, envelope->hold_until_ms + delay_ms(queue));
}

bool notice_is_wanted(const struct queue *queue, const struct slot *slot, uint8_t notices)
{
    if (slot->state != SLOT_OPEN)
        return false;
    if (slot->notify & NOTIFY_DELAY)
        return notices != 0;
    /* Without NOTIFY it is ours to choose (RFC 3461, 5.2.5), but for DELIVERBY (RFC 2852,
     * 4.1.3). */
    return slot->notify == 0 &&
           (notices & MESSAGE_BY_TOLD ||
            (notices & MESSAGE_DELAY_TOLD && queue->settings->delay_notice_ms > 0));
}

static bool is_wanted(const struct queue *queue, const struct message *message, uint8_t kind)
{
    if (message->is_deleted || !message->has_reverse_path || message->flags & kind)
        return false;
    for (size_t i = 0; i < message->slot_count; i++)
        if (notice_is_wanted(queue, &message->slots[i], kind))
            return true;
    return false;
}

static void note(struct queue *queue, struct message *message, uint8_t kind)
{
    if (!is_wanted(queue, message, kind))
        return;
    message->notices |= kind;
    message_todo(queue, message);
}

/* The next in the order of arrival for whom that is the order of lateness too: none of its own
 * (FUTURERELEASE). NULL: no more, or enough for this step; most of a million may want no notice. */
static struct message *next_message(struct queue *queue)
{
    for (struct list *at; (at = queue->noticed->next) != &queue->by_arrival && queue_spend(queue);
         queue->noticed = at) {
        struct message *message = CONTAINER(at, struct message, by_arrival);
        if (is_wanted(queue, message, MESSAGE_DELAY_TOLD) &&
            (!message->has_times || message_begin(message) <= message->received_ms))
            return message;
    }
    return NULL;
}

bool notice_step(struct queue *queue, int64_t now_ms)
{
    struct heap_node *first = heap_first(&queue->notices);
    struct message *message = next_message(queue);
    bool is_any = false;
    if (first && first->key <= now_ms) {
        struct notice *notice = CONTAINER(first, struct notice, due);
        struct message *late = table_find(queue->messages, notice->id);
        heap_remove(&queue->notices, first);
        if (late)
            note(queue, late, notice->kind);
        free(notice);
        is_any = true;
    }
    if (message && now_ms - message->received_ms >= delay_ms(queue)) {
        queue->noticed = &message->by_arrival;
        note(queue, message, MESSAGE_DELAY_TOLD);
        is_any = true;
    }
    return is_any;
}

int64_t notice_deadline(const struct queue *queue)
{
    const struct heap_node *first = heap_first(&queue->notices);
    int64_t deadline_ms = first ? first->key : INT64_MAX;
    struct list *next = queue->noticed->next;
    if (next == &queue->by_arrival)
        return deadline_ms;
    /* One that has come since the last step may need none. */
    int64_t next_ms = CONTAINER(next, struct message, by_arrival)->received_ms + delay_ms(queue);
    return next_ms < deadline_ms ? next_ms : deadline_ms;
}
