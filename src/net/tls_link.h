/* What a stream does with the TLS that it has taken over. Between stream.c and tls.c alone. */
#pragma once

#include "net/tls.h"

enum tls_status {
    TLS_FINE,
    TLS_WANT_READ,  /* go on when the descriptor can be read */
    TLS_WANT_WRITE, /* or written */
    TLS_WANT_WAKE,  /* or by the wake function: a signature is made elsewhere */
    TLS_ENDED,      /* the other side is through */
    TLS_BROKEN,     /* errno in *os, or EPROTO with words in tls_failure() */
};

typedef void tls_wake(void *context);

/* Binds it to a connected, non-blocking descriptor, which stays the caller's. */
void tls_bind(struct tls *tls, int fd, tls_wake *wake, void *wake_context);
/* Goes on with the handshake. TLS_ENDED does not come: the end within one is a failure. */
enum tls_status tls_handshake(struct tls *tls, int *os);
/* Reads some bytes; with TLS_FINE *got is at least 1. room must hold a record (16 KiB). */
enum { TLS_RECORD = 16384 };
enum tls_status tls_read(struct tls *tls, uint8_t *at, size_t room, size_t *got, int *os);
/* Bytes were read from the descriptor that tls_read() has not handed out: a record, or a part of
 * one, in which case it says TLS_WANT_READ. The descriptor does not show them. */
bool tls_has_more(const struct tls *tls);
/* Sends some of the bytes; with TLS_FINE *sent is at least 1. With another status the same bytes
 * (and perhaps more) are to be given next. */
enum tls_status tls_write(struct tls *tls, struct bytes bytes, size_t *sent, int *os);
/* Says good-bye to the other side, as far as that goes without waiting. */
void tls_goodbye(struct tls *tls);
const char *tls_failure(const struct tls *tls);
MUST_CHECK bool tls_facts_of(const struct tls *tls, struct tls_facts *out);
