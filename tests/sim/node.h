/* The node under test: the daemon's worker on a failing disk, in lives that end in order, by
 * SIGKILL or by a power loss. */
#pragma once

#include "daemon/worker.h"
#include "disk/disk_sim.h"
#include "ledger.h"

struct node {
    struct world *world;
    struct ledger *ledger;
    struct disk *disk;
    const char *config; /* its text */
    uint64_t seed;
    size_t segment_bytes;
    /* Of the life at hand. */
    struct loop *loop; /* NULL: it is down */
    struct worker worker;
    uint64_t clean_step; /* when all that it knew was on the disk, last */
    size_t found;        /* messages in the spool at its start */
    bool is_done;        /* stopped in order */
    bool is_dying;       /* what it says now is no news */
};

/* Where it listens. */
#define NODE_MX NODE_ADDRESS ":25"
#define NODE_SUBMISSION NODE_ADDRESS ":587"

/* Begins a life; false and err when the spool cannot be opened. */
MUST_CHECK bool node_start(struct node *node, struct error *err);
/* Ends it in the middle of whatever it does, and leaves the disk as that does. */
void node_crash(struct node *node, enum disk_sim_crash how);
/* Begins to end it in order; when is_done, node_end(). */
void node_stop(struct node *node);
void node_end(struct node *node);
/* Has it no mail and nothing under way? */
bool node_is_empty(const struct node *node);
