/* Where a domain's mail goes by the DNS (RFC 5321, 5.1; RFC 7505): its MX hosts by preference, or
 * the domain itself, or an address literal. Pure: a function of facts, called again until it needs
 * no more of them. Of addresses it only looks whether a host has some, and whether they are our
 * own; they are asked for again (of a cache, then) when it is connected to. */
#pragma once

#include "base/arena.h"
#include "policy/networks.h"

enum {
    MX_HOST_LIMIT = 16,          /* the best ones; more are not tried */
    MX_TTL_LEAST_MS = 60 * 1000, /* a result is good for its TTL, within these bounds */
    MX_TTL_MOST_MS = 30 * 60 * 1000,
    MX_ARENA = 64 * 1024, /* bytes; enough for any answer */
};

struct mx_host {
    struct bytes name;   /* lower case A-labels, no final dot; of an address literal: the address,
                            without brackets */
    uint16_t preference; /* the smaller is tried first; equals at random */
};

struct facts; /* facts/facts.h */

/* What is ourselves: an MX that is, and those no better, are not sent to (RFC 5321, 5.1). */
struct mx_self_address {
    struct ip ip;
    uint16_t port;
};
struct mx_self {
    struct bytes hostname;
    const struct mx_self_address *addresses; /* that we take mail on */
    size_t address_count;
    uint16_t port; /* that mail would go out to */
};

enum mx_outcome {
    MX_NEEDS_FACTS,
    MX_FOUND,
    MX_FAILED,   /* for good: status and reason */
    MX_DEFERRED, /* the DNS did not answer, or not soundly: status and reason */
};

struct mx_result {
    const struct mx_host *hosts; /* by preference, then by name; at least one */
    size_t host_count;
    bool is_implicit;   /* there is no MX record: the domain itself (RFC 5321, 5.1) */
    bool is_secure;     /* what was said of MX records is validated by DNSSEC */
    int64_t ttl_ms;     /* how long the result may be used; of failures too */
    const char *status; /* of failures: "5.1.2" no such domain, "5.1.10" null MX, "5.4.6" we are the
                           best host ourselves, "5.4.4" no host has an address; "4.4.3" no answer
                           from the DNS, "4.7.5" one that DNSSEC shows to be false */
    struct bytes reason; /* for people, and for the report to the sender */
};

/* domain as in the recipient's address (UTF-8 or A-labels, or a literal with its brackets). Texts
 * and arrays of *out are in the arena or constant; *out is written unless facts are needed. An
 * arena without room (MX_ARENA is enough) defers. Records that name no possible host are passed
 * over; a host whose addresses the DNS does not tell just now is kept. */
MUST_CHECK enum mx_outcome mx_find(struct facts *facts, struct bytes domain,
                                   const struct mx_self *self, struct arena *arena,
                                   struct mx_result *out);
