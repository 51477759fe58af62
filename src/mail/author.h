/* Whose name a message bears: the domains in its From field (RFC 5322, 3.6.2; RFC 9989, 5.3.1), as
 * any reader could take them. More than one From field, none, or one that cannot be read is told
 * apart from a domain, and is never one. */
#pragma once

#include "base/arena.h"

enum {
    AUTHOR_DOMAIN_LIMIT = 4,        /* told; RFC 9989, 11.5 wants a bound */
    AUTHOR_ARENA = 4 * 1024 * 1024, /* enough for any header section that the daemon takes */
};

enum author_status {
    AUTHOR_FOUND,    /* one domain or more, all of them told */
    AUTHOR_NO_FIELD, /* RFC 5322, 3.6 wants exactly one From field */
    AUTHOR_SEVERAL_FIELDS,
    AUTHOR_UNPARSABLE,   /* `reason` says what is wrong */
    AUTHOR_NO_DOMAIN,    /* no address at all, or one with an address literal */
    AUTHOR_MANY_DOMAINS, /* over AUTHOR_DOMAIN_LIMIT different ones */
};

struct author {
    enum author_status status;
    struct bytes domains[AUTHOR_DOMAIN_LIMIT]; /* lower case, A-labels, in the order of the field,
                                                  each once; in the arena */
    size_t count;
    struct bytes shown; /* an address that the field shows to people, as in "ceo@bank.example"
                           <x@evil.example>, and that is in none of these domains, above or below
                           them (mail/shown_address.h); in the arena; empty: none */
    const char *reason; /* for people; NULL: there is none to tell */
};

/* section: the message's header section, without the blank line that ends it. */
void author_find(struct bytes section, struct arena *arena, struct author *out);
/* What is wrong, for people: "there is more than one From field"; of AUTHOR_FOUND nothing. */
const char *author_problem(const struct author *author);
