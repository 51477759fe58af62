/* The client's side of SMTP and LMTP as a machine without I/O (RFC 5321, 2033 and the
 * extensions the server offers: PIPELINING, SIZE, 8BITMIME, BINARYMIME, CHUNKING, SMTPUTF8,
 * DSN, DELIVERBY, LIMITS, ENHANCEDSTATUSCODES, STARTTLS, AUTH).
 *
 * Many messages one connection, many recipients a transaction. The driver hands in bytes and
 * message text, and does what each step asks for. Every recipient of a message gets exactly one
 * result. */
#pragma once

#include "base/arena.h"
#include "mail/downgrade.h"
#include "smtp/sasl_client.h"

struct smtp_client;

enum smtp_dialect { DIALECT_SMTP, DIALECT_LMTP };

/* What is done about TLS (RFC 3207). Who the server is, is the driver's to judge. */
enum smtp_client_tls {
    CLIENT_TLS_NONE,          /* STARTTLS is never said */
    CLIENT_TLS_OPPORTUNISTIC, /* it is said where it is offered; else, and where the server then
                                 refuses it, all goes in clear */
    CLIENT_TLS_FORCED,        /* without TLS nothing goes */
};

/* Whether we log in (RFC 4954); then nothing goes without. */
enum smtp_client_login {
    CLIENT_LOGIN_NONE,
    CLIENT_LOGIN_IN_TLS,
    CLIENT_LOGIN_ANYWHERE, /* in clear too: for a server on this host */
};

struct smtp_client_settings {
    enum smtp_dialect dialect;
    enum smtp_client_tls tls;
    enum smtp_client_login login;
    bool is_secure; /* the connection is in TLS before the greeting (RFC 8314, 3): no STARTTLS */
    struct bytes hostname; /* for EHLO and LHLO */
    /* RFC 5321, 4.5.3.2, each at least what it asks for. */
    int64_t greeting_timeout_ms, command_timeout_ms, data_begin_timeout_ms, data_block_timeout_ms,
        data_end_timeout_ms;
};

enum smtp_client_effect {
    CLIENT_WANT_INPUT,      /* send the output, wait for replies */
    CLIENT_READY,           /* greeted (or a message is finished): smtp_client_message() or
                               smtp_client_quit() */
    CLIENT_START_TLS,       /* the server awaits the handshake: smtp_client_secured() or
                               smtp_client_unsecured(); asked by each step until then */
    CLIENT_WANT_CREDENTIAL, /* to log in: smtp_client_credential() or smtp_client_no_credential();
                              asked by each step until then */
    CLIENT_WANT_DOWNGRADE,  /* the server does not take the text as it is: smtp_client_downgraded()
                               or smtp_client_unfit() */
    CLIENT_WANT_TEXT,       /* hand in more message text: smtp_client_text(); send output when it is
                               large */
    CLIENT_RESULT,          /* smtp_client_result() has one recipient's fate; step on */
    CLIENT_CLOSE, /* send the output, close; after an error smtp_client_failure() says why */
};

/* One delivery: a message to some of its recipients. Borrowed until the last result. */
struct smtp_client_message {
    const struct envelope *envelope;
    const size_t *recipients; /* indexes into envelope->recipients */
    size_t recipient_count;
    uint64_t size; /* bytes of text to come */
    bool has_8bit; /* the text has bytes over 127: whether or not BODY= was declared */
    int64_t by_s;  /* seconds left until envelope->by_ms, rounded down; where by_mode is set */
};

enum delivery_outcome {
    DELIVERED,
    DEFERRED, /* 4xx, a timeout, a lost connection */
    FAILED,   /* 5xx, or an extension the message needs is not offered */
};

struct delivery_result {
    size_t recipient; /* index into envelope->recipients */
    enum delivery_outcome outcome;
    int code;            /* 250, 451 …; 0 when the peer said nothing */
    char status[12];     /* enhanced status code: the peer's, or the one that fits */
    struct bytes reply;  /* the peer's words (all lines joined by a space, code included), or
                            what went wrong; at most REPLY_LIMIT bytes, valid until stepping */
    bool was_connection; /* the connection failed, not this message: try another host. Never when
                            the whole text was sent and no reply came: the message may be there */
    struct bytes remote; /* who spoke, where the driver knows better than the place it was sent to
                            (an MX host and its address); empty: nobody in particular */
    bool has_dsn;        /* DELIVERED, and the next hop takes over NOTIFY=SUCCESS duties */
    bool has_by;         /* DELIVERED, and the next hop takes over DELIVERBY duties */
};
enum { REPLY_LIMIT = 512 };

struct smtp_client *smtp_client_new(const struct smtp_client_settings *settings, int64_t now_ms);
/* Results not yet taken are lost; hang up first to have them. */
void smtp_client_free(struct smtp_client *client);

void smtp_client_input(struct smtp_client *client, struct bytes input, int64_t now_ms);
enum smtp_client_effect smtp_client_step(struct smtp_client *client);

/* In CLIENT_START_TLS: the handshake is done, and the server is who it is to be. All it said in
 * clear is forgotten (RFC 3207, 4.2). */
void smtp_client_secured(struct smtp_client *client, int64_t now_ms);
/* In CLIENT_START_TLS: it failed, or the server is somebody else: reason for people. CLIENT_CLOSE
 * follows, with a failure of status 4.7.5. */
void smtp_client_unsecured(struct smtp_client *client, struct bytes reason);
/* In CLIENT_WANT_CREDENTIAL: copied, and wiped when the login is over. */
void smtp_client_credential(struct smtp_client *client, const struct sasl_credential *credential);
/* There is none, for this reason. CLIENT_CLOSE follows, with a failure of status 4.7.0. */
void smtp_client_no_credential(struct smtp_client *client, struct bytes reason);
/* In CLIENT_READY: begins a transaction. */
void smtp_client_message(struct smtp_client *client, const struct smtp_client_message *message);
/* In CLIENT_READY: says QUIT, waits a while for the reply, and closes. */
void smtp_client_quit(struct smtp_client *client);
/* In CLIENT_WANT_DOWNGRADE, and from then on until the last result: what the text must be made
 * fit for; NULL: it goes as it is. */
const struct downgrade_goal *smtp_client_goal(const struct smtp_client *client);
/* In CLIENT_WANT_DOWNGRADE: it can be done; all text that is handed in from now on is the
 * downgraded one, of so many bytes. */
void smtp_client_downgraded(struct smtp_client *client, uint64_t size);
/* It cannot: the results are FAILED, with this reason behind what the server lacks. */
void smtp_client_unfit(struct smtp_client *client, struct bytes reason);
/* In CLIENT_WANT_TEXT: hands in the next run of message text (CRLF line ends); it is copied into
 * the output, dots stuffed or as a BDAT chunk. is_last ends the message. */
void smtp_client_text(struct smtp_client *client, struct bytes text, bool is_last, int64_t now_ms);
/* In CLIENT_WANT_TEXT or CLIENT_WANT_DOWNGRADE: the text cannot be read: breaks off, so that
 * nothing half is delivered (closes the connection without the final dot); the results are DEFERRED
 * with this reason. */
void smtp_client_abort(struct smtp_client *client, struct bytes reason);

struct bytes smtp_client_output(const struct smtp_client *client);
void smtp_client_sent(struct smtp_client *client, size_t count, int64_t now_ms);

int64_t smtp_client_deadline(const struct smtp_client *client);
/* The deadline has come: results follow, then CLIENT_CLOSE. Does nothing before it. */
void smtp_client_expire(struct smtp_client *client, int64_t now_ms);
/* The connection broke or could not be made; reason for people. Results follow, then
 * CLIENT_CLOSE. */
void smtp_client_hangup(struct smtp_client *client, struct bytes reason);

/* In CLIENT_RESULT. */
const struct delivery_result *smtp_client_result(const struct smtp_client *client);
/* In CLIENT_CLOSE: why the session cannot be used (greeting 554, EHLO refused, 421, timeout, lost);
 * false after a QUIT in order. The outcome of `out` is DEFERRED or FAILED. */
MUST_CHECK bool smtp_client_failure(const struct smtp_client *client, struct delivery_result *out);
/* How the session goes, once it is ready. */
enum client_security {
    CLIENT_IN_CLEAR,    /* as it was to be */
    CLIENT_NOT_OFFERED, /* in clear: the server does not offer STARTTLS */
    CLIENT_TLS_REFUSED, /* in clear: it offers STARTTLS, and refused it */
    CLIENT_IN_TLS,
};
enum client_security smtp_client_security(const struct smtp_client *client);
/* The messages done in this session, and the server's MAILMAX (RFC 9422; SIZE_MAX: none). */
size_t smtp_client_messages(const struct smtp_client *client);
size_t smtp_client_mail_max(const struct smtp_client *client);
/* RCPTMAX of RFC 9422, or SIZE_MAX. */
size_t smtp_client_recipient_max(const struct smtp_client *client);
