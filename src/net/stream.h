/* Byte streams over sockets (TCP and Unix), listening ones, and the addresses they have.
 *
 * A stream keeps no bytes of its own: what arrives is handed out from one buffer of the loop, and
 * what the kernel does not take stays with the caller, who is told when there is room again. So
 * an idle stream costs a descriptor and a small struct. */
#pragma once

#include "net/loop.h"
#include "net/tls.h"

struct stream;

struct stream_events {
    /* Bytes arrived; borrowed for the call. */
    void (*input)(void *context, struct bytes input);
    /* The kernel takes bytes again after stream_send() took less than it was given; also the
     * first event of a stream that was connecting. */
    void (*writable)(void *context);
    /* Closed by the other side (os 0) or broken (errno; EPROTO: by TLS, see stream_failure()). The
     * last event; close the stream. */
    void (*ended)(void *context, int os);
    /* The handshake that stream_start_tls() began is over, well; NULL where none is begun. */
    void (*secured)(void *context);
};

/* Takes over a connected socket and begins to read. events is kept, not copied. NULL and err. */
struct stream *stream_open(struct loop *loop, int fd_owned, const struct stream_events *events,
                           void *context, struct error *err);
/* Begins to connect: `writable` or `ended` follows. */
struct stream *stream_connect(struct loop *loop, const struct lookup_address *to,
                              const struct stream_events *events, void *context, struct error *err);
struct stream *stream_connect_unix(struct loop *loop, struct bytes path,
                                   const struct stream_events *events, void *context,
                                   struct error *err);
/* Sends what the kernel takes now: the number of bytes, perhaps 0. A broken stream takes all and
 * says so by `ended` later, so that the caller has one place for it. */
size_t stream_send(struct stream *stream, struct bytes bytes);
/* Begins TLS on a connected stream, as client or server. Nothing of what was given to stream_send()
 * may be left unsent. Until `secured` or `ended`, which may come from within no call of the
 * stream's user, no bytes are taken or handed out; from then on all is inside TLS. The time that
 * a handshake may take is for the user to bound. */
void stream_start_tls(struct stream *stream, struct tls *tls_owned);
/* What the handshake led to; false before it, and without TLS. */
MUST_CHECK bool stream_tls_facts(const struct stream *stream, struct tls_facts *out);
/* Why TLS failed, for people; "" when it did not. Borrowed until the stream is closed. */
const char *stream_failure(const struct stream *stream);
/* Stops and resumes reading (back-pressure). */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);
/* No event comes any more. */
void stream_close(struct stream *stream_owned);

enum { PEER_TEXT = 48 };
/* The other end's address as text: "192.0.2.1", "2001:db8::1" (IPv4-mapped ones as IPv4), or
 * "unix". */
void stream_peer(int fd, char text[PEER_TEXT]);

struct listener;
typedef void listener_accept(void *context, int fd_owned);
/* Takes over a listening socket; calls for each connection, non-blocking and close-on-exec. When
 * descriptors run out it rests a second. */
struct listener *listener_open(struct loop *loop, int fd_owned, listener_accept *accept,
                               void *context, struct error *err);
void listener_close(struct listener *listener_owned);
