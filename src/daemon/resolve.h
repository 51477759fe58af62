/* Where the mail of a domain goes: the driver of mx_find(), which has its facts resolved and tells
 * the queue. */
#pragma once

#include "daemon/worker.h"

/* The queue asked (QUEUE_RESOLVE); ends in queue_resolved(). */
void resolve_begin(struct worker *worker, struct lane *lane);
/* Breaks all off; the queue is not told any more. */
void resolve_kill_all(struct worker *worker);
