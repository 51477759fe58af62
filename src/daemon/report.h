/* Delivery status notifications: reads the message they are about from the spool, composes them
 * (queue/bounce.h) and stores them like any message. */
#pragma once

#include "daemon/worker.h"

/* The queue asked for it (QUEUE_REPORT); ends in queue_reported(). */
void report_begin(struct worker *worker, const struct queue_report *about);
