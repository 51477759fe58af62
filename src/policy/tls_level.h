/* TLS towards other servers: by which rule of the configuration, at which level, and who the server
 * must be then. Pure: a rule follows from the destination, a level from the rule and what is known
 * of the host.
 *
 * A forced level is worth as much as the name that is verified. An MX host's name comes from the
 * DNS, where an attacker may have put it, with a certificate of his own for it: it counts only when
 * DNSSEC vouches for it, or when the configuration has it (RFC 7672, 1.3.2). Else the certificate
 * must be for the recipient's domain, or for a name below it. */
#pragma once

#include "base/buf.h"

enum tls_level {
    TLS_LEVEL_NONE,          /* clear text, never STARTTLS */
    TLS_LEVEL_OPPORTUNISTIC, /* TLS where it is to be had, whatever the certificate; else clear text
                                (RFC 7435) */
    TLS_LEVEL_FORCED,        /* TLS with a certificate that is verified, or nothing */
};

enum { TLS_PIN_SIZE = 32, TLS_PIN_LIMIT = 16, TLS_NAME_LIMIT = 16 };

/* Where a rule stands, for the log. */
enum tls_source {
    TLS_BY_DEFAULT, /* outbound.tls */
    TLS_BY_DOMAIN,  /* outbound.tls_domains */
    TLS_BY_ROUTE,   /* routes.tls */
    TLS_BY_LOGIN,   /* routes.user: a password goes with it */
    TLS_BY_NATURE,  /* smtps:// is TLS from its beginning, a Unix socket needs none */
};

/* Plain data; views. */
struct tls_rule {
    enum tls_level level;
    enum tls_source source;
    /* Of TLS_LEVEL_FORCED: */
    struct bytes ca_file;      /* whom to trust; empty: the system's trust store */
    const struct bytes *names; /* the certificate is to be for one of these: "mx.example.org", or
                                  ".example.org" for what is below it; none: as above */
    size_t name_count;
    const uint8_t (*pins)[TLS_PIN_SIZE]; /* SHA-256 of public keys (SubjectPublicKeyInfo): with any,
                                            the server's own is to be one of them, and nothing else
                                            of its certificate counts */
    size_t pin_count;
};

/* For a Unix socket, and for smtps:// or a login without a rule of their own; constant. */
const struct tls_rule *tls_rule_local(void);
const struct tls_rule *tls_rule_login(void);
const struct tls_rule *tls_rule_smtps(void);

/* One block with all that the rule views; the caller frees it. */
struct tls_rule *tls_rule_copy(const struct tls_rule *rule);
/* Appends what tells rules apart that may not share connections: ";tls=none", ";tls=forced",
 * ";tls=forced:5f3a09c1d2e4b687" (a hash, where there is more to it); nothing for an opportunistic
 * one. */
void tls_rule_print(struct buf *out, const struct tls_rule *rule);
/* Does the certificate have to be for the recipient's domain, so that no other may share the
 * connection? */
bool tls_rule_is_bound(const struct tls_rule *rule);

/* --- The rules of a configuration --------------------------------------------------------------
 */

struct tls_rules;
struct tls_rules *tls_rules_new(uint64_t seed);
void tls_rules_free(struct tls_rules *rules);
/* In place of the first default, which is opportunistic; copies. */
void tls_rules_set_default(struct tls_rules *rules, const struct tls_rule *rule);
/* For domains of a pattern (policy/pattern.h); copies. False: the pattern is none, or is there
 * already. */
MUST_CHECK bool tls_rules_add(struct tls_rules *rules, struct bytes pattern,
                              const struct tls_rule *rule);
/* Borrowed. */
const struct tls_rule *tls_rules_find(const struct tls_rules *rules, struct bytes domain);

/* --- One connection ----------------------------------------------------------------------------
 */

/* What is known of the host to be connected to. Views. */
struct tls_hop {
    struct bytes host;   /* its name (A-labels), or address */
    bool is_by_mx;       /* else a route names it */
    struct bytes domain; /* by MX: of the recipients, in A-labels; empty: it has none */
    bool is_host_secure; /* by MX: DNSSEC vouches for the host's name */
    bool is_implicit;    /* TLS from the beginning (RFC 8314, 3) */
    bool has_failed;     /* its handshake failed of late */
};

/* How to talk to it. */
struct tls_terms {
    enum tls_level level;
    const char *reason;                 /* what decided, for the log: "outbound.tls"; constant */
    struct bytes names[TLS_NAME_LIMIT]; /* one of which the certificate is to have, when forced (and
                                           not pinned): at least one then; views of the rule, of the
                                           hop, and of room */
    size_t name_count;
    uint8_t room[256];
};

/* The level for a connection. (DANE and MTA-STS would be levels more, by facts in the hop.) */
void tls_level_choose(const struct tls_rule *rule, const struct tls_hop *hop,
                      struct tls_terms *out);
const char *tls_level_word(enum tls_level level);
