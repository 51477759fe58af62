/* The worker: accepts SMTP, owns one shard of the spool, its queue and its outgoing connections.
 * What its parts tell the queue and the spool takes effect at the end of the loop's turn (see
 * worker_turn), so that none of them calls another in the middle of its work. This header is shared
 * by the worker's parts (intake, outbound, report) and its process (worker_process.c). */
#pragma once

#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "daemon/commit.h"
#include "daemon/config.h"
#include "daemon/keeper_client.h"
#include "daemon/server_tls.h"
#include "daemon/session.h"
#include "net/resolver.h"
#include "queue/hosts.h"

/* A configuration and how many sessions, connections and so on still use it: a reload brings a
 * new one, the old goes with its last user. */
struct generation {
    struct config *config;
    struct mx_self self;     /* by this configuration */
    struct tls_context *tls; /* of incoming sessions; NULL: no certificates */
    struct psl_ctx_st *psl;  /* the newest Public Suffix List that is there; NULL: none */
    struct outbound_contexts *outbound_contexts;
    size_t users;
};
struct generation *generation_use(struct generation *generation);
void generation_leave(struct generation *generation);

struct worker {
    struct generation *generation; /* the current one */
    struct loop *loop;
    struct spool *spool;
    struct queue *queue;
    struct commit *commit;
    struct keeper_client *keeper;
    struct keeper_signer signer; /* of TLS */
    const struct directory *directory;
    struct session_host host;
    struct id_source ids;
    struct list inbounds;   /* struct inbound, sessions */
    struct list outbounds;  /* struct outbound */
    struct list resolves;   /* struct resolve */
    struct list verifies;   /* struct verify */
    struct key_cache *keys; /* of those that sign what comes in; the line's alone */
    struct line *line;      /* where signatures are checked */
    struct resolver *resolver;
    struct hosts *hosts; /* which of them are down */
    uint64_t random;     /* for the choice among equal hosts */
    size_t inbound_count, report_count;
    struct map *inbounds_by_peer; /* address text: how many sessions, as a number */
    struct timer queue_timer, drain_timer, disk_timer;
    struct list gates; /* struct gate, listening sockets */
    bool is_draining;
};

/* What a worker stands on: borrowed for its life, but for the configuration, which it takes
 * over. */
struct worker_ground {
    struct config *config;
    struct loop *loop;
    struct disk *disk;
    struct token *token;               /* NULL: nobody else syncs this disk */
    struct keeper_client *keeper;      /* NULL: there is none, and nobody can log in */
    const struct directory *directory; /* who has a mailbox; NULL: there is none */
    unsigned shard;
};

/* Opens the shard and takes up what is in it; listening begins with gate_open(). False and err:
 * it could not be opened, and nothing is left of it. */
MUST_CHECK bool worker_open(struct worker *worker, const struct worker_ground *ground,
                            struct error *err);
/* Nothing may be under way: after worker_is_done(), or before the loop has run. */
void worker_close(struct worker *worker);
/* To be called each turn, before the loop sleeps: what the turn brought takes effect. */
void worker_turn(struct worker *worker);
/* Goes on with a new configuration. */
void worker_reload(struct worker *worker, struct config *config_owned);
/* Ends politely: sessions and deliveries under way are waited for, within limits.drain. */
void worker_stop(struct worker *worker);
/* Breaks off all sessions and connections. */
void worker_kill(struct worker *worker);
/* It was stopped, and nothing is under way any more. */
bool worker_is_done(const struct worker *worker);

/* A new message id. */
uint64_t worker_id(struct worker *worker);
