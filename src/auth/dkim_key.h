/* DKIM key records in the DNS (RFC 6376, 3.6.1; RFC 8463, 4). Reads one; does not ask for it. */
#pragma once

#include "auth/public_key.h"
#include "base/buf.h"

enum dkim_key_status {
    DKIM_KEY_GOOD,
    DKIM_KEY_REVOKED, /* p= is empty */
    DKIM_KEY_BAD,     /* no key record, or not one that mail may be checked with */
};

struct dkim_key {
    enum key_algorithm algorithm; /* k= */
    struct bytes data;            /* p= as it is written, base64 with blanks; a view */
    bool allows_sha256;           /* h= has it, or is not there */
    bool is_testing;              /* t=y */
    bool is_strict;               /* t=s: i= must have the domain of d= itself */
};

/* record: the strings of a TXT record, joined. *out is written when the key is good; *reason, for
 * people, when it is not. */
MUST_CHECK enum dkim_key_status dkim_key_parse(struct bytes record, struct dkim_key *out,
                                               struct bytes *reason);

/* The key itself, to be freed by the caller; NULL: p= holds none of that algorithm. */
struct public_key *dkim_key_open(const struct dkim_key *key);

/* Appends what base64 stands for, where it may have blanks and line ends within (RFC 6376, 2.10);
 * false, with nothing appended, for what is no base64. */
MUST_CHECK bool dkim_base64_scan(struct buf *out, struct bytes text);

/* Is the word in the list, whose items stand between colons, with blanks around them? */
bool dkim_list_has(struct bytes list, const char *word);
