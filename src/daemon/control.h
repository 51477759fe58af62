/* The control process: answers `postrider queue`, `reload` and `stop` over its Unix socket.
 *
 * A client sends one line, a JSON object, and gets lines of JSON objects back; then the connection
 * is closed. Requests are those of daemon/desk.h, which go to all workers in turn, page by page,
 * and
 *     {"do": "reload"}   {"done": true, "problems": [TEXT…]}
 *     {"do": "stop"}     {"done": true}, and the connection stays open until the workers have ended
 * Replies:
 *     {"message": MESSAGE}               one line each, a worker's in the order of arrival
 *     {"missing": "worker-0"}            a worker that does not answer; go on without it
 *     {"error": TEXT}                    the last line
 *     {"done": true, "count": N, "matched": M, "stats": {NAME: number…}}   the last line
 *
 * A slow client is waited for, page by page; one that does nothing for a minute is dropped. */
#pragma once

#include <jansson.h>

#include "base/list.h"
#include "daemon/child.h"
#include "net/loop.h"

enum { CONTROL_CLIENT_LIMIT = 32 };

struct control;

/* A channel to one worker. */
struct control_worker {
    struct control *control;
    unsigned index;
    struct watch *watch; /* NULL: not there */
    bool is_expected;    /* the configuration names it, or it delivers a leftover shard */
};

struct control {
    struct child *child;
    struct loop *loop;
    struct watch *supervisor, *listener;
    struct control_worker workers[CONFIG_WORKER_LIMIT];
    struct list clients;
    size_t client_count;
    uint32_t serial; /* of the newest request to a worker */
    bool is_stopping;
    uint8_t packet[IPC_PAYLOAD_LIMIT];
};

/* --- Clients (control_client.c) -----------------------------------------------------------------
 */

/* Takes over the accepted socket. */
void control_client_open(struct control *control, int fd_owned);
/* A part of a worker's reply; a serial that nobody waits for any more is fine. */
void control_clients_reply(struct control *control, const struct ipc_message *message);
/* The worker's channel is gone or new: whoever waits for its answer goes on without it. */
void control_clients_lose(struct control *control, unsigned worker);
/* The supervisor has reloaded. */
void control_clients_reloaded(struct control *control, struct bytes problems);
void control_clients_close(struct control *control);

/* --- For clients (control.c) --------------------------------------------------------------------
 */

/* Sends a request; the serial of its reply, or 0 when the worker is not there. */
uint32_t control_ask(struct control *control, unsigned worker, struct bytes request);
/* Tells the supervisor; false: it cannot be told. */
MUST_CHECK bool control_tell(struct control *control, enum ipc_type type);
