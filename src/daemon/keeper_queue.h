/* Work that waits for a thread, fairly: each source has its turn, so that a flood from one network
 * holds up that network alone. Bounded in all and for each source; what is over is for the caller
 * to refuse at once. */
#pragma once

#include "base/bytes.h"
#include "base/list.h"

struct keeper_queue;

/* Inside whatever waits. */
struct keeper_item {
    struct list link;
    struct keeper_source *source; /* NULL: does not wait */
};

struct keeper_queue *keeper_queue_new(size_t limit, size_t source_limit, uint64_t seed);
/* Nothing may wait. */
void keeper_queue_free(struct keeper_queue *queue);
/* Puts the item behind those of its source. False: too many wait. */
MUST_CHECK bool keeper_queue_add(struct keeper_queue *queue, struct bytes source,
                                 struct keeper_item *item);
/* The oldest of the source whose turn it is; NULL: nothing waits. */
struct keeper_item *keeper_queue_take(struct keeper_queue *queue);
/* Takes an item out before its turn; one that does not wait is fine. */
void keeper_queue_remove(struct keeper_queue *queue, struct keeper_item *item);
size_t keeper_queue_count(const struct keeper_queue *queue);
