/* The worker's answers to the operator: what is asked of its queue by way of the control process.
 * Knows no socket: requests and replies are JSON texts.
 *
 * Requests (one object; ids are texts as id_print writes them):
 *     {"do": "list", "select": SELECT}       a PAGE with "messages": [MESSAGE…]
 *     {"do": "count", "select": SELECT}      a PAGE
 *     {"do": "show", "id": ID}               {"messages": [MESSAGE]}, empty when it is not here
 *     {"do": ACT, "select": SELECT}          a PAGE
 *     {"do": ACT, "id": ID}                  {"count": 0 or 1, "matched": 0 or 1}
 *     {"do": "stats"}                        {"stats": {NAME: number…}}
 * A request that is none of these: {"error": TEXT}.
 *
 * ACT is "hold", "release", "retry" or "delete". SELECT has some of the texts "from", "to",
 * "domain", "reply", "lane" and "status", and the numbers "older_ms" and "younger_ms", with the
 * meanings of queue/select.h; none: all messages. A PAGE has bounded work, so that the worker's
 * other work goes on in between: {"matched": M messages, "count": N of them that it was done to,
 * "more": true or false, "after": ID}; with that "after" the same request goes on. "since" in a
 * retry is the instant in ms at which the operator asked (queue_retry).
 *
 * A MESSAGE is what `queue list --json` prints: {"id", "from", "size", "received", "recipients":
 * [{"address", "status", "attempts", "next", "reply"}]}; of show, recipients also have "lane". */
#pragma once

#include "queue/queue.h"
#include "spool/spool.h"

enum { DESK_CHUNK_LIMIT = 60 << 10 }; /* bytes; fits an IPC payload */

/* A run of a reply's text; the last one has is_last and may be empty. Borrowed for the call. */
typedef void desk_reply(void *context, struct bytes chunk, bool is_last);

/* Answers at once, before it returns. */
void desk_request(struct queue *queue, const struct spool_stats *stats, struct bytes request,
                  int64_t wall_ms, desk_reply *reply, void *context);
