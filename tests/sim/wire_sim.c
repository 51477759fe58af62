#include "net_sim_state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"

/* A wire that is crumbled is so for its first bytes: long texts would take for ever. */
enum { WIRE_BYTES = 8 << 20, CRUMBLED_BYTES = 20000 };

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

/* stream_peer() is given nothing but a descriptor; there is one world at a time. */
static struct world *the_world;

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

void wires_sweep(struct world *world)
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
    if (pipe->wire->fate.is_crumbled && pipe->arrived < CRUMBLED_BYTES)
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
    the_world = world;
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

/* All is clear text here. */
void stream_start_tls(struct stream *stream, struct tls *tls_owned)
{
    ASSERT(!tls_owned);
}

bool stream_tls_facts(const struct stream *stream, struct tls_facts *out)
{
    return false;
}

const char *stream_failure(const struct stream *stream)
{
    return "";
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

/* --- The end ---------------------------------------------------------------------------------- */

void wires_cut(struct loop *loop, bool is_rude)
{
    LIST_EACH (&loop->streams, struct stream, link, stream)
        detach(stream, is_rude && world_draw(loop->world, 2));
}

void wires_free(struct world *world)
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
}
