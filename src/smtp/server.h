/* The server's side of SMTP and LMTP as a machine without I/O (RFC 5321, 2033; the extensions
 * of RFC 1870, 2034, 2852, 2920, 3030, 3207, 3461, 4865, 4954, 6152, 6531, 9422).
 *
 * The driver hands in bytes and answers, and does what each step asks for. The machine knows no
 * socket, clock, directory or spool; time is handed in. It does not know who may relay: each
 * recipient is a question to the driver.
 *
 *     smtp_server_input(server, bytes, now_ms);
 *     for (;;) switch (smtp_server_step(server)) { … }
 *
 * Views that the machine gives out are valid until the next call that changes it; input that a
 * step did not consume is the driver's to keep (smtp_server_unread), as it must when it leaves
 * the loop with an effect unanswered. */
#pragma once

#include "base/arena.h"
#include "mail/envelope.h"
#include "smtp/sasl.h"

struct smtp_server;

enum smtp_role { ROLE_MX, ROLE_SUBMISSION, ROLE_LMTP };

enum smtp_server_tls {
    SERVER_TLS_NONE,
    SERVER_TLS_OFFERED,  /* STARTTLS (RFC 3207) */
    SERVER_TLS_REQUIRED, /* and in clear text hardly anything else: 530 5.7.0 */
    SERVER_TLS_IMPLICIT, /* TLS comes before the greeting (RFC 8314, 3.3) */
};

/* One for all sessions of a listener; the machine keeps the pointer. */
struct smtp_server_settings {
    struct bytes hostname; /* for the greeting and replies */
    struct bytes domain;   /* of names without a domain, told to programs on this host, who complete
                              them   (RFC 6409, 4.2); empty: not told */
    enum smtp_role role;
    uint64_t size_limit;      /* bytes of a message; RFC 1870 */
    size_t line_limit;        /* bytes of a command line, CRLF included */
    size_t text_line_limit;   /* bytes of a line of message text, CRLF included; 0: any */
    size_t recipient_limit;   /* recipients a transaction */
    size_t error_limit;       /* failed commands and recipients, then 421 4.7.0 and the end; a
                                 message accepted makes up for them */
    size_t transaction_limit; /* messages a session (RFC 9422 MAILMAX); 0: any */
    int64_t hold_limit_ms;    /* FUTURERELEASE: how far ahead at most; 0: not offered */
    enum smtp_server_tls tls;
    int64_t handshake_timeout_ms; /* of TLS */
    int64_t command_timeout_ms;   /* RFC 5321, 4.5.3.2.7: at least 5 minutes */
    int64_t data_timeout_ms;      /* between two blocks of data: at least 3 minutes */
    uint64_t data_rate_min;       /* bytes a second over a whole message, after a minute's grace;
                                     slower senders are ended with 421 4.4.2; 0: any */
    unsigned logins; /* mechanisms of AUTH, as bits 1 << SASL_…; 0: AUTH is not offered.
                        Which of them a session has is smtp_server_allow_login()'s */
    unsigned hidden; /* OFFERS_… (smtp/extensions.h) that EHLO's reply leaves out, so
                        that a test's server looks like a lesser one */
};

enum smtp_server_effect {
    SERVER_WANT_INPUT, /* all input is consumed: send the output, wait for more */
    SERVER_FLUSH,      /* much output waits (a peer that asks and does not read), or a command was
                          refused (smtp_server_refused): send it, and step on only when it is sent;
                          input may be left unread */
    SERVER_CHECK_MAIL, /* smtp_server_transaction() has the reverse-path: smtp_server_answer() */
    SERVER_CHECK_RCPT, /* smtp_server_recipient() is the address: smtp_server_answer() */
    SERVER_BEGIN_BODY, /* the message begins: smtp_server_answer(); OK sends 354 (DATA) */
    SERVER_BODY,       /* smtp_server_chunk() is a run of message text, dots unstuffed; step on
                          when it is stored, nothing is to be answered */
    SERVER_STORE,      /* the text is complete: smtp_server_answer() or, in the LMTP role,
                          one smtp_server_answer() a recipient in their order */
    SERVER_LOGIN,      /* smtp_server_question() is about who it is: smtp_server_login_answer() */
    SERVER_LOGIN_END,  /* smtp_server_login() says what came of it; the reply is on its way; step
                          on */
    SERVER_START_TLS,  /* the output, if any, is to be sent whole; then the handshake, and
                          smtp_server_secured() or smtp_server_hangup(). What the peer sends
                          meanwhile in clear text is for none but the handshake to read */
    SERVER_NEW_PEER,   /* a proxy says that it speaks for another client (XCLIENT):
                          smtp_server_new_peer(); smtp_server_answer(): 250 begins the session anew,
                          with a greeting */
    SERVER_DROP_BODY,  /* the message begun will not be finished: forget it, step on */
    SERVER_CLOSE,      /* send the output, then close */
};

/* A reply of the driver's, and the refusal's rule for its log. */
struct smtp_answer {
    int code;            /* 250, 450, 550 … ; 250 accepts */
    struct bytes status; /* enhanced status code "5.1.1"; never empty */
    struct bytes text;   /* one line without CRLF; bytes that may not be in a reply are replaced */
};

/* What came of an AUTH. */
struct smtp_login {
    bool has_succeeded; /* smtp_server_user() is who it is */
    enum sasl_mechanism mechanism;
    struct bytes name; /* as the client gave it, UTF-8; may be empty */
    struct sasl_failure failure;
};

/* What the peer did that honest ones do not; for log and later scoring. Bits. */
enum {
    PEER_TALKED_EARLY = 1,      /* bytes before the greeting was sent */
    PEER_PIPELINED_UNASKED = 2, /* commands behind one that must be the last of a group
                                   (RFC 2920, 3.1): EHLO, HELO, DATA, VRFY, QUIT, STARTTLS, AUTH */
    PEER_BARE_NEWLINE = 4,      /* CR or LF alone, in a command or in message text */
};

/* peer is the client's address as text ("192.0.2.1"), for the HELO reply; copied. now_ms is a
 * steady clock here and everywhere below, wall_ms the wall clock (for BY= and HOLDUNTIL=). The
 * greeting is the first output; step once to have it. */
struct smtp_server *smtp_server_new(const struct smtp_server_settings *settings, struct bytes peer,
                                    int64_t now_ms, int64_t wall_ms);
void smtp_server_free(struct smtp_server *server);

/* Hands in bytes; all earlier input must be consumed. Borrowed until consumed. */
void smtp_server_input(struct smtp_server *server, struct bytes input, int64_t now_ms,
                       int64_t wall_ms);
enum smtp_server_effect smtp_server_step(struct smtp_server *server);
/* The input not consumed yet. When the driver must wait, it copies this and replaces it with
 * smtp_server_rebase() of the copy, which may have more bytes behind the unread ones that came
 * in since. */
struct bytes smtp_server_unread(const struct smtp_server *server);
void smtp_server_rebase(struct smtp_server *server, struct bytes same_bytes_and_more);

/* Answers the effect that asked; until then each step asks the same again, and the peer's time
 * stands still. Only 2xx accepts. 421 ends the session behind the reply. Ignored when the session
 * has ended meanwhile (hangup): a message whose SERVER_STORE was asked is complete then and the
 * driver's to keep or not, SERVER_DROP_BODY does not come for it. */
void smtp_server_answer(struct smtp_server *server, const struct smtp_answer *answer);

/* In SERVER_START_TLS: all is inside TLS from now on. What the peer said before is forgotten
 * (RFC 3207, 4.2). Ignored when the session has ended meanwhile. */
void smtp_server_secured(struct smtp_server *server, int64_t now_ms);
bool smtp_server_is_secure(const struct smtp_server *server);

/* From now on the peer may say that it speaks for others: XCLIENT is offered (Postfix's
 * XCLIENT_README). For proxies alone: it decides who may relay. */
void smtp_server_allow_xclient(struct smtp_server *server);
/* In SERVER_NEW_PEER: whom the peer speaks for, an address as text, at most SMTP_PEER_LIMIT bytes.
 * Empty: it does not know. */
enum { SMTP_PEER_LIMIT = 48 };
struct bytes smtp_server_new_peer(const struct smtp_server *server);

/* What to send now; the driver says how much of it went out. */
struct bytes smtp_server_output(const struct smtp_server *server);
void smtp_server_sent(struct smtp_server *server, size_t count);

/* The instant (steady) at which smtp_server_expire() is due, whatever comes before it. */
int64_t smtp_server_deadline(const struct smtp_server *server);
/* The deadline has come: 421 (within a handshake nothing) and the end by the next steps, if it is
 * past indeed. */
void smtp_server_expire(struct smtp_server *server, int64_t now_ms);
/* The server is going down: 421 4.3.2 as soon as no transaction is open, by the next steps. */
void smtp_server_shut(struct smtp_server *server);
/* The peer is gone: next comes SERVER_DROP_BODY where a message was begun, then SERVER_CLOSE. */
void smtp_server_hangup(struct smtp_server *server);

/* The open transaction: reverse-path, extensions and the recipients accepted so far; id,
 * received_ms, size, client and user are the driver's to fill in a copy. Recipients are accepted
 * with their ORCPT and NOTIFY. NULL: none is open. */
const struct envelope *smtp_server_transaction(const struct smtp_server *server);
/* In SERVER_CHECK_RCPT: the recipient asked about (an empty domain is <postmaster>). */
const struct envelope_recipient *smtp_server_recipient(const struct smtp_server *server);
/* In SERVER_CHECK_MAIL: the SIZE= given, 0 without. */
uint64_t smtp_server_declared_size(const struct smtp_server *server);
/* In SERVER_BODY. */
struct bytes smtp_server_chunk(const struct smtp_server *server);

/* The mechanisms that this session may log in with from now on (those of the settings at most);
 * none at first, so that no password is asked for in clear text unless the driver says so. */
void smtp_server_allow_login(struct smtp_server *server, unsigned mechanisms);
/* In SERVER_LOGIN. */
const struct sasl_question *smtp_server_question(const struct smtp_server *server);
/* Answers it; ignored when the session has ended meanwhile. */
void smtp_server_login_answer(struct smtp_server *server, const struct sasl_answer *answer);
/* In SERVER_LOGIN_END. */
struct smtp_login smtp_server_login(const struct smtp_server *server);
/* The account that is logged in, as the answer named it; empty: nobody. */
struct bytes smtp_server_user(const struct smtp_server *server);

/* For trace headers and log. */
struct bytes smtp_server_helo(const struct smtp_server *server);
/* "SMTP", "ESMTP", "LMTP", "UTF8SMTP" … (RFC 3848, RFC 6531 4.3); behind it S inside TLS, and A
 * for a client that is logged in. */
struct bytes smtp_server_protocol(const struct smtp_server *server);
unsigned smtp_server_peer_flags(const struct smtp_server *server);

/* The newest command that was refused by the machine itself, for the log: verb, code and reply
 * text; then the end of the session by 421, with "errors", "timeout" or "transactions" for a verb;
 * false when there was neither since the last call. */
MUST_CHECK bool smtp_server_refused(struct smtp_server *server, struct bytes *verb, int *code,
                                    struct bytes *text);
