/* The worker: accepts SMTP, owns one shard of the spool, its queue and its outgoing connections.
 * What its parts tell the queue and the spool takes effect at the end of the loop's turn (see
 * worker_turn), so that none of them calls another in the middle of its work. This header is shared
 * by the worker's parts (intake, outbound, report) and nobody else. */
#pragma once

#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "daemon/child.h"
#include "daemon/commit.h"
#include "daemon/session.h"

/* A configuration and how many sessions, connections and so on still use it: a reload brings a
 * new one, the old goes with its last user. */
struct generation {
    struct config *config;
    size_t users;
};
struct generation *generation_use(struct generation *generation);
void generation_leave(struct generation *generation);

struct worker {
    struct child *child;
    struct generation *generation; /* the current one */
    struct loop *loop;
    struct disk *disk;
    struct spool *spool;
    struct queue *queue;
    struct commit *commit;
    struct session_host host;
    struct id_source ids;
    struct list inbounds;  /* struct inbound, sessions */
    struct list outbounds; /* struct outbound */
    size_t inbound_count, report_count;
    struct map *inbounds_by_peer; /* address text: how many sessions, as a number */
    struct timer queue_timer, drain_timer, disk_timer;
    struct list gates; /* struct gate, listening sockets */
    struct token *token;
    struct orders *orders;   /* from the supervisor */
    struct counter *counter; /* to the control process; NULL: none at the moment */
    bool is_draining;
};

/* A new message id. */
uint64_t worker_id(struct worker *worker);
