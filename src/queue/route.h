/* Where mail for a domain goes: local domains to the mailbox endpoint, others by the routes of
 * the configuration, the rest by MX. Pure. */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "policy/tls_level.h"
#include "queue/rate.h"

struct mx_host; /* queue/mx.h */

enum endpoint_kind {
    ENDPOINT_SMTP, /* host and port */
    ENDPOINT_LMTP, /* host and port, or a Unix socket */
    ENDPOINT_MX,   /* by MX: of a route, port alone; of a lane, host (the domain) until it is known
                      which hosts take its mail, then hosts */
};

/* How mail goes there, where it is not as everywhere: 0 means as everywhere. */
struct endpoint_limits {
    uint32_t connections;         /* at most at a time */
    uint32_t connection_messages; /* then a connection is closed and a new one opened */
    struct rate rate;
};

/* One place that takes mail. Views belong to the routes. */
struct endpoint {
    enum endpoint_kind kind;
    struct bytes host; /* name or address, without brackets; empty for a Unix socket, and by MX
                          (but with hosts the domain where its name is what TLS verifies) */
    uint16_t port;
    bool is_implicit_tls;        /* smtps:// */
    struct bytes unix_path;      /* empty: TCP */
    const struct mx_host *hosts; /* by MX: where a lane's mail goes, by preference */
    size_t host_count;
    bool is_secure; /* by MX, where the TLS rule cares: DNSSEC vouches for the hosts' names */
    struct endpoint_limits limits;
    const struct tls_rule *tls; /* NULL: as for the domain; never in a lane */
    struct bytes user;          /* to log in as (RFC 4954); empty: not at all */
    struct bytes password_file; /* the keeper's name for it */
    struct bytes name;          /* as people write it, and the lane's key: "smtp://10.0.0.5:25",
                                   "lmtp://[::1]:24", "lmtp:unix:/run/dovecot/lmtp", "mx:example.org",
                                   "mx:10=mx1.example.org,20=mx2.example.org"; with limits of its own
                                   behind it: "smtp://10.0.0.5:25;rate=100/m", with a rule for TLS:
                                   "mx:example.org;tls=forced"; with a login: "smtps://h;user=me" */
};

/* Reads "smtp://host[:25]", "smtps://host[:465]", "lmtp://host:port", "lmtp:unix:/path" (also
 * "unix:/path", an LMTP one) and "mx[:25]". False with what to write instead. Views into the text.
 */
MUST_CHECK bool endpoint_scan(struct bytes text, struct endpoint *out, struct error *err);

struct routes;
struct routes *routes_new(uint64_t seed);
void routes_free(struct routes *routes);
/* Routes a pattern: "example.org" (itself), ".example.org" (below it), "*" (everything without
 * a better match). Copies; limits, user and tls become part of the name. False: the pattern is
 * there already, or is none. */
MUST_CHECK bool routes_add(struct routes *routes, struct bytes pattern,
                           const struct endpoint *endpoint);
/* The endpoint for a domain: exact, then the longest ".suffix", then "*"; NULL: none (by MX). Local
 * domains are added like the others, as exact patterns. Case does not matter. */
const struct endpoint *routes_find(const struct routes *routes, struct bytes domain);

/* The rules for TLS of all that has none of its own; belongs to the routes, for the configuration
 * to fill. */
struct tls_rules *routes_tls(struct routes *routes);
/* The rule for a domain's mail by this route (NULL: by MX). Borrowed. */
const struct tls_rule *routes_tls_rule(const struct routes *routes, const struct endpoint *route,
                                       struct bytes domain);
/* A route's own rule, whatever the domain; NULL: it has none. Where we log in it is forced, so that
 * nobody else has the password, but for a server on this host. */
const struct tls_rule *endpoint_tls_rule(const struct endpoint *endpoint);
