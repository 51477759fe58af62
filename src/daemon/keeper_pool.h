/* Threads that do one kind of the keeper's work, and the queue in front of them. */
#pragma once

#include "daemon/keeper_queue.h"
#include "net/loop.h"

struct keeper_pool;

/* Inside what is to be done; storage is the caller's. */
struct keeper_task {
    struct keeper_item item;
    job_run *run;   /* on a thread of the pool */
    job_done *done; /* back on the loop */
    void *context;
};

struct keeper_pool_plan {
    size_t threads; /* at most 8 */
    size_t group;   /* tasks that a thread takes at a time, when so many wait; at most 8.
                       Short ones cost less so: loop and thread wake each other seldom */
    size_t limit, source_limit; /* tasks that wait, in all and of one source */
    uint64_t seed;
};
struct keeper_pool *keeper_pool_new(struct loop *loop, const struct keeper_pool_plan *plan);
/* Nothing may wait or be under way. */
void keeper_pool_free(struct keeper_pool *pool);
/* False: too many wait, in all or of this source. */
MUST_CHECK bool keeper_pool_add(struct keeper_pool *pool, struct bytes source,
                                struct keeper_task *task);
/* Takes back a task that still waits. False: it is under way, and done will be called. */
bool keeper_pool_remove(struct keeper_pool *pool, struct keeper_task *task);
bool keeper_pool_is_idle(const struct keeper_pool *pool);
