#include "daemon/keeper_pool.h"

#include <stdlib.h>

#include "base/memory.h"

enum { THREADS_MOST = 8 };

struct member {
    struct keeper_pool *pool;
    struct hand *hand;
    struct keeper_task *task; /* NULL: idle */
};

struct keeper_pool {
    struct keeper_queue *queue;
    struct member members[THREADS_MOST];
    size_t count, busy;
};

struct keeper_pool *keeper_pool_new(struct loop *loop, size_t threads, size_t limit,
                                    size_t source_limit, uint64_t seed)
{
    struct keeper_pool *pool = NEW(struct keeper_pool);
    pool->queue = keeper_queue_new(limit, source_limit, seed);
    pool->count = threads < THREADS_MOST ? threads : THREADS_MOST;
    for (size_t i = 0; i < pool->count; i++)
        pool->members[i] = (struct member){.pool = pool, .hand = hand_new(loop)};
    return pool;
}

void keeper_pool_free(struct keeper_pool *pool)
{
    if (!pool)
        return;
    for (size_t i = 0; i < pool->count; i++)
        hand_free(pool->members[i].hand);
    keeper_queue_free(pool->queue);
    free(pool);
}

static void member_run(void *context)
{
    struct member *member = context;
    member->task->run(member->task->context);
}

static void step(struct keeper_pool *pool);

static void member_done(void *context)
{
    struct member *member = context;
    struct keeper_pool *pool = member->pool;
    struct keeper_task *task = member->task;
    member->task = NULL;
    pool->busy--;
    task->done(task->context);
    step(pool);
}

static void step(struct keeper_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        struct member *member = &pool->members[i];
        struct keeper_item *item = member->task ? NULL : keeper_queue_take(pool->queue);
        if (!item)
            continue;
        member->task = CONTAINER(item, struct keeper_task, item);
        pool->busy++;
        hand_job(member->hand, member_run, member_done, member);
    }
}

bool keeper_pool_add(struct keeper_pool *pool, struct bytes source, struct keeper_task *task)
{
    if (!keeper_queue_add(pool->queue, source, &task->item))
        return false;
    step(pool);
    return true;
}

bool keeper_pool_remove(struct keeper_pool *pool, struct keeper_task *task)
{
    bool is_waiting = task->item.source != NULL;
    keeper_queue_remove(pool->queue, &task->item);
    return is_waiting;
}

bool keeper_pool_is_idle(const struct keeper_pool *pool)
{
    return pool->busy == 0 && keeper_queue_count(pool->queue) == 0;
}
