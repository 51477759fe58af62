/* Dovecot's authentication protocol, as a client of its auth socket speaks it: lines of words with
 * tabs between them. Version 1 of it; the mechanism PLAIN alone. Pure: the socket is elsewhere. */
#pragma once

#include "base/buf.h"

enum { DOVECOT_LINE_LIMIT = 8192 }; /* bytes; Dovecot takes no longer ones either */

/* Appends the client's greeting. */
void dovecot_print_greeting(struct buf *out, uint64_t process);
/* Appends a login that waits for its answer under that number. peer may be empty. False, with
 * nothing appended: a NUL in what is given would say something else in PLAIN (RFC 4616, 2), or all
 * of it is too long. */
MUST_CHECK bool dovecot_print_login(struct buf *out, uint32_t number, struct bytes peer,
                                    struct bytes user, struct bytes password);

enum dovecot_kind {
    DOVECOT_OTHER,   /* nothing that matters here */
    DOVECOT_VERSION, /* the server's; a major one that is not 1 is DOVECOT_BAD */
    DOVECOT_DONE,    /* it is greeted: logins may come */
    DOVECOT_GRANTED,
    DOVECOT_DENIED,
    DOVECOT_FAILED, /* it cannot say now */
    DOVECOT_BAD,    /* no line of this protocol */
};

struct dovecot_line {
    enum dovecot_kind kind;
    uint32_t number;   /* of the last three before BAD: the login's */
    struct bytes user; /* of GRANTED: as Dovecot has it, escaped as it came; empty: not said */
};
/* Reads a line without its end. */
struct dovecot_line dovecot_scan_line(struct bytes text);
/* Appends a word's value, with what was escaped in it as it was. */
void dovecot_unescape(struct buf *out, struct bytes word);
