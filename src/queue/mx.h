/* Where a domain's mail goes by the DNS (RFC 5321, 5.1; RFC 7505): its MX hosts by preference, or
 * the domain itself, or an address literal. Pure: a function of facts, called again until it needs
 * no more of them. What one host's addresses are is asked for when it is connected to. */
#pragma once

#include "base/arena.h"
#include "policy/networks.h"

enum {
    MX_HOST_LIMIT = 16,          /* the best ones; more are not tried */
    MX_TTL_LEAST_MS = 60 * 1000, /* a result is good for its TTL, within these bounds */
    MX_TTL_MOST_MS = 30 * 60 * 1000,
};

struct mx_host {
    struct bytes name;   /* lower case, no final dot; of an address literal: the address, no
                            brackets */
    uint16_t preference; /* the smaller is tried first; equals at random */
};

struct facts; /* facts/facts.h */

/* What is ourselves: an MX that is, and those no better, are not sent to (RFC 5321, 5.1). */
struct mx_self {
    struct bytes hostname;
    const struct ip *addresses; /* those we take mail on, at the port that we would connect to */
    size_t address_count;
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
    bool is_implicit;    /* there is no MX record: the domain itself (RFC 5321, 5.1) */
    bool is_secure;      /* all of it validated by DNSSEC */
    int64_t ttl_ms;      /* how long the result may be used; of failures too */
    const char *status;  /* "5.1.2" no such domain, "5.1.10" null MX, "5.4.6" loop, "5.4.4" no host
                            has an address, "4.4.3" DNS failure … */
    struct bytes reason; /* for people, and for the report to the sender */
};

/* domain as in the recipient's address (UTF-8 or A-labels, or a literal with its brackets). Texts
 * and arrays of *out are in the arena or constant; *out is written unless facts are needed. */
MUST_CHECK enum mx_outcome mx_find(struct facts *facts, struct bytes domain,
                                   const struct mx_self *self, struct arena *arena,
                                   struct mx_result *out);
