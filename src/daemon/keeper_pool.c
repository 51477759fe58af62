#include "daemon/keeper_pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { THREADS_MOST = 8, GROUP_MOST = 8 };

struct member {
    struct keeper_pool *pool;
    struct hand *hand;
    struct keeper_task *tasks[GROUP_MOST];
    size_t count; /* 0: idle */
};

struct keeper_pool {
    struct keeper_queue *queue;
    struct member members[THREADS_MOST];
    size_t count, busy, group;
};

struct keeper_pool *keeper_pool_new(struct loop *loop, const struct keeper_pool_plan *plan)
{
    struct keeper_pool *pool = NEW(struct keeper_pool);
    ASSERT(plan->threads <= THREADS_MOST && plan->group >= 1 && plan->group <= GROUP_MOST);
    pool->queue = keeper_queue_new(plan->limit, plan->source_limit, plan->seed);
    pool->count = plan->threads;
    pool->group = plan->group;
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
    for (size_t i = 0; i < member->count; i++)
        member->tasks[i]->run(member->tasks[i]->context);
}

static void step(struct keeper_pool *pool);

static void member_done(void *context)
{
    struct member *member = context;
    struct keeper_pool *pool = member->pool;
    struct keeper_task *tasks[GROUP_MOST];
    size_t count = member->count;
    memcpy(tasks, member->tasks, count * sizeof(struct keeper_task *));
    member->count = 0;
    pool->busy--;
    /* The thread goes on while the loop answers. */
    step(pool);
    for (size_t i = 0; i < count; i++)
        tasks[i]->done(tasks[i]->context);
}

/* As many tasks as leave the other idle threads as many. */
static void begin_group(struct member *member)
{
    struct keeper_pool *pool = member->pool;
    size_t idle = pool->count - pool->busy;
    size_t share = (keeper_queue_count(pool->queue) + idle - 1) / idle;
    if (share > pool->group)
        share = pool->group;
    while (member->count < share)
        member->tasks[member->count++] =
            CONTAINER(keeper_queue_take(pool->queue), struct keeper_task, item);
    if (member->count == 0)
        return;
    pool->busy++;
    hand_job(member->hand, member_run, member_done, member);
}

static void step(struct keeper_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        if (pool->members[i].count == 0)
            begin_group(&pool->members[i]);
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
