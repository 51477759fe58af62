/* One outgoing connection of a lane: looks up and connects, joins the stream with the smtp_client
 * machine, and carries the lane's deliveries, message text from the spool. */
#pragma once

#include "daemon/worker.h"

struct outbound;

/* The queue asked for a connection (QUEUE_CONNECT); ends in queue_disconnected(). */
void outbound_open(struct worker *worker, struct lane *lane);
/* Connections that wait for work look whether there is some; true: one found it. */
bool outbound_wake_idle(struct worker *worker);
/* Ends idle connections, and the others after the delivery under way. */
void outbound_shut_all(struct worker *worker);
/* Breaks all off now; their deliveries count as deferred. */
void outbound_kill_all(struct worker *worker);
