/* The queue: what is to be delivered where and when. Pure: it learns of time, connections and
 * results, and says what to do; it knows no disk, no socket and no DNS.
 *
 * Each destination (endpoint) has a lane: deliveries ready for it, in order; its connections; and
 * its suspension while the destination does not answer. A delivery is one message to those of
 * its recipients that share a lane. Where a domain's mail goes by MX, the domain has a lane for its
 * deliveries, and the site (the set of MX hosts) one with the connections: domains at one site
 * share them, and one transaction of a message serves all its recipients there. What the DNS said
 * is kept for its time; then what is to be delivered has it asked again. A delivery whose attempt
 * was answered 4xx waits for its own next time, then becomes ready in its lane again; a destination
 * that cannot be reached suspends the whole lane, and the deliveries ride on it: its failures count
 * as their attempts, and those past their time fail with it. That a host greets with 5xx suspends
 * its lane like any failure to connect: it says nothing of the messages. A DNS that does not answer
 * suspends the domain's lane.
 *
 * Senders take turns in a lane, so that no run of one holds up the letter of another. A lane has
 * few connections at first, more while its destination answers, up to the limit, and fewer when it
 * balks: sessions that break off or time out, 421, refused connections. It takes no more messages
 * in a time than its rate allows.
 *
 * What cannot be delivered fails with 5.4.7 when its attempt after expire_ms is over (counted from
 * the release of what is held), at by_ms when the sender asked for that (RFC 2852, mode R),
 * and with what MX_FAILED says when its domain takes no mail.
 *
 * A sender is told once of what a message's recipients came to: a report waits a little while other
 * recipients may follow soon. That a message is late is told once after delay_notice_ms, and at
 * by_ms where the sender asked for that (mode N). Of a delivery it is told with NOTIFY=SUCCESS, and
 * when DELIVERBY asks for a trace, or goes no further than to a server that does not offer it.
 *
 *     queue_add(queue, &envelope, …);                       a message is in the spool
 *     while (queue_step(queue, now_ms, &task) != QUEUE_IDLE) do the task
 *     queue_take / queue_result / queue_finish              a connection's life
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "mail/envelope.h"
#include "queue/mx.h"
#include "queue/route.h"
#include "smtp/client.h"

struct queue;
struct lane;

struct queue_settings {
    struct bytes hostname;
    int64_t retry_first_ms, retry_max_ms; /* backoff: first, doubling to max, jitter of a fifth */
    int64_t expire_ms;                    /* RFC 5321, 4.5.4.1: 4 to 5 days */
    int64_t delay_notice_ms;              /* then a sender who said nothing of it is told; 0: never.
                                             Who asked (NOTIFY=DELAY) is told in any case */
    /* Where a route does not say otherwise: */
    size_t lane_connections;       /* at most so many to one destination */
    size_t connection_messages;    /* then a connection is closed and a new one opened */
    struct rate rate;              /* of messages to one destination */
    size_t transaction_recipients; /* recipients in one transaction */
    uint64_t seed;                 /* for jitter and hash maps */
};

/* The queue keeps the pointers to settings and routes. */
struct queue *queue_new(const struct queue_settings *settings, const struct routes *routes);
void queue_free(struct queue *queue);
/* New settings and routes: what waits is routed anew, in the next steps; what is under way finishes
 * as it is. The old ones are not used any more. */
void queue_reload(struct queue *queue, const struct queue_settings *settings,
                  const struct routes *routes, int64_t now_ms);

/* A message is safely in the spool: queue it. Copies what it needs, which is all of the envelope
 * but client, helo and user. All instants are wall-clock
 * ms here and below. False (and nothing is queued): the id is there already. */
MUST_CHECK bool queue_add(struct queue *queue, const struct envelope *envelope, int64_t now_ms);
/* After a restart: state is what QUEUE_SAVE gave last (empty: never). False for a state that does
 * not fit the envelope: the message is then queued as new, so that nothing is lost; log it. */
MUST_CHECK bool queue_restore(struct queue *queue, const struct envelope *envelope,
                              struct bytes state, int64_t now_ms);
/* After the last of them: puts what came in the order of the spool into that of the ids. A million
 * take a while; where this is not called, the next step or walk takes it. */
void queue_sort(struct queue *queue);

enum queue_effect {
    QUEUE_IDLE,    /* nothing to do before queue_deadline(). That is now when there is more to do
                      than fits in one step: what else waits may be done first */
    QUEUE_RESOLVE, /* find where the mail of task->lane's domain (its endpoint's host) goes, then
                      queue_resolved() */
    QUEUE_CONNECT, /* open one more connection for task->lane */
    QUEUE_FAILED,  /* the queue has given up a recipient by itself: log task->failure */
    QUEUE_SAVE,    /* task->id's state is task->state (borrowed until the next call): keep it */
    QUEUE_REPORT,  /* compose and store a DSN with task->report, then queue_reported() */
    QUEUE_REMOVE,  /* task->id is finished: remove it from the spool */
};

/* What a DSN has to tell: of all recipients of a message that are now final and unreported, and of
 * those that are late. Views and arrays are borrowed until queue_reported(). */
struct queue_report_recipient {
    const struct envelope_recipient *recipient;
    enum delivery_outcome outcome; /* DELIVERED (NOTIFY=SUCCESS), FAILED, or DEFERRED: it is late */
    bool was_relayed;              /* DELIVERED to a next hop: action "relayed" */
    int code;
    struct bytes status, reply; /* "5.1.1", the peer's words or what went wrong */
    struct bytes remote;        /* who spoke ("mx.example[192.0.2.1]:25"), or the endpoint's name */
    int64_t at_ms;              /* the last attempt */
    int64_t retry_until_ms;     /* DEFERRED */
};
struct queue_report {
    uint64_t id;
    const struct envelope *envelope;
    const struct queue_report_recipient *recipients;
    size_t recipient_count;
};

/* A recipient that failed without an answer of its own: by age, by what the DNS said, or for want
 * of a route. Borrowed until the next call. */
struct queue_failure {
    const struct envelope *envelope;
    size_t recipient; /* index */
    struct bytes status, reply;
};

struct queue_task {
    struct lane *lane;
    uint64_t id;
    struct bytes state;
    struct queue_failure failure;
    const struct queue_report *report;
};
enum queue_effect queue_step(struct queue *queue, int64_t now_ms, struct queue_task *task);
/* When to step again though nothing happens; INT64_MAX: never. */
int64_t queue_deadline(const struct queue *queue);
/* The report of a message was stored (or could not be, then false: it is asked for again after
 * the first retry interval). */
void queue_reported(struct queue *queue, uint64_t id, bool was_stored, int64_t now_ms);

const struct endpoint *lane_endpoint(const struct lane *lane);
/* The answer to QUEUE_RESOLVE: every one has one. Anything but MX_NEEDS_FACTS; copies what it
 * needs. */
void queue_resolved(struct queue *queue, struct lane *lane, enum mx_outcome outcome,
                    const struct mx_result *result, int64_t now_ms);

/* One delivery under way. The envelope and the indexes are what smtp_client_message takes. */
struct queue_delivery {
    uint64_t id;
    const struct envelope *envelope;
    const size_t *recipients;
    size_t recipient_count;
};

/* A connection of the lane can take a message: the next delivery, or NULL when there is none now,
 * by the rate or because too many are under way (keep the connection a while, or close it).
 * recipient_max bounds the recipients (RFC 9422). */
struct queue_delivery *queue_take(struct queue *queue, struct lane *lane, size_t recipient_max,
                                  int64_t now_ms);
/* The messages that one connection of the lane may carry. */
size_t queue_connection_messages(const struct queue *queue, const struct lane *lane);
/* Is there a delivery that queue_take would give? */
bool queue_has_ready(const struct queue *queue, const struct lane *lane);
/* One recipient's fate. */
void queue_result(struct queue *queue, struct queue_delivery *taken,
                  const struct delivery_result *result, int64_t now_ms);
/* All results are in (recipients without one count as deferred); the delivery is gone. */
void queue_finish(struct queue *queue, struct queue_delivery *delivery_owned, int64_t now_ms);
/* The same, but nothing was tried for the recipients without a result (an old connection ended
 * before this message): they are ready at once, no attempt is counted. */
void queue_put_back(struct queue *queue, struct queue_delivery *delivery_owned, int64_t now_ms);
/* The connection that QUEUE_CONNECT asked for has been greeted: the lane's suspension is over. */
void queue_connected(struct queue *queue, struct lane *lane, int64_t now_ms);
/* The connection is gone (every QUEUE_CONNECT ends so, once). failure: why it could not be used
 * (refused, timed out, greeted with 4xx or 5xx), which suspends the lane unless other connections
 * work; NULL after an orderly end. */
void queue_disconnected(struct queue *queue, struct lane *lane,
                        const struct delivery_result *failure, int64_t now_ms);

/* --- For the operator --------------------------------------------------------------------------
 */

enum recipient_state {
    RECIPIENT_QUEUED,
    RECIPIENT_ACTIVE,
    RECIPIENT_DEFERRED,
    RECIPIENT_DELIVERED,
    RECIPIENT_FAILED,
    RECIPIENT_HELD, /* by the operator, until released */
};
struct queue_entry_recipient {
    struct bytes address;
    enum recipient_state state;
    unsigned attempts;
    int64_t next_ms;    /* 0: none to come */
    struct bytes reply; /* of the last attempt; empty: none yet */
    struct bytes lane;  /* the endpoint's name */
};
struct queue_entry {
    uint64_t id;
    int64_t received_ms;
    const struct envelope *envelope; /* NULL, and the addresses empty: the walk did without */
    const struct queue_entry_recipient *recipients;
    size_t recipient_count;
};
/* One message; views are borrowed for the call, and the queue must not change. False: no more
 * (a walk goes on with this one then). */
typedef bool queue_visit(void *context, const struct queue_entry *entry);

/* A page of a walk through the messages in the order of their ids, which is that of arrival. */
struct queue_select;
struct queue_walk {
    const struct queue_select *select; /* whom to visit; NULL: all */
    uint64_t after;                    /* begin behind this id, 0: at the first; set to the last
                                          one looked at, for the next page */
    size_t limit;                      /* look at so many messages, visited or not */
    bool needs_envelopes;              /* by the visitor: to scan them is the dearest part */
    bool has_more;                     /* set: the walk is not at its end */
};
void queue_walk(struct queue *queue, struct queue_walk *walk, int64_t now_ms, queue_visit *visit,
                void *context);
/* One message; false: not here. */
MUST_CHECK bool queue_show(struct queue *queue, uint64_t id, queue_visit *visit, void *context);

/* False, of all these: there is no such message, or nothing to do for it. */

/* Makes its waiting deliveries ready now, but for held ones, and lifts their lanes' suspension
 * where they failed before since_ms: who asks for a thousand messages of a dead host wants one
 * attempt. lane: deliveries of the lane with that name only; empty: all. */
MUST_CHECK bool queue_retry(struct queue *queue, uint64_t id, struct bytes lane, int64_t since_ms,
                            int64_t now_ms);
/* Holds a message: no attempts, no reports and no end by age until it is released. Deliveries under
 * way finish first. */
MUST_CHECK bool queue_hold(struct queue *queue, uint64_t id);
/* It goes on at once. Its age was counted on: what has outlived expire_ms has one attempt. */
MUST_CHECK bool queue_release(struct queue *queue, uint64_t id, int64_t now_ms);
/* Removes a message without a report (QUEUE_REMOVE follows); a delivery under way finishes
 * first. */
MUST_CHECK bool queue_delete(struct queue *queue, uint64_t id);

struct queue_stats {
    size_t messages, held, recipients_waiting, deliveries_ready, deliveries_waiting,
        deliveries_active, lanes, lanes_suspended, connections;
    uint64_t delivered, deferred, failed; /* recipients, since the start */
    int64_t oldest_ms;                    /* instant the oldest message was received; 0: none */
};
struct queue_stats queue_stats(const struct queue *queue);
