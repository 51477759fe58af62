#include "net_sim_state.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

enum { FIRST_DESCRIPTOR = 1 << 20 };
/* Below an instant in an event's key: what orders the events of the same millisecond. */
enum { ORDER_BITS = 20 };
static const int64_t WALL_START_MS = INT64_C(1790000000000); /* in the year 2026 */

/* --- The world -------------------------------------------------------------------------------- */

struct world *world_new(uint64_t seed, const struct world_hooks *hooks, void *context)
{
    struct world *world = NEW(struct world);
    world->random = seed;
    world->hooks = hooks;
    world->context = context;
    world->next_descriptor = FIRST_DESCRIPTOR;
    heap_init(&world->events);
    list_init(&world->loops);
    list_init(&world->wires);
    list_init(&world->listeners);
    list_init(&world->sockets);
    world->between = world_loop(world);
    return world;
}

uint64_t world_draw(struct world *world, uint64_t below)
{
    return random_next(&world->random) % below;
}

bool world_chance(struct world *world, unsigned permille)
{
    return world_draw(world, 1000) < permille;
}

int64_t world_now_ms(const struct world *world)
{
    return world->now_ms;
}

uint64_t world_steps(const struct world *world)
{
    return world->steps;
}

void event_set(struct event *event, int64_t delay_ms)
{
    struct world *world = event->loop->world;
    int64_t order = (int64_t)world_draw(world, 1 << ORDER_BITS);
    heap_put(&world->events, &event->node, ((world->now_ms + delay_ms) << ORDER_BITS) | order);
}

void event_clear(struct event *event)
{
    heap_remove(&event->loop->world->events, &event->node);
}

bool event_is_set(const struct event *event)
{
    return event->node.place != 0;
}

/* The loop whose first timer is due first, of those that live. */
static struct loop *first_alarm(const struct world *world, int64_t *out_ms)
{
    struct loop *first = NULL;
    *out_ms = INT64_MAX;
    LIST_EACH (&world->loops, struct loop, link, loop) {
        const struct heap_node *node = heap_first(&loop->timers);
        if (node && !loop->is_cut && node->key < *out_ms) {
            *out_ms = node->key;
            first = loop;
        }
    }
    return first;
}

int64_t world_next_ms(const struct world *world)
{
    int64_t alarm_ms;
    (void)first_alarm(world, &alarm_ms);
    const struct heap_node *node = heap_first(&world->events);
    int64_t event_ms = node ? node->key >> ORDER_BITS : INT64_MAX;
    return event_ms < alarm_ms ? event_ms : alarm_ms;
}

static void fire_timer(struct loop *loop)
{
    struct heap_node *node = heap_first(&loop->timers);
    struct timer *timer = CONTAINER(node, struct timer, node);
    heap_remove(&loop->timers, node);
    loop->is_touched = true;
    timer->due_ms = INT64_MAX;
    timer->fire(timer->context);
}

static void take_turns(struct world *world)
{
    LIST_EACH (&world->loops, struct loop, link, loop) {
        if (!loop->is_touched)
            continue;
        loop->is_touched = false;
        if (loop->turn)
            loop->turn(loop->turn_context);
    }
}

bool world_step(struct world *world)
{
    int64_t alarm_ms, next_ms = world_next_ms(world);
    if (next_ms > world->now_ms)
        take_turns(world);
    next_ms = world_next_ms(world);
    if (next_ms == INT64_MAX)
        return false;
    world->steps++;
    if (next_ms > world->now_ms)
        world->now_ms = next_ms;
    struct loop *loop = first_alarm(world, &alarm_ms);
    struct heap_node *node = heap_first(&world->events);
    bool is_alarm = alarm_ms <= world->now_ms &&
                    (!node || node->key >> ORDER_BITS > world->now_ms || world_draw(world, 2));
    if (is_alarm) {
        fire_timer(loop);
    } else {
        struct event *event = CONTAINER(node, struct event, node);
        heap_remove(&world->events, node);
        event->loop->is_touched = true;
        event->fire(event->context);
    }
    if (world_draw(world, 2))
        take_turns(world);
    wires_sweep(world);
    return true;
}

/* --- Loops ------------------------------------------------------------------------------------ */

struct loop *world_loop(struct world *world)
{
    struct loop *loop = NEW(struct loop);
    loop->world = world;
    heap_init(&loop->timers);
    list_init(&loop->jobs);
    list_init(&loop->streams);
    list_init(&loop->resolvings);
    list_append(&world->loops, &loop->link);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    ASSERT(list_is_empty(&loop->jobs) && list_is_empty(&loop->streams));
    ASSERT(list_is_empty(&loop->resolvings));
    ASSERT(!heap_first(&loop->timers));
    list_remove(&loop->link);
    heap_done(&loop->timers);
    free(loop);
}

int64_t loop_now_ms(const struct loop *loop)
{
    return loop->world->now_ms;
}

int64_t loop_wall_ms(const struct loop *loop)
{
    return WALL_START_MS + loop->world->now_ms;
}

void loop_on_turn(struct loop *loop, loop_turn *turn, void *context)
{
    loop->turn = turn;
    loop->turn_context = context;
    loop->is_touched = true;
}

void timer_init(struct timer *timer, struct loop *loop, timer_fire *fire, void *context)
{
    *timer = (struct timer){.loop = loop, .due_ms = INT64_MAX, .fire = fire, .context = context};
}

void timer_set(struct timer *timer, int64_t due_ms)
{
    timer->due_ms = due_ms;
    if (due_ms == INT64_MAX)
        heap_remove(&timer->loop->timers, &timer->node);
    else
        heap_put(&timer->loop->timers, &timer->node, due_ms);
}

void timer_clear(struct timer *timer)
{
    heap_remove(&timer->loop->timers, &timer->node);
    timer->due_ms = INT64_MAX;
}

/* --- Jobs ------------------------------------------------------------------------------------- */

struct job {
    struct list link;
    struct event event;
    struct hand *hand;
    job_run *run;
    job_done *done;
    void *context;
    bool has_run;
};

struct hand {
    struct loop *loop;
    bool is_busy;
};

static void job_advance(void *context)
{
    struct job *job = context;
    if (!job->has_run) {
        job->has_run = true;
        job->run(job->context);
        event_set(&job->event, (int64_t)world_draw(job->event.loop->world, 3));
        return;
    }
    struct job ended = *job;
    event_clear(&job->event);
    list_remove(&job->link);
    free(job);
    if (ended.hand)
        ended.hand->is_busy = false;
    ended.done(ended.context);
}

static void job_begin(struct loop *loop, struct hand *hand, struct job how)
{
    struct job *job = NEW(struct job);
    *job = how;
    job->hand = hand;
    job->event = (struct event){.loop = loop, .fire = job_advance, .context = job};
    list_append(&loop->jobs, &job->link);
    /* Most disks are quick, at times. */
    uint64_t most_ms = world_draw(loop->world, 20) ? 5 : 2000;
    event_set(&job->event, (int64_t)world_draw(loop->world, most_ms));
}

void loop_job(struct loop *loop, job_run *run, job_done *done, void *context)
{
    job_begin(loop, NULL, (struct job){.run = run, .done = done, .context = context});
}

struct hand *hand_new(struct loop *loop)
{
    struct hand *hand = NEW(struct hand);
    hand->loop = loop;
    return hand;
}

void hand_free(struct hand *hand)
{
    ASSERT(!hand || !hand->is_busy);
    free(hand);
}

void hand_job(struct hand *hand, job_run *run, job_done *done, void *context)
{
    ASSERT(!hand->is_busy);
    hand->is_busy = true;
    job_begin(hand->loop, hand, (struct job){.run = run, .done = done, .context = context});
}

bool world_end_jobs(struct loop *loop)
{
    bool had_some = !list_is_empty(&loop->jobs);
    LIST_EACH (&loop->jobs, struct job, link, job)
        job_advance(job);
    return had_some;
}

/* --- net/resolver.h --------------------------------------------------------------------------- */

struct resolver {
    struct loop *loop;
};

struct resolving {
    struct list link; /* in its loop */
    struct event event;
    struct facts *facts;
    resolver_done *done;
    void *context;
};

struct resolver *resolver_new(struct loop *loop, const struct resolver_settings *settings,
                              struct error *err)
{
    struct resolver *resolver = NEW(struct resolver);
    resolver->loop = loop;
    return resolver;
}

static void on_resolved(void *context)
{
    struct resolving *resolving = context;
    struct world *world = resolving->event.loop->world;
    struct resolving ended = *resolving;
    struct question question;
    for (size_t place = 0; facts_next_open(ended.facts, &place, &question);) {
        struct answer_record records[WORLD_RECORD_LIMIT] = {0};
        struct answer answer = {.records = records};
        world->hooks->dns(world->context, &question, records, &answer);
        facts_answer(ended.facts, question.type, question.name, &answer);
    }
    resolver_cancel(resolving);
    ended.done(ended.context);
}

bool resolver_answer(struct resolver *resolver, struct facts *facts)
{
    return false;
}

struct resolving *resolver_resolve(struct resolver *resolver, struct facts *facts,
                                   resolver_done *done, void *context)
{
    struct resolving *resolving = NEW(struct resolving);
    resolving->event =
        (struct event){.loop = resolver->loop, .fire = on_resolved, .context = resolving};
    resolving->facts = facts;
    resolving->done = done;
    resolving->context = context;
    list_append(&resolver->loop->resolvings, &resolving->link);
    event_set(&resolving->event, (int64_t)world_draw(resolver->loop->world, 300));
    return resolving;
}

void resolver_cancel(struct resolving *resolving_owned)
{
    if (!resolving_owned)
        return;
    event_clear(&resolving_owned->event);
    list_remove(&resolving_owned->link);
    free(resolving_owned);
}

void resolver_free(struct resolver *resolver)
{
    free(resolver);
}

void resolver_retire(struct resolver *resolver_owned)
{
    free(resolver_owned);
}

bool resolver_is_like(const struct resolver *resolver, const struct resolver_settings *settings)
{
    return true;
}

struct bytes resolver_servers(const struct resolver *resolver)
{
    return BYTES("the simulation");
}

const char *resolver_anchor(const struct resolver *resolver)
{
    return NULL;
}

/* --- The end of a party, and of the world ----------------------------------------------------- */

void world_cut(struct loop *loop, bool is_power)
{
    loop->is_cut = true;
    wires_cut(loop, is_power);
    LIST_EACH (&loop->jobs, struct job, link, job)
        event_clear(&job->event);
}

void world_free(struct world *world)
{
    wires_free(world);
    loop_free(world->between);
    ASSERT(list_is_empty(&world->loops));
    heap_done(&world->events);
    free(world);
}

/* --- What net/loop.h has besides, and nobody here uses ---------------------------------------- */

struct watch *watch_open(struct loop *loop, int fd_owned, watch_ready *ready, void *context,
                         struct error *err)
{
    /* Sockets here have no descriptors. */
    ASSERT(!loop);
    return NULL;
}

int watch_fd(const struct watch *watch)
{
    ASSERT(!watch);
    return -1;
}

void watch_want(struct watch *watch, unsigned events)
{
    ASSERT(!watch);
}

void watch_close(struct watch *watch_owned)
{
    ASSERT(!watch_owned);
}
