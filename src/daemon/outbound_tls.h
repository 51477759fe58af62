/* TLS of outgoing connections: how each is to talk to its host (policy/tls_level.h), the handshake,
 * and what came of it, for the log. Contexts are kept for all connections of a configuration. */
#pragma once

#include "daemon/config.h"
#include "net/stream.h"

/* The contexts of a configuration, each made when it is first needed. */
struct outbound_contexts;
struct outbound_contexts *outbound_contexts_new(const struct config *config,
                                                const struct tls_signer *signer);
void outbound_contexts_free(struct outbound_contexts *contexts);

enum { TLS_WORDS_LIMIT = 160 };

/* Of one connection. Plain data. */
struct outbound_tls {
    const struct endpoint *endpoint; /* of the lane */
    struct bytes host, remote;       /* borrowed while it is talked to */
    struct buf domain;               /* A-labels; owned */
    struct tls_terms terms;
    char words[TLS_WORDS_LIMIT]; /* how it goes: "TLSv1.3 TLS_AES_256_GCM_SHA384, verified" */
    char failure[REPLY_LIMIT];   /* why it may not be used */
};

void outbound_tls_init(struct outbound_tls *tls, const struct endpoint *endpoint);
void outbound_tls_done(struct outbound_tls *tls);
/* Decides how to talk to a host: name and remote are borrowed until the next. has_failed: its
 * handshake did of late. */
void outbound_tls_choose(struct outbound_tls *tls, struct bytes name, struct bytes remote,
                         bool has_failed);
/* What that means for the machine. */
enum smtp_client_tls outbound_tls_mode(const struct outbound_tls *tls);
/* May the host be talked to in clear after a handshake that failed? */
bool outbound_tls_may_be_clear(const struct outbound_tls *tls);
/* Begins the handshake. False: it cannot begin; tls->failure says why. */
MUST_CHECK bool outbound_tls_start(struct outbound_tls *tls, struct outbound_contexts *contexts,
                                   struct stream *stream);
/* It failed: puts that into tls->failure. */
void outbound_tls_failed(struct outbound_tls *tls, const char *reason);
/* It is over: logs what it led to. False: the host is not who it must be; tls->failure says so. */
MUST_CHECK bool outbound_tls_judge(struct outbound_tls *tls, const struct stream *stream);
/* The session is ready, in clear perhaps: logs that where it could have been otherwise. */
void outbound_tls_settled(struct outbound_tls *tls, enum client_security security);
