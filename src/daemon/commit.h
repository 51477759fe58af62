/* Group commit: joins the spool with the loop. Everything appended in a turn, and while the sync
 * before it was in flight, goes out in one batch on a thread of its own; then each append's owner
 * is told. */
#pragma once

#include "daemon/token.h"
#include "net/loop.h"
#include "spool/spool.h"

/* The owner of an append begins with this. stored() is called once, on the loop. */
struct commit_owner {
    void (*stored)(struct commit_owner *owner, const struct spool_result *result);
};

struct commit;

/* Keeps the pointers; token may be NULL (nobody else syncs this disk). */
struct commit *commit_new(struct loop *loop, struct spool *spool, struct token *token);
/* No batch may be in flight. */
void commit_free(struct commit *commit);
/* Each turn, before the loop sleeps: begins a batch when there is something to write and none is
 * in flight. */
void commit_turn(struct commit *commit);
/* Nothing collected and nothing in flight? */
bool commit_is_idle(const struct commit *commit);
