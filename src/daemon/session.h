/* One incoming session: a stream joined with the smtp_server machine. Moves bytes and time, and
 * sees to TLS where the machine wants it;
 * what a transaction means is its host's, which answers the machine's questions: the worker
 * (recipients by policy, messages to the spool) and the mailbox agent (messages to Maildirs). */
#pragma once

#include "base/list.h"
#include "net/stream.h"
#include "smtp/server.h"

struct session;

struct session_host {
    void *context;
    struct loop *loop;
    /* A number for a new session, by which the log's lines of it are known; NULL: it has none. */
    uint64_t (*number)(void *context);
    /* A command that the machine refused by itself, or an end that it made (smtp_server_refused):
     * for the log; NULL: logged without a listener. */
    void (*refused)(void *context, struct session *session, struct bytes rule,
                    const struct smtp_answer *answer);
    /* SERVER_CHECK_MAIL and SERVER_CHECK_RCPT: answer at once. */
    struct smtp_answer (*mail)(void *context, struct session *session);
    struct smtp_answer (*rcpt)(void *context, struct session *session);
    /* SERVER_LOGIN: session_login_answer(), now or later. Both may be NULL where the settings have
     * no logins. */
    void (*login)(void *context, struct session *session);
    /* SERVER_LOGIN_END: for the log. */
    void (*logged)(void *context, struct session *session);
    /* A message begins: 250 takes it, anything else refuses it. */
    struct smtp_answer (*begin)(void *context, struct session *session);
    /* A run of message text. False: wait; session_go_on() resumes. */
    bool (*text)(void *context, struct session *session, struct bytes text);
    /* The text is complete: session_answer(), now or later. */
    void (*store)(void *context, struct session *session);
    /* The message begun comes to nothing. Never called while a store waits for its answer. */
    void (*drop)(void *context, struct session *session);
    /* The session is about to be freed. */
    void (*closed)(void *context, struct session *session);
    /* SERVER_START_TLS: the server's side of a connection, for the handshake; perhaps before
     * session_open() returns. NULL where no settings of a session ask for TLS. */
    struct tls *(*tls)(void *context, struct session *session);
    /* The handshake is over, and the machine has forgotten what was before; may be NULL. */
    void (*secured)(void *context, struct session *session);
    /* The peer's address as text, by the session's data, where the socket leads to a proxy; empty:
     * the socket's own. NULL where there are no proxies. */
    struct bytes (*peer)(void *context, const void *data);
    /* SERVER_NEW_PEER: it is for another client (empty: not known whom); 250: from now on that is
     * the session's peer. NULL where no session is allowed XCLIENT. */
    struct smtp_answer (*new_peer)(void *context, struct session *session, struct bytes peer);
};

/* Takes over the socket and greets. host and settings are kept, not copied; data is the host's own:
 * the session, the message under way. NULL and err on failure; the socket is then closed. */
struct session *session_open(const struct session_host *host, int fd_owned,
                             const struct smtp_server_settings *settings, void *data,
                             struct error *err);

struct smtp_server *session_smtp(const struct session *session);
/* Its number; 0: it has none. */
uint64_t session_number(const struct session *session);
/* The peer's address as text; borrowed for the session's life. */
struct bytes session_peer(const struct session *session);
/* What the handshake led to; false in clear text, and when the peer is gone. */
MUST_CHECK bool session_tls_facts(const struct session *session, struct tls_facts *out);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384 256" (bits of the key); empty in clear text. Borrowed for the
 * session's life. */
struct bytes session_tls(const struct session *session);
void *session_data(const struct session *session);

/* Answers the store: one answer, or in the LMTP role one for each recipient accepted, in their
 * order. Safe at any time, also within store() and after the peer has gone; but where it ends a
 * lost session, that is freed (closed() is called before this returns). */
void session_answer(struct session *session, const struct smtp_answer *answers, size_t count);
/* Answers login(). Not after closed(): a session whose peer has gone waits for no answer. */
void session_login_answer(struct session *session, const struct sasl_answer *answer);
/* After text() said false. */
void session_go_on(struct session *session);
/* Is the peer gone? Then an answer reaches nobody, which matters to a log line only. */
bool session_is_lost(const struct session *session);
/* Ends the session politely (421) as soon as no transaction is open. */
void session_shut(struct session *session);
/* Ends it now, whatever it does; a store that waits for its answer still gets it. */
void session_kill(struct session *session);
