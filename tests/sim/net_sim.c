#include "net_sim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/memory.h"
#include "base/random.h"

enum { PLACE_TEXT = 80, WIRE_BYTES = 8 << 20, FIRST_DESCRIPTOR = 1 << 20 };
/* Below an instant in an event's key: what orders the events of the same millisecond. */
enum { ORDER_BITS = 20 };
static const int64_t WALL_START_MS = INT64_C(1790000000000); /* in the year 2026 */

struct event {
    struct heap_node node;
    struct loop *loop;
    void (*fire)(void *context);
    void *context;
};

struct world {
    uint64_t random, steps;
    int64_t now_ms;
    struct heap events;
    struct list loops, wires, listeners;
    struct list sockets;  /* struct place_socket: bound or accepted, not yet opened */
    struct loop *between; /* of events that belong to no party */
    int next_descriptor;
    const struct world_hooks *hooks;
    void *context;
};

struct loop {
    struct list link;
    struct world *world;
    struct heap timers;
    struct list jobs, streams, resolvings;
    loop_turn *turn;
    void *turn_context;
    bool is_touched, is_cut;
};

struct mark {
    struct list link;
    uint64_t at;
    void (*reached)(void *context);
    void *context;
};

/* One direction of a wire: what its sender gave and its receiver has not had. */
struct pipe {
    struct wire *wire;
    struct stream *to; /* NULL: nobody reads (any more, or yet) */
    struct buf bytes;
    struct list marks;
    struct event arrival;
    uint64_t given, arrived;
    int64_t cut_after;
    bool is_ended; /* the sender closed: an end follows the bytes */
};

struct wire {
    struct list link;
    struct world *world;
    struct wire_fate fate;
    struct pipe pipes[2]; /* [i] leads to ends[i] */
    struct stream *ends[2];
    bool was_open[2]; /* the end had its stream */
    bool is_dead;     /* nothing passes any more */
    char from[PLACE_TEXT];
};

struct stream {
    struct list link; /* in its loop */
    struct loop *loop;
    struct wire *wire; /* NULL: cut off */
    unsigned side;
    const struct stream_events *events;
    void *context;
    struct event news; /* connected, room again, or broken */
    bool is_connecting, is_paused, is_blocked, is_broken;
    int broken_os;
};

struct listener {
    struct list link;
    struct loop *loop;
    char place[PLACE_TEXT];
    listener_accept *accept;
    void *context;
};

/* A descriptor: of a place to listen at, or the far end of a wire. */
struct place_socket {
    struct list link;
    int fd;
    char place[PLACE_TEXT];
    struct wire *wire;
};

/* stream_peer() is given nothing but a descriptor. */
static struct world *the_world;

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
    the_world = world;
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

static void event_set(struct event *event, int64_t delay_ms)
{
    struct world *world = event->loop->world;
    int64_t order = (int64_t)world_draw(world, 1 << ORDER_BITS);
    heap_put(&world->events, &event->node, ((world->now_ms + delay_ms) << ORDER_BITS) | order);
}

static void event_clear(struct event *event)
{
    heap_remove(&event->loop->world->events, &event->node);
}

static bool event_is_set(const struct event *event)
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

static void sweep(struct world *world);

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
    sweep(world);
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
    bool had_some = false;
    struct job *job;
    while ((job = LIST_FIRST(&loop->jobs, struct job, link))) {
        had_some = true;
        job_advance(job);
    }
    return had_some;
}

/* --- Wires ------------------------------------------------------------------------------------ */

static void marks_free(struct pipe *pipe)
{
    LIST_EACH (&pipe->marks, struct mark, link, mark) {
        list_remove(&mark->link);
        free(mark);
    }
}

static void wire_free(struct wire *wire)
{
    for (size_t i = 0; i < 2; i++) {
        ASSERT(!wire->ends[i]);
        event_clear(&wire->pipes[i].arrival);
        marks_free(&wire->pipes[i]);
        buf_done(&wire->pipes[i].bytes);
    }
    list_remove(&wire->link);
    free(wire);
}

/* Wires that nobody holds, nor will. */
static void sweep(struct world *world)
{
    LIST_EACH (&world->wires, struct wire, link, wire) {
        bool is_held = wire->ends[0] || wire->ends[1] || !wire->was_open[1];
        if (!is_held)
            wire_free(wire);
    }
}

static void tell(struct stream *stream, int64_t delay_ms)
{
    if (!event_is_set(&stream->news))
        event_set(&stream->news, delay_ms);
}

static void stream_break(struct stream *stream, int os)
{
    if (!stream || stream->is_broken)
        return;
    stream->is_broken = true;
    stream->broken_os = os;
    event_clear(&stream->news);
    tell(stream, stream->wire ? stream->wire->fate.latency_ms : 0);
}

/* Nothing passes any more; the ends learn it, or never do. */
static void wire_break(struct wire *wire, int os)
{
    wire->is_dead = true;
    for (size_t i = 0; i < 2; i++) {
        event_clear(&wire->pipes[i].arrival);
        if (!wire->fate.is_silent)
            stream_break(wire->ends[i], os);
    }
}

/* Sees to it that what is in the pipe arrives. */
static void pipe_pump(struct pipe *pipe)
{
    bool has_something = pipe->bytes.len || pipe->is_ended;
    if (!has_something || pipe->wire->is_dead || event_is_set(&pipe->arrival))
        return;
    if (pipe->to && (pipe->to->is_paused || pipe->to->is_connecting))
        return;
    /* The far end may not have been accepted yet. */
    unsigned side = pipe == &pipe->wire->pipes[1];
    if (!pipe->to && !pipe->wire->was_open[side])
        return;
    event_set(&pipe->arrival, pipe->wire->fate.latency_ms);
}

static void pipe_reached(struct pipe *pipe)
{
    LIST_EACH (&pipe->marks, struct mark, link, mark) {
        if (mark->at > pipe->arrived)
            return;
        list_remove(&mark->link);
        mark->reached(mark->context);
        free(mark);
    }
}

static size_t draw_chunk(const struct pipe *pipe)
{
    struct world *world = pipe->wire->world;
    size_t len = pipe->bytes.len;
    if (pipe->wire->fate.is_crumbled)
        return 1 + (size_t)world_draw(world, len < 7 ? len : 7);
    return len < 2 || world_draw(world, 4) ? len : 1 + (size_t)world_draw(world, len);
}

static void on_arrival(void *context)
{
    struct pipe *pipe = context;
    struct wire *wire = pipe->wire;
    struct stream *to = pipe->to;
    unsigned side = pipe == &wire->pipes[1];
    if (!to) { /* bytes to a closed socket: a reset comes back */
        if (wire->ends[!side])
            stream_break(wire->ends[!side], ECONNRESET);
        return;
    }
    to->loop->is_touched = true;
    if (pipe->bytes.len == 0) {
        to->events->ended(to->context, 0);
        return;
    }
    size_t len = draw_chunk(pipe);
    bool is_cut = pipe->cut_after >= 0 && pipe->arrived + len >= (uint64_t)pipe->cut_after;
    if (is_cut)
        len = (size_t)((uint64_t)pipe->cut_after - pipe->arrived);
    uint8_t *chunk = memory_new(len ? len : 1, 1);
    if (len)
        memcpy(chunk, pipe->bytes.at, len);
    buf_drop(&pipe->bytes, len);
    pipe->arrived += len;
    struct stream *from = wire->ends[!side];
    if (is_cut)
        wire_break(wire, ECONNRESET);
    else if (from && from->is_blocked)
        tell(from, wire->fate.latency_ms);
    pipe_pump(pipe);
    pipe_reached(pipe);
    if (len)
        to->events->input(to->context, (struct bytes){chunk, len});
    free(chunk);
}

static void on_news(void *context)
{
    struct stream *stream = context;
    if (stream->is_broken) {
        stream->events->ended(stream->context, stream->broken_os);
        return;
    }
    stream->is_blocked = stream->is_connecting = false;
    if (stream->wire)
        pipe_pump(&stream->wire->pipes[stream->side]);
    stream->events->writable(stream->context);
}

static struct stream *stream_new(struct loop *loop, struct wire *wire, unsigned side,
                                 const struct stream_events *events, void *context)
{
    struct stream *stream = NEW(struct stream);
    stream->loop = loop;
    stream->wire = wire;
    stream->side = side;
    stream->events = events;
    stream->context = context;
    stream->news = (struct event){.loop = loop, .fire = on_news, .context = stream};
    list_append(&loop->streams, &stream->link);
    wire->ends[side] = stream;
    wire->was_open[side] = true;
    wire->pipes[side].to = stream;
    return stream;
}

static struct place_socket *socket_new(struct world *world)
{
    struct place_socket *socket = NEW(struct place_socket);
    socket->fd = world->next_descriptor++;
    list_append(&world->sockets, &socket->link);
    return socket;
}

static struct place_socket *socket_find(struct world *world, int fd)
{
    LIST_EACH (&world->sockets, struct place_socket, link, socket) {
        if (socket->fd == fd)
            return socket;
    }
    return NULL;
}

static void socket_free(struct place_socket *socket)
{
    list_remove(&socket->link);
    free(socket);
}

int world_socket(struct world *world, const char *place)
{
    struct place_socket *socket = socket_new(world);
    snprintf(socket->place, sizeof socket->place, "%s", place);
    return socket->fd;
}

static struct listener *listener_find(const struct world *world, const char *place)
{
    LIST_EACH (&world->listeners, struct listener, link, listener) {
        if (!listener->loop->is_cut && strcmp(listener->place, place) == 0)
            return listener;
    }
    return NULL;
}

static struct wire *wire_new(struct world *world, const char *from, const char *place)
{
    struct wire *wire = NEW(struct wire);
    wire->world = world;
    wire->fate = (struct wire_fate){.cut_after = {FATE_NEVER, FATE_NEVER}, .window = 65536};
    world->hooks->fate(world->context, place, &wire->fate);
    snprintf(wire->from, sizeof wire->from, "%s", from);
    for (size_t i = 0; i < 2; i++) {
        struct pipe *pipe = &wire->pipes[i];
        pipe->wire = wire;
        pipe->cut_after = wire->fate.cut_after[!i];
        buf_init(&pipe->bytes, WIRE_BYTES);
        list_init(&pipe->marks);
        pipe->arrival = (struct event){.loop = world->between, .fire = on_arrival, .context = pipe};
    }
    list_append(&world->wires, &wire->link);
    return wire;
}

/* A connection comes to the listener, if it still is one. */
struct call {
    struct event event;
    struct wire *wire;
    char place[PLACE_TEXT];
};

static void on_call(void *context)
{
    struct call *call = context;
    struct wire *wire = call->wire;
    struct listener *listener = listener_find(wire->world, call->place);
    if (listener && wire->ends[0] && !wire->is_dead) {
        struct place_socket *socket = socket_new(wire->world);
        socket->wire = wire;
        listener->loop->is_touched = true;
        listener->accept(listener->context, socket->fd);
    } else {
        wire->was_open[1] = true;
        wire_break(wire, ECONNREFUSED);
    }
    free(call);
}

struct stream *world_connect(struct loop *loop, const char *from, const char *place,
                             const struct stream_events *events, void *context)
{
    struct world *world = loop->world;
    struct wire *wire = wire_new(world, from, place);
    struct stream *stream = stream_new(loop, wire, 0, events, context);
    stream->is_connecting = true;
    struct listener *listener = listener_find(world, place);
    if (!listener || wire->fate.is_refused || wire->fate.is_silent) {
        wire->was_open[1] = true;
        wire->is_dead = true;
        if (!wire->fate.is_silent)
            stream_break(stream, ECONNREFUSED);
        return stream;
    }
    struct call *call = NEW(struct call);
    call->event = (struct event){.loop = world->between, .fire = on_call, .context = call};
    call->wire = wire;
    snprintf(call->place, sizeof call->place, "%s", place);
    event_set(&call->event, wire->fate.latency_ms);
    tell(stream, 2 * wire->fate.latency_ms);
    return stream;
}

bool world_is_alone(const struct stream *stream)
{
    return !stream->wire || !stream->wire->ends[!stream->side];
}

void world_mark(struct stream *stream, void (*reached)(void *context), void *context)
{
    if (!stream->wire)
        return;
    struct pipe *pipe = &stream->wire->pipes[!stream->side];
    struct mark *mark = NEW(struct mark);
    mark->at = pipe->given;
    mark->reached = reached;
    mark->context = context;
    list_append(&pipe->marks, &mark->link);
}

/* --- net/stream.h ----------------------------------------------------------------------------- */

struct stream *stream_open(struct loop *loop, int fd_owned, const struct stream_events *events,
                           void *context, struct error *err)
{
    struct place_socket *socket = socket_find(loop->world, fd_owned);
    ASSERT(socket && socket->wire);
    struct wire *wire = socket->wire;
    socket_free(socket);
    struct stream *stream = stream_new(loop, wire, 1, events, context);
    if (wire->is_dead)
        stream_break(stream, ECONNRESET);
    return stream;
}

struct stream *stream_connect(struct loop *loop, const struct lookup_address *to,
                              const struct stream_events *events, void *context, struct error *err)
{
    struct sockaddr_storage any = {0};
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    char text[INET6_ADDRSTRLEN], place[PLACE_TEXT];
    memcpy(&any, to->storage, sizeof to->storage);
    memcpy(&in, &any, sizeof in);
    memcpy(&in6, &any, sizeof in6);
    bool is_in6 = any.ss_family == AF_INET6;
    const void *address = is_in6 ? (const void *)&in6.sin6_addr : &in.sin_addr;
    (void)inet_ntop(any.ss_family, address, text, sizeof text);
    snprintf(place, sizeof place, is_in6 ? "[%s]:%u" : "%s:%u", text,
             ntohs(is_in6 ? in6.sin6_port : in.sin_port));
    return world_connect(loop, NODE_ADDRESS, place, events, context);
}

struct stream *stream_connect_unix(struct loop *loop, struct bytes path,
                                   const struct stream_events *events, void *context,
                                   struct error *err)
{
    char place[PLACE_TEXT];
    snprintf(place, sizeof place, "unix:%.*s", BYTES_ARGS(path));
    return world_connect(loop, "unix", place, events, context);
}

size_t stream_send(struct stream *stream, struct bytes bytes)
{
    if (stream->is_broken || !stream->wire)
        return bytes.len;
    if (bytes.len == 0 || stream->is_connecting || stream->is_blocked)
        return 0;
    struct pipe *pipe = &stream->wire->pipes[!stream->side];
    size_t window = stream->wire->fate.window;
    size_t room = pipe->bytes.len < window ? window - pipe->bytes.len : 0;
    size_t taken = bytes.len < room ? bytes.len : room;
    buf_add(&pipe->bytes, bytes_sub(bytes, 0, taken));
    ASSERT(!pipe->bytes.overflowed);
    pipe->given += taken;
    stream->is_blocked = taken < bytes.len;
    pipe_pump(pipe);
    return taken;
}

void stream_pause(struct stream *stream)
{
    stream->is_paused = true;
    if (stream->wire)
        event_clear(&stream->wire->pipes[stream->side].arrival);
}

void stream_resume(struct stream *stream)
{
    stream->is_paused = false;
    if (stream->wire)
        pipe_pump(&stream->wire->pipes[stream->side]);
}

/* As a kernel does when bytes lie unread, it may answer the other side with a reset, which then
 * loses what is on its way to it. */
static void detach(struct stream *stream, bool is_rude)
{
    struct wire *wire = stream->wire;
    event_clear(&stream->news);
    if (!wire)
        return;
    struct pipe *in = &wire->pipes[stream->side], *out = &wire->pipes[!stream->side];
    stream->wire = NULL;
    wire->ends[stream->side] = NULL;
    in->to = NULL;
    if (wire->is_dead)
        return;
    event_clear(&in->arrival);
    bool is_reset = is_rude || (in->bytes.len && world_draw(wire->world, 2));
    if (is_reset) {
        event_clear(&out->arrival);
        buf_clear(&out->bytes);
        wire_break(wire, ECONNRESET);
        return;
    }
    out->is_ended = true;
    pipe_pump(out);
    pipe_pump(in);
}

void stream_close(struct stream *stream_owned)
{
    detach(stream_owned, false);
    list_remove(&stream_owned->link);
    free(stream_owned);
}

void stream_peer(int fd, char text[PEER_TEXT])
{
    const struct place_socket *socket = socket_find(the_world, fd);
    snprintf(text, PEER_TEXT, "%.*s", PEER_TEXT - 1,
             socket && socket->wire ? socket->wire->from : "unknown");
}

struct listener *listener_open(struct loop *loop, int fd_owned, listener_accept *accept,
                               void *context, struct error *err)
{
    struct place_socket *socket = socket_find(loop->world, fd_owned);
    ASSERT(socket && !socket->wire);
    struct listener *listener = NEW(struct listener);
    listener->loop = loop;
    listener->accept = accept;
    listener->context = context;
    memcpy(listener->place, socket->place, sizeof listener->place);
    socket_free(socket);
    list_append(&loop->world->listeners, &listener->link);
    return listener;
}

void listener_close(struct listener *listener_owned)
{
    list_remove(&listener_owned->link);
    free(listener_owned);
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
    LIST_EACH (&loop->streams, struct stream, link, stream)
        detach(stream, is_power && world_draw(loop->world, 2));
    LIST_EACH (&loop->jobs, struct job, link, job)
        event_clear(&job->event);
}

void world_free(struct world *world)
{
    LIST_EACH (&world->sockets, struct place_socket, link, socket) {
        if (socket->wire)
            socket->wire->was_open[1] = true;
        socket_free(socket);
    }
    for (struct heap_node *node; (node = heap_first(&world->events));) {
        struct event *event = CONTAINER(node, struct event, node);
        heap_remove(&world->events, node);
        if (event->fire == on_call)
            free(event->context);
    }
    LIST_EACH (&world->wires, struct wire, link, wire)
        wire_free(wire);
    loop_free(world->between);
    ASSERT(list_is_empty(&world->loops));
    heap_done(&world->events);
    the_world = NULL;
    free(world);
}

/* --- What net/loop.h has besides, and nobody here uses ---------------------------------------- */

struct watch *watch_open(struct loop *loop, int fd_owned, watch_ready *ready, void *context,
                         struct error *err)
{
    /* Sockets here have no descriptors. */
    ASSERT(!the_world);
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
