#include "net/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/tls_link.h"

/* One for all streams of a thread: a stream hands its bytes on before the next one reads. */
enum { READ_BUFFER = 65536, ACCEPTS_A_TURN = 64, STARVED_REST_MS = 1000 };

struct stream {
    struct watch *watch;
    const struct stream_events *events;
    void *context;
    struct tls *tls; /* NULL: clear text */
    int broken_os;   /* errno that a send met; told by `ended` */
    bool is_connecting, is_paused, is_blocked, is_broken;
    bool is_securing; /* within the handshake */
    bool has_more;    /* to read, which the descriptor does not show */
    /* Inside TLS reading may need to write, and the other way round. */
    unsigned read_wants, write_wants; /* WATCH_… that goes on with it */
};

static void want(struct stream *stream)
{
    bool is_reading = !stream->is_paused && !stream->is_connecting;
    bool is_writing = stream->is_blocked || stream->is_connecting;
    unsigned wanted = stream->is_broken ? WATCH_WRITE : 0U;
    if (stream->is_securing)
        wanted |= stream->read_wants;
    else
        wanted |= (is_reading ? stream->read_wants : 0U) | (is_writing ? stream->write_wants : 0U);
    /* It can be written all the time, but for now and then. */
    if (stream->has_more && is_reading && !stream->is_securing)
        wanted |= WATCH_WRITE;
    watch_want(stream->watch, wanted);
}

/* --- Inside TLS ----------------------------------------------------------------------------- */

static void go_on_securing(struct stream *stream)
{
    int os = 0;
    enum tls_status status = tls_handshake(stream->tls, &os);
    stream->read_wants = status == TLS_WANT_WRITE  ? WATCH_WRITE
                         : status == TLS_WANT_WAKE ? 0U
                                                   : WATCH_READ;
    stream->is_securing = status != TLS_FINE;
    stream->has_more = status == TLS_FINE && tls_has_more(stream->tls);
    want(stream);
    if (status == TLS_FINE)
        stream->events->secured(stream->context);
    else if (status == TLS_BROKEN)
        stream->events->ended(stream->context, os);
}

static void on_wake(void *context)
{
    go_on_securing(context);
}

/* As many records as are there and fit: a large one is seldom alone. */
static void read_tls(struct stream *stream)
{
    uint8_t buffer[READ_BUFFER];
    size_t len = 0, got = 0;
    int os = 0;
    enum tls_status status;
    do {
        status = tls_read(stream->tls, buffer + len, sizeof buffer - len, &got, &os);
        len += status == TLS_FINE ? got : 0;
        stream->has_more = status == TLS_FINE && tls_has_more(stream->tls);
    } while (status == TLS_FINE && (got > TLS_RECORD / 2 || stream->has_more) &&
             sizeof buffer - len >= TLS_RECORD);
    stream->read_wants = status == TLS_WANT_WRITE ? WATCH_WRITE : WATCH_READ;
    /* An end behind these bytes shows itself again when it is asked for. */
    bool is_over = status == TLS_ENDED || status == TLS_BROKEN;
    stream->has_more |= is_over;
    want(stream);
    if (len)
        stream->events->input(stream->context, (struct bytes){buffer, len});
    else if (is_over)
        stream->events->ended(stream->context, os);
}

static void stream_break(struct stream *stream, int os)
{
    stream->is_broken = true;
    stream->broken_os = os;
    want(stream);
}

static size_t send_tls(struct stream *stream, struct bytes bytes)
{
    size_t total = 0, sent = 0;
    int os = 0;
    while (total < bytes.len) {
        enum tls_status status = tls_write(stream->tls, bytes_from(bytes, total), &sent, &os);
        if (status == TLS_ENDED || status == TLS_BROKEN) {
            stream_break(stream, os);
            return bytes.len;
        }
        if (status != TLS_FINE) {
            stream->is_blocked = true;
            stream->write_wants = status == TLS_WANT_READ ? WATCH_READ : WATCH_WRITE;
            want(stream);
            break;
        }
        total += sent;
    }
    return total;
}

void stream_start_tls(struct stream *stream, struct tls *tls_owned)
{
    ASSERT(!stream->tls && !stream->is_connecting && !stream->is_blocked);
    stream->tls = tls_owned;
    tls_bind(tls_owned, watch_fd(stream->watch), on_wake, stream);
    /* The first step is made when the descriptor can be written, which is at once: no event comes
     * from within this call. */
    stream->is_securing = true;
    stream->read_wants = WATCH_WRITE;
    want(stream);
}

bool stream_tls_facts(const struct stream *stream, struct tls_facts *out)
{
    return stream->tls && tls_facts_of(stream->tls, out);
}

const char *stream_failure(const struct stream *stream)
{
    return stream->tls ? tls_failure(stream->tls) : "";
}

/* --- Both ----------------------------------------------------------------------------------- */

static void on_read(struct stream *stream)
{
    if (stream->tls) {
        read_tls(stream);
        return;
    }
    uint8_t buffer[READ_BUFFER];
    ssize_t got = recv(watch_fd(stream->watch), buffer, sizeof buffer, 0);
    if (got > 0)
        stream->events->input(stream->context, (struct bytes){buffer, (size_t)got});
    else if (got == 0)
        stream->events->ended(stream->context, 0);
    else if (errno != EAGAIN && errno != EINTR)
        stream->events->ended(stream->context, errno);
}

static void on_write(struct stream *stream)
{
    if (stream->is_connecting) {
        int os = 0;
        socklen_t len = sizeof os;
        if (getsockopt(watch_fd(stream->watch), SOL_SOCKET, SO_ERROR, &os, &len) < 0)
            os = errno;
        if (os) {
            stream->events->ended(stream->context, os);
            return;
        }
        stream->is_connecting = false;
    }
    stream->is_blocked = false;
    want(stream);
    stream->events->writable(stream->context);
}

static void on_ready(void *context, unsigned events)
{
    struct stream *stream = context;
    if (stream->is_broken)
        stream->events->ended(stream->context, stream->broken_os);
    else if (stream->is_securing)
        go_on_securing(stream);
    /* One event a call: the callback may close the stream. The other comes again. */
    else if ((stream->is_blocked || stream->is_connecting) && events & stream->write_wants)
        on_write(stream);
    else if (!stream->is_paused && (stream->has_more || events & stream->read_wants))
        on_read(stream);
}

static struct stream *open_stream(struct loop *loop, int fd_owned, bool is_connecting,
                                  const struct stream_events *events, void *context,
                                  struct error *err)
{
    struct stream *stream = NEW(struct stream);
    stream->events = events;
    stream->context = context;
    stream->is_connecting = is_connecting;
    stream->read_wants = WATCH_READ;
    stream->write_wants = WATCH_WRITE;
    stream->watch = watch_open(loop, fd_owned, on_ready, stream, err);
    if (!stream->watch) {
        free(stream);
        return NULL;
    }
    want(stream);
    return stream;
}

struct stream *stream_open(struct loop *loop, int fd_owned, const struct stream_events *events,
                           void *context, struct error *err)
{
    return open_stream(loop, fd_owned, false, events, context, err);
}

static struct stream *connect_to(struct loop *loop, const struct sockaddr *to, socklen_t len,
                                 const struct stream_events *events, void *context,
                                 struct error *err)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        error_set(err, errno, "socket");
        return NULL;
    }
    int one = 1;
    if (to->sa_family != AF_UNIX &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0) {
        error_set(err, errno, "TCP_NODELAY");
        close(fd);
        return NULL;
    }
    if (connect(fd, to, len) < 0 && errno != EINPROGRESS) {
        error_set(err, errno, "connect");
        close(fd);
        return NULL;
    }
    return open_stream(loop, fd, true, events, context, err);
}

struct stream *stream_connect(struct loop *loop, const struct lookup_address *to,
                              const struct stream_events *events, void *context, struct error *err)
{
    struct sockaddr_storage address;
    memcpy(&address, to->storage, sizeof to->storage);
    return connect_to(loop, (const struct sockaddr *)&address, to->len, events, context, err);
}

struct stream *stream_connect_unix(struct loop *loop, struct bytes path,
                                   const struct stream_events *events, void *context,
                                   struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path.len >= sizeof address.sun_path) {
        error_set(err, ENAMETOOLONG, "socket %.*s", BYTES_ARGS(path));
        return NULL;
    }
    memcpy(address.sun_path, path.at, path.len);
    return connect_to(loop, (const struct sockaddr *)&address, sizeof address, events, context,
                      err);
}

size_t stream_send(struct stream *stream, struct bytes bytes)
{
    if (stream->is_broken)
        return bytes.len;
    if (bytes.len == 0 || stream->is_connecting || stream->is_blocked)
        return 0;
    if (stream->is_securing) {
        stream->is_blocked = true;
        return 0;
    }
    if (stream->tls)
        return send_tls(stream, bytes);
    ssize_t sent = send(watch_fd(stream->watch), bytes.at, bytes.len, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        sent = 0;
    if (sent < 0) {
        stream_break(stream, errno);
        return bytes.len;
    }
    if ((size_t)sent < bytes.len) {
        stream->is_blocked = true;
        want(stream);
    }
    return (size_t)sent;
}

void stream_pause(struct stream *stream)
{
    stream->is_paused = true;
    want(stream);
}

void stream_resume(struct stream *stream)
{
    stream->is_paused = false;
    want(stream);
}

void stream_close(struct stream *stream_owned)
{
    if (stream_owned->tls)
        tls_goodbye(stream_owned->tls);
    tls_free(stream_owned->tls);
    watch_close(stream_owned->watch);
    free(stream_owned);
}

void stream_peer(int fd, char text[PEER_TEXT])
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage room;
    } peer = {.any.sa_family = AF_UNSPEC};
    socklen_t len = sizeof peer;
    const char *done = NULL;
    if (getpeername(fd, &peer.any, &len) < 0)
        peer.any.sa_family = AF_UNSPEC;
    if (peer.any.sa_family == AF_INET)
        done = inet_ntop(AF_INET, &peer.in.sin_addr, text, PEER_TEXT);
    else if (peer.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&peer.in6.sin6_addr))
        done = inet_ntop(AF_INET, peer.in6.sin6_addr.s6_addr + 12, text, PEER_TEXT);
    else if (peer.any.sa_family == AF_INET6)
        done = inet_ntop(AF_INET6, &peer.in6.sin6_addr, text, PEER_TEXT);
    if (!done)
        snprintf(text, PEER_TEXT, "%s", peer.any.sa_family == AF_UNIX ? "unix" : "unknown");
}

struct listener {
    struct watch *watch;
    struct timer rest;
    struct loop *loop;
    listener_accept *accept;
    void *context;
};

static void on_connection(void *context, unsigned events)
{
    struct listener *listener = context;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(watch_fd(listener->watch), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->accept(listener->context, fd);
            continue;
        }
        /* Out of descriptors or memory: the connection stays in the backlog, and asking again
         * at once would spin. Anything else concerns that one connection only. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            watch_want(listener->watch, 0);
            timer_set(&listener->rest, loop_now_ms(listener->loop) + STARVED_REST_MS);
            return;
        }
        if (errno == EAGAIN)
            return;
    }
}

static void on_rested(void *context)
{
    struct listener *listener = context;
    watch_want(listener->watch, WATCH_READ);
}

struct listener *listener_open(struct loop *loop, int fd_owned, listener_accept *accept,
                               void *context, struct error *err)
{
    /* Accepted sockets inherit it; on a Unix socket it fails, which does not matter. */
    int one = 1;
    (void)setsockopt(fd_owned, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct listener *listener = NEW(struct listener);
    listener->loop = loop;
    listener->accept = accept;
    listener->context = context;
    timer_init(&listener->rest, loop, on_rested, listener);
    listener->watch = watch_open(loop, fd_owned, on_connection, listener, err);
    if (!listener->watch) {
        free(listener);
        return NULL;
    }
    watch_want(listener->watch, WATCH_READ);
    return listener;
}

void listener_close(struct listener *listener_owned)
{
    timer_clear(&listener_owned->rest);
    watch_close(listener_owned->watch);
    free(listener_owned);
}
