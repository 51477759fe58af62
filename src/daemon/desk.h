/* The worker's answers to the operator: list, show, retry, delete and stats on its queue, asked
 * for by the control process. Knows no socket: requests and replies are JSON texts.
 *
 * Requests (one object; ids are texts as id_print writes them):
 *     {"do": "list", "after": ID or absent}  {"messages": [MESSAGE…], "more": true or false}: a
 *                                            page; the next one begins after its last id
 *     {"do": "show", "id": ID}               {"messages": [MESSAGE]}, empty when it is not here
 *     {"do": "retry", "id": ID or absent}    {"count": N} messages made ready; absent: all
 *     {"do": "delete", "id": ID}             {"count": 0 or 1}
 *     {"do": "stats"}                        {"stats": {NAME: number…}}
 * A request that is none of these: {"error": TEXT}.
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
