/* Addresses and paths of SMTP (RFC 5321, 4.1.2 and 4.1.3; UTF-8 by RFC 6531, 3.3).
 *
 * Parses what stands between < and > in MAIL and RCPT and the same address alone in a
 * configuration; knows nothing of header addresses with display names and comments. All views
 * point into the input. */
#pragma once

#include "base/buf.h"

enum {
    LOCAL_PART_LIMIT = 64, /* RFC 5321, 4.5.3.1.1 */
    DOMAIN_LIMIT = 255,    /* RFC 5321, 4.5.3.1.2 */
    PATH_LIMIT = 1000,     /* source routes included; RFC 5321, 4.5.3.1.3 asks for 256 */
};

/* An address as it is written on the wire. */
struct address {
    struct bytes local;  /* as written: a quoted string keeps its quotes and backslashes */
    struct bytes domain; /* as written: dot-atoms, or an address literal with its brackets; empty
                            only for <postmaster> */
    struct bytes whole;  /* local@domain, one view; source route stripped */
    bool has_utf8;       /* any byte over 127: needs SMTPUTF8 on the next hop as well */
    bool is_literal;     /* the domain is an address literal that is a valid IPv4 or IPv6 one */
};

enum address_charset { ADDRESS_ASCII, ADDRESS_UTF8 };

/* PATH_NULL is <>, legal as a reverse-path only: the caller decides. PATH_NEEDS_UTF8: well formed
 * but for bytes over 127 where ADDRESS_ASCII was asked for (553 5.6.7). */
enum path_status { PATH_OK, PATH_NULL, PATH_BAD, PATH_TOO_LONG, PATH_NEEDS_UTF8 };

/* Parses a path from the front of *rest, angle brackets included, and moves *rest behind it (only
 * for PATH_OK and PATH_NULL). A source route (@a,@b:) is read and dropped (RFC 5321, 4.1.1.3).
 * <postmaster> without a domain is PATH_OK with an empty domain (RFC 5321, 4.1.1.3). */
enum path_status path_parse(struct bytes *rest, enum address_charset charset, struct address *out);

/* Parses local@domain that fills the whole view. Never PATH_NULL. */
enum path_status address_parse(struct bytes text, enum address_charset charset,
                               struct address *out);

/* Appends the local part's value: without quotes and backslashes. */
void address_local_value(struct buf *out, struct bytes local);
/* Appends a value as a local part: quoted where it is not a dot-atom. */
void address_print_local(struct buf *out, struct bytes value);

/* Is it a domain name as SMTP takes one: LDH labels (U-labels under ADDRESS_UTF8) of at most 63
 * bytes, no dot at an end? Underscores are let through: they occur in the field. */
bool domain_is_valid(struct bytes domain, enum address_charset charset);
/* Is it [1.2.3.4] or [IPv6:…], brackets included, with a valid address? */
bool address_literal_is_valid(struct bytes literal);
