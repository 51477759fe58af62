/* What the parts of queue.h share: messages, their recipients' slots, deliveries and lanes.
 *
 * A message is one block of memory: this struct, a slot a recipient, the printed envelope. Its
 * first delivery is inside; only mail to several places has more. A delivery stands in one place
 * at a time: in the heap of those that wait for their time, in its lane's row of those that are
 * ready, or with a connection. */
#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/table.h"
#include "queue/queue.h"
#include "queue/window.h"

/* How an attempt ended: for the listing, the state and the report. Shared by all that ended so. */
struct outcome {
    uint32_t users;
    int code;
    char status[12];
    bool was_relayed; /* delivered to a next hop, not to a mailbox */
    uint16_t reply_len, remote_len;
    uint8_t text[]; /* reply, then who spoke */
};
enum { OUTCOME_REMOTE_LIMIT = 512 };

enum slot_state {
    SLOT_OPEN,
    SLOT_DELIVERED,
    SLOT_FAILED,
    SLOT_DELIVERED_UNTOLD, /* final, and the sender is to be told */
    SLOT_FAILED_UNTOLD,
};

struct slot {
    struct outcome *outcome;   /* of the last attempt; NULL: none yet */
    struct delivery *delivery; /* while open */
    uint32_t at_s;             /* the instant of the last attempt, in seconds; 0: there was none */
    uint16_t attempts;
    uint8_t state, notify;
};

enum delivery_state {
    DELIVERY_UNUSED,
    DELIVERY_NEW,
    DELIVERY_WAITING,
    DELIVERY_READY,
    DELIVERY_ACTIVE
};

struct delivery {
    union {
        struct heap_node due;  /* waiting (and new: the key alone) */
        struct list row;       /* ready */
        struct active *active; /* active */
    } in;
    struct message *message;
    struct lane *lane;
    struct delivery *next;    /* of the same message */
    uint32_t failures_before; /* ready: the lane's failures when it joined */
    uint8_t state;
    bool is_shared; /* ready: in a row of several senders */
};

/* What is kept of a message beside its recipients. */
enum {
    MESSAGE_HELD = 1,
    MESSAGE_DELAY_TOLD = 2, /* the sender knows that it is late */
    MESSAGE_BY_TOLD = 4,    /* that it is later than DELIVERBY asked for */
    MESSAGE_TOLD = MESSAGE_DELAY_TOLD | MESSAGE_BY_TOLD,
    MESSAGE_FLAGS = MESSAGE_HELD | MESSAGE_TOLD,
};

struct message {
    struct list by_arrival;
    uint64_t id;
    int64_t received_ms;
    uint32_t envelope_len, slot_count, active_count;
    uint32_t sender;  /* sender_hash */
    uint32_t unsaved; /* recipients with news since the last save */
    bool is_in_todo, is_deleted, has_reverse_path;
    bool has_times;    /* the envelope has some: by_ms, hold_until_ms */
    bool has_gathered; /* its report waits for no other recipient */
    uint8_t flags;     /* MESSAGE_…; of a held one, deliveries are DELIVERY_NEW or active */
    uint8_t notices;   /* MESSAGE_…_TOLD: what its sender is to be told now */
    struct delivery first;
    struct slot slots[]; /* the printed envelope is behind them */
};

/* A delivery with a connection. */
struct active {
    struct queue_delivery public;
    struct delivery *delivery;
    struct lane *site; /* whose connection it is */
    struct envelope envelope;
    struct arena *arena;
    uint64_t generation; /* of the routes it went by */
    bool is_joint;       /* of several lanes: what is left of it goes back to each */
    bool was_answered;   /* and the destination did not balk */
    size_t indexes[];
};

enum report_phase {
    REPORT_GATHERING, /* other recipients may follow soon; until due */
    REPORT_IN_TURN,   /* behind others that the driver has */
    REPORT_DRIVEN,    /* with the driver */
    REPORT_PUT_OFF,   /* could not be stored; until due */
};

struct report {
    struct heap_node due; /* in queue->postponed */
    struct list turn;     /* in queue->turns */
    enum report_phase phase;
    struct message *message;
    uint8_t notices; /* what of them it tells */
    struct queue_report public;
    struct envelope *envelope; /* with the arena; NULL before it is driven */
    struct arena *arena;
};

/* When a message is late. Most messages need none: they come due in the order of their arrival. */
struct notice {
    struct heap_node due;
    uint64_t id;
    uint8_t kind; /* MESSAGE_…_TOLD */
};

/* What the DNS said of a domain's lane, until fresh_until_ms. */
enum resolution { RESOLUTION_NONE, RESOLUTION_FOUND, RESOLUTION_FAILED };

/* Deliveries stand in the lane that the routes name, and are carried by the connections of its
 * site. That is the lane itself, or, for a domain's lane (by MX), the lane of its hosts, which has
 * no deliveries of its own: so a domain whose MX changes goes over to the new one at no cost. */
struct lane {
    struct endpoint endpoint; /* views into text, hosts_owned and tls_owned */
    struct mx_host *hosts_owned;
    struct tls_rule *tls_owned;
    struct list work;     /* in queue->work: look whether it wants something */
    struct heap_node due; /* in queue->pauses until until_ms, or fresh_until_ms */
    /* Its deliveries. */
    uint64_t number;  /* in the keys of its rows */
    struct list rows; /* of ready ones: struct row, see row.c */
    size_t row_count;
    size_t rows_to_look_at; /* the first so many, for what is past its time */
    size_t deliveries;      /* in any state; with connections: who uses the lane */
    size_t ready;
    struct lane *site; /* NULL: not known */
    /* A domain's lane. */
    struct list member;     /* in site->members */
    struct list linger;     /* in queue->lingering: unused, kept for what the DNS said */
    uint8_t resolution;     /* enum resolution; while asked for, opening is 1 */
    int64_t fresh_until_ms; /* with a resolution: in the heap until then */
    int64_t resolved_ms;    /* the last answer; 0: none yet */
    uint32_t site_failures; /* the site's, when it became the site */
    /* A site. */
    struct list members;
    struct list turns; /* of senders: struct share, see row.c */
    size_t offered;    /* ready deliveries of all whose site it is */
    size_t resolving;  /* members that are asked for again */
    size_t active, connections, opening;
    struct window window;
    struct rate_account spent;
    struct heap_node token; /* in queue->tokens until the rate allows one more */
    /* Suspended: no connection but a probe after until_ms. Else, no more connections than there
     * are before until_ms. */
    bool is_suspended;
    int64_t until_ms;
    unsigned strikes;        /* failures in a row */
    uint32_t failures;       /* since it exists: what rode on them counts them as attempts */
    struct outcome *failure; /* the last */
    int64_t failed_ms;
    int64_t first_expiry_ms;  /* none that is ready expires before */
    struct delivery *routing; /* of the message being routed, when the serial is the current one */
    uint64_t routing_serial;
    uint8_t text[];
};

/* Where a walk of by_arrival came to, so that its next page goes on from there: a hint, for as
 * long as no other walks need the place. */
struct queue_mark {
    uint64_t after;
    struct list *at; /* NULL: unused */
};
enum { MARKS = 4 };

struct outcomes {
    struct table *by_hash;
    uint64_t seed;
};

/* Slots that the queue gave up by itself and that QUEUE_FAILED has not told yet. */
struct failures {
    struct failure {
        const struct message *message;
        size_t slot;
    } * list;
    size_t at, count, cap;
    const struct message *opened; /* whose envelope this is; NULL: none */
    struct envelope envelope;
    struct arena *arena;
};

struct queue {
    const struct queue_settings *settings;
    const struct routes *routes;
    uint64_t generation, routing_serial, random;
    struct list *rerouted; /* those up to this one in by_arrival go by the current routes */
    bool is_rerouting;     /* but for those behind it */
    int64_t now_ms;        /* as last heard */
    struct map *lanes;     /* by the endpoint's name */
    struct table *messages, *reports; /* by id */
    struct table *rows, *shares;
    struct outcomes outcomes;
    uint64_t lanes_made;
    struct list by_arrival;         /* by id */
    struct queue_mark marks[MARKS]; /* the newest first */
    bool is_unsorted;               /* but for what was restored since the last step */
    struct heap waiting, pauses, tokens, postponed; /* deliveries, lanes, lanes, reports */
    struct heap notices;
    struct list *noticed;  /* those up to this one in by_arrival have been looked at for lateness */
    struct list turns;     /* of reports */
    size_t driven;         /* reports */
    struct message **todo; /* to save, report or remove */
    size_t todo_at, todo_count, todo_cap;
    size_t steps_left; /* of this queue_step: it does a bounded amount of work */
    struct failures failures;
    struct list work;
    struct list lingering; /* domains' lanes, the longest unused first */
    size_t lingering_count;
    struct buf state; /* of the last QUEUE_SAVE */
    struct queue_stats stats;
};

/* Before a bit of work in a step. False: the step has done enough, go on in the next. */
MUST_CHECK bool queue_spend(struct queue *queue);

/* --- outcome.c ---------------------------------------------------------------------------------
 */

void outcomes_init(struct outcomes *outcomes, uint64_t seed);
void outcomes_done(struct outcomes *outcomes);
/* remote: who spoke, where the result does not say. Whoever gets one leaves it in the end. */
struct outcome *outcome_new(struct outcomes *outcomes, const struct delivery_result *result,
                            struct bytes remote, bool was_relayed);
/* One more has it. */
struct outcome *outcome_use(const struct outcome *outcome);
void outcome_leave(struct outcomes *outcomes, struct outcome *outcome);
/* What the queue itself decided; the words of the last attempt (NULL: none) stay. */
struct outcome *outcome_decided(struct outcomes *outcomes, const char *status, struct bytes reason,
                                const struct outcome *last);
struct bytes outcome_reply(const struct outcome *outcome);
struct bytes outcome_remote(const struct outcome *outcome);

/* --- message.c ---------------------------------------------------------------------------------
 */

/* seed: of the hash of its sender. */
struct message *message_new(const struct envelope *envelope, uint64_t seed);
/* Its deliveries are nowhere until it is released; what is active finishes first. */
void message_hold(struct queue *queue, struct message *message);
/* Goes on: its deliveries become ready, or wait as FUTURERELEASE asks. */
void message_release(struct queue *queue, struct message *message, int64_t now_ms);
/* Takes it out of everything and frees it. None of its deliveries is active. */
void message_drop(struct queue *queue, struct message *message);
void message_free(struct queue *queue, struct message *message);
/* The envelope; the arena is the caller's to free. */
struct arena *message_open(const struct message *message, struct envelope *out);
/* To be looked at by the next step. */
void message_todo(struct queue *queue, struct message *message);
/* Routes the open slots that have no delivery; next_ms has each slot's instant. */
void message_route(struct queue *queue, struct message *message, const struct envelope *envelope,
                   const int64_t *next_ms, int64_t now_ms);
/* Takes back the deliveries that are not active: their slots have none then. */
void message_unroute(struct queue *queue, struct message *message);
/* Routes anew what is not active, when the routes lead elsewhere now. */
void message_reroute(struct queue *queue, struct message *message, int64_t now_ms);
/* When what is not delivered yet is failed, by age or (DELIVERBY) by the sender's wish. */
int64_t message_expiry(const struct queue *queue, const struct message *message);
/* When it was received, or is to be released (FUTURERELEASE). */
int64_t message_begin(const struct message *message);
/* The instant after which it must not be delivered (RFC 2852); INT64_MAX: none. */
int64_t message_by(const struct message *message);

/* at_ms: of the attempt. */
void slot_set_outcome(struct queue *queue, struct slot *slot, struct outcome *outcome_owned,
                      int64_t at_ms);
void slot_count_attempts(struct slot *slot, uint32_t count);
/* is_told: the sender is to know. */
void slot_deliver(struct queue *queue, struct message *message, struct slot *slot, bool is_told);
void slot_fail(struct queue *queue, struct message *message, struct slot *slot);
/* Fails it by the queue's own decision, after the last attempt if there was one. */
void slot_give_up(struct queue *queue, struct message *message, struct slot *slot,
                  const char *status, struct bytes reason);

/* --- delivery.c --------------------------------------------------------------------------------
 */

struct delivery *delivery_new(struct queue *queue, struct message *message, struct lane *lane);
/* Forgets a delivery that is nowhere: its slots are others' or final. */
void delivery_drop(struct queue *queue, struct delivery *delivery);
void delivery_make_ready(struct queue *queue, struct delivery *delivery);
void delivery_make_waiting(struct queue *queue, struct delivery *delivery, int64_t next_ms);
/* Takes a waiting or ready one out of its place; what it rode on counts as its own attempts. */
void delivery_withdraw(struct queue *queue, struct delivery *delivery);
/* Fails the slots of a delivery that is nowhere, and drops it. */
void delivery_expire(struct queue *queue, struct delivery *delivery, int64_t now_ms);
/* The attempts that failed with the lane since it became ready. */
uint32_t delivery_ridden(const struct delivery *delivery);
/* The pause after so many attempts, jittered. */
int64_t queue_backoff(struct queue *queue, uint32_t attempts);

/* --- row.c -------------------------------------------------------------------------------------
 */

/* What tells senders apart: the reverse-path's domain, and its local part as far as it does not
 * name a recipient. */
uint32_t sender_hash(struct bytes reverse_path, uint64_t seed);
void rows_free(struct queue *queue);
/* Puts the delivery in its lane's row for its sender, at the end; takes it out. */
void rows_add(struct queue *queue, struct delivery *delivery);
void rows_remove(struct queue *queue, struct delivery *delivery);
/* The lane has a site now; it is about to have none. */
void rows_join(struct queue *queue, struct lane *lane);
void rows_leave(struct queue *queue, struct lane *lane);
/* The delivery whose turn it is at the site; the next time it is another sender's. NULL: none. */
struct delivery *rows_next(struct lane *site);
/* One that is ready in the lane; NULL: none. */
struct delivery *rows_any(struct lane *lane);
/* Fails what is past its time in the lane, in the next steps. */
void lane_expire(struct queue *queue, struct lane *lane, int64_t now_ms);
/* A step of that; false: there is nothing to do. May free the lane. */
bool lane_expire_some(struct queue *queue, struct lane *lane, int64_t now_ms);

/* --- lane.c ------------------------------------------------------------------------------------
 */

struct lane *lane_for(struct queue *queue, const struct endpoint *endpoint);
/* Frees the lane, or lets it linger, if nobody uses it. */
void lane_release(struct queue *queue, struct lane *lane);
void lane_free(struct queue *queue, struct lane *lane);
void lane_work(struct queue *queue, struct lane *lane);
bool lane_wants_connection(const struct queue *queue, const struct lane *lane, int64_t now_ms);
/* May one more delivery be under way, and does the rate allow it? */
bool lane_may_take(const struct queue *queue, const struct lane *lane, int64_t now_ms);
/* Has it looked at again when its rate allows one more, if that is not now. */
void lane_await_token(struct queue *queue, struct lane *lane, int64_t now_ms);
size_t lane_limit(const struct queue *queue, const struct lane *lane);
const struct rate *lane_rate(const struct queue *queue, const struct lane *lane);
/* Its time in the heap has come. */
void lane_due(struct queue *queue, struct lane *lane, int64_t now_ms);
/* Tries again at once, the DNS and the site, what of them was not tried since. */
void lane_lift(struct queue *queue, struct lane *lane, int64_t since_ms);
/* The end of a suspension. */
void lane_resume(struct queue *queue, struct lane *lane);
void lane_failed(struct queue *queue, struct lane *lane, const struct delivery_result *failure,
                 int64_t now_ms);
/* The failures that its deliveries ride on, its site's included, and the last. */
uint32_t lane_failures(const struct lane *lane);
const struct outcome *lane_failure(const struct lane *lane);
int64_t lane_failed_ms(const struct lane *lane);
/* Takes note of a failure, at now_ms. */
void lane_set_failure(struct queue *queue, struct lane *lane, struct outcome *outcome_owned,
                      int64_t failed_ms);
/* What people see of it: whose connections its deliveries wait for. */
const struct lane *lane_shown(const struct lane *lane);

/* --- site.c ------------------------------------------------------------------------------------
 */

/* The key of the lane for a domain, by the current routes: its route's name, or (by MX) the
 * domain's, and the rule for TLS where that is not the route's own. In *room, which is the
 * caller's. */
enum { LANE_NAME_LIMIT = 1024 };
struct bytes lane_name(const struct queue *queue, struct bytes domain,
                       uint8_t room[LANE_NAME_LIMIT]);
/* The lane for a domain by the current routes. NULL: there is no way to it. */
struct lane *lane_for_domain(struct queue *queue, struct bytes domain);
bool lane_is_domain(const struct lane *lane);
/* Has it been told where its mail goes, or that it goes nowhere, not too long ago? */
bool lane_is_fresh(const struct lane *lane, int64_t now_ms);
bool lane_wants_resolution(const struct lane *lane, int64_t now_ms);
/* Forgets what the DNS said. */
void lane_forget(struct queue *queue, struct lane *lane);
/* Fails some of what is ready in the lane of a domain that takes no mail; false: it is none, or
 * there is nothing. */
bool lane_fail_some(struct queue *queue, struct lane *lane, int64_t now_ms);
/* Keeps the lane of a domain, unused, for what the DNS said. */
void lane_linger(struct queue *queue, struct lane *lane);
void lane_use(struct queue *queue, struct lane *lane);
/* Frees lanes that linger beyond what is kept; false: there are none. */
bool queue_trim_lanes(struct queue *queue);

/* --- report.c ----------------------------------------------------------------------------------
 */

/* What is to be told of a message now, by the driver; NULL: nothing, or not yet. */
struct report *report_next(struct queue *queue, struct message *message);
/* Its time has come: the message is to be looked at again. */
void report_due(struct queue *queue, struct report *report);
/* Forgets a report that is not with the driver. */
void report_drop(struct queue *queue, struct report *report);
void report_free(struct report *report);

/* --- failure.c ---------------------------------------------------------------------------------
 */

/* QUEUE_FAILED is to tell of the slot, before anything else is done with its message. */
void failure_add(struct queue *queue, const struct message *message, size_t slot);
/* The next one, for the task; false: there is none. */
bool failure_next(struct queue *queue, struct queue_task *task);
void failures_done(struct failures *failures);

/* --- notice.c ----------------------------------------------------------------------------------
 */

/* A message has come that may be late at other times than most. */
void notice_add(struct queue *queue, const struct message *message,
                const struct envelope *envelope);
/* One message that is late now is to be looked at; false: none is. */
bool notice_step(struct queue *queue, int64_t now_ms);
/* When notice_step has something to do next; INT64_MAX: never. */
int64_t notice_deadline(const struct queue *queue);
/* Does the slot's sender want to hear that? */
bool notice_is_wanted(const struct queue *queue, const struct slot *slot, uint8_t notices);

/* --- state.c -----------------------------------------------------------------------------------
 */

/* flags: MESSAGE_…; next_ms has each slot's next attempt. */
void state_print(struct buf *out, uint8_t flags, const struct slot *slots, const int64_t *next_ms,
                 size_t count);
/* Fills the flags, and the slots' states, attempts and outcomes; false, with nothing changed, for
 * what state_print does not write for so many slots. */
MUST_CHECK bool state_scan(struct outcomes *outcomes, struct bytes state, uint8_t *flags,
                           struct slot *slots, int64_t *next_ms, size_t count);
