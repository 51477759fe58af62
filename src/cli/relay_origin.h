/* Where an audit of a listener comes from: an address of this host that the listener has no reason
 * to trust, or one in a network namespace that is made for it. */
#pragma once

#include "base/error.h"
#include "daemon/config.h"

struct origin_space;

/* A network namespace of its own, with a link to this host (veth, 198.18.255.0/30 and
 * 2001:2:0:ffff::/126, of the networks that are set apart for such tests: RFC 2544, RFC 5180).
 * Root, and the program ip. NULL and err: it cannot be made. */
struct origin_space *origin_space_open(struct error *err);
/* All of it goes; NULL is fine. It goes with the process, too. */
void origin_space_close(struct origin_space *space);
/* This thread's sockets are made in the namespace from now on, or at home again. */
MUST_CHECK bool origin_space_enter(struct origin_space *space, struct error *err);
void origin_space_leave(struct origin_space *space);

struct origin {
    struct ip to, from;
    struct origin_space *space; /* NULL: this host's own network */
};

enum origin_result {
    ORIGIN_FOUND,
    ORIGIN_OWN_ALONE, /* only this host reaches the listener, which trusts it on purpose */
    ORIGIN_TRUSTED,   /* all addresses that there are to come from are trusted */
    ORIGIN_NONE,      /* this host has no address of that kind */
};
/* from: the address to come from, in place of a search; NULL. */
enum origin_result origin_find(const struct config *config, const struct config_listener *listener,
                               struct origin_space *space, const struct ip *from,
                               struct origin *out);
