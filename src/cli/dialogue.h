/* A conversation with a mail server, as its client (RFC 5321), one step after the other: connect,
 * hear, say, go over to TLS, log in, send a text. Blocking and bounded, for commands; the daemon
 * has smtp/client.h. Each line can be watched. */
#pragma once

#include <netinet/in.h>

#include "base/ip.h"
#include "net/tls.h"
#include "smtp/extensions.h"
#include "smtp/reply_scan.h"

enum dialogue_side { DIALOGUE_SAID, DIALOGUE_HEARD };

struct dialogue_settings {
    int64_t connect_ms, reply_ms; /* at most for a connection or handshake, and for a reply; 0: 30 s
                                     and 60 s */
    /* Called for each line, without its end; passwords and the text of a message are left out.
     * NULL: nobody watches. */
    void (*watch)(void *context, enum dialogue_side side, struct bytes line);
    void *context;
};

struct dialogue;

/* NULL and err: there is no event loop to be had. From now on this process ignores SIGPIPE, as TLS
 * writes to connections that may be closed. */
struct dialogue *dialogue_new(const struct dialogue_settings *settings, struct error *err);
/* Closes the connection, too; NULL is fine. */
void dialogue_free(struct dialogue *dialogue);

/* --- The connection ----------------------------------------------------------------------------
 */

enum { DIALOGUE_ADDRESS_LIMIT = 16 };
/* The host's addresses, of the system's resolver and in its order: a name, or an address as text
 * (IPv6 without brackets). False and err: there are none. */
MUST_CHECK bool dialogue_lookup(struct dialogue *dialogue, const char *host,
                                struct ip addresses[DIALOGUE_ADDRESS_LIMIT], size_t *count,
                                struct error *err);
/* Connects in clear text; an earlier connection is closed. from: the address to come from; NULL:
 * the system's choice. False and err, whose os tells refused (ECONNREFUSED), silent (ETIMEDOUT) and
 * unreachable (ENETUNREACH, EHOSTUNREACH) apart. */
MUST_CHECK bool dialogue_connect(struct dialogue *dialogue, const struct ip *to, uint16_t port,
                                 const struct ip *from, struct error *err);
/* A connection to a Unix socket, for the caller to speak over. -1 and err, whose os tells missing
 * (ENOENT) and without a server (ECONNREFUSED) apart. */
int dialogue_open_unix(const char *path, struct error *err);
/* The same for a conversation. */
MUST_CHECK bool dialogue_connect_unix(struct dialogue *dialogue, const char *path,
                                      struct error *err);
/* Takes over a socket that is connected (cli/dial.h); an earlier connection is closed. */
MUST_CHECK bool dialogue_give(struct dialogue *dialogue, int fd_owned, struct error *err);
/* Is there a connection still? */
bool dialogue_is_connected(const struct dialogue *dialogue);
/* The next step will hear, and then close; a reply is not waited for. */
void dialogue_disconnect(struct dialogue *dialogue);

/* Goes over to TLS, at once: after the 220 to STARTTLS (RFC 3207), or first of all where TLS is
 * implicit (RFC 8314). What was offered in clear text is forgotten. An untrusted server is no
 * failure: look at dialogue_tls(). False and err: no handshake, or the server said something behind
 * its 220; the connection is closed. */
MUST_CHECK bool dialogue_start_tls(struct dialogue *dialogue, struct tls *tls_owned,
                                   struct error *err);
/* What the handshake led to; NULL: in clear text. Borrowed until the connection ends. */
const struct tls_facts *dialogue_tls(const struct dialogue *dialogue);

/* --- Words ------------------------------------------------------------------------------------ */

/* The next reply: the greeting, first of all. Borrowed until the next step. NULL and err: the
 * connection ended (os 0 or errno), nothing came in time (ETIMEDOUT), or it was no SMTP (EPROTO).
 */
const struct reply_scan *dialogue_hear(struct dialogue *dialogue, struct error *err);
/* Waits so long, or until the server says something or the connection ends: true. */
bool dialogue_has_input(struct dialogue *dialogue, int64_t wait_ms);
/* Says one line (a format, without CRLF), and hears the reply to it. */
const struct reply_scan *dialogue_say(struct dialogue *dialogue, struct error *err,
                                      const char *format, ...) PRINTF_LIKE(3, 4);
/* Says these bytes as they are, and hears nothing: for what no client should say. */
MUST_CHECK bool dialogue_say_raw(struct dialogue *dialogue, struct bytes bytes, struct error *err);

/* EHLO, or HELO where the server does not know EHLO (5xx). A reply of 250 fills what is offered. */
const struct reply_scan *dialogue_ehlo(struct dialogue *dialogue, const char *name,
                                       struct error *err);
/* What the last EHLO was answered; nothing before it, after HELO and after going over to TLS. */
const struct extensions *dialogue_extensions(const struct dialogue *dialogue);
/* The lines of that answer behind the first as they were, each with "\n"; borrowed. */
struct bytes dialogue_offers(const struct dialogue *dialogue);

/* Logs in by the strongest mechanism that the server offers and we know (smtp/sasl_client.h);
 * the reply's code is 235 when it worked. NULL and err: also when there is no mechanism, or the
 * server does not prove itself. Does not look whether TLS is on: that is the caller's to decide.
 */
const struct reply_scan *dialogue_login(struct dialogue *dialogue, struct bytes user,
                                        struct bytes password, struct error *err);

/* --- The text of a message -------------------------------------------------------------------- */

/* After the 354 to DATA: a piece of the text, with CRLF as line ends; leading dots are doubled
 * here. False and err: the connection failed, or broke off. */
MUST_CHECK bool dialogue_text(struct dialogue *dialogue, struct bytes piece, struct error *err);
/* The end of the text, and the reply to it. */
const struct reply_scan *dialogue_text_end(struct dialogue *dialogue, struct error *err);
