/* What the queue gave up by itself, so that the log tells of each recipient that failed. */
#include <stdlib.h>

#include "base/memory.h"
#include "queue/queue_state.h"

void failure_add(struct queue *queue, const struct message *message, size_t slot)
{
    struct failures *failures = &queue->failures;
    if (failures->count == failures->cap) {
        failures->cap = failures->cap ? failures->cap * 2 : 64;
        failures->list = memory_resize(failures->list, failures->cap, sizeof *failures->list);
    }
    failures->list[failures->count++] = (struct failure){message, slot};
}

/* A message's recipients mostly fail together, and an envelope may have many: scanned once. */
static void open_envelope(struct failures *failures, const struct message *message)
{
    if (failures->opened == message)
        return;
    arena_free(failures->arena);
    failures->arena = message ? message_open(message, &failures->envelope) : NULL;
    failures->opened = message;
}

bool failure_next(struct queue *queue, struct queue_task *task)
{
    struct failures *failures = &queue->failures;
    if (failures->at == failures->count) {
        open_envelope(failures, NULL);
        failures->at = failures->count = 0;
        return false;
    }
    const struct failure *next = &failures->list[failures->at++];
    const struct slot *slot = &next->message->slots[next->slot];
    open_envelope(failures, next->message);
    *task = (struct queue_task){.id = next->message->id,
                                .failure = {.envelope = &failures->envelope,
                                            .recipient = next->slot,
                                            .status = bytes_of(slot->outcome->status),
                                            .reply = outcome_reply(slot->outcome)}};
    return true;
}

void failures_done(struct failures *failures)
{
    arena_free(failures->arena);
    free(failures->list);
}
