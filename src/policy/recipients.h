/* Who gets mail here, and who may send through: the answer to each RCPT. Pure.
 *
 * Knows the local domains, their mailboxes, aliases and catch-alls, and expands an accepted
 * recipient to final addresses. Does not know how those are reached (queue/route.h); whether a
 * remote domain can be reached is handed in.
 *
 * What a local part means, in this order: the alias or mailbox of that name, detail and all; that
 * of the name without the detail; any mailbox (MAILBOXES_ANY), or the account of the name without
 * the detail (MAILBOXES_DIRECTORY); the catch-all; for postmaster, whom each local domain must have
 * (RFC 5321, 4.5.1), the domain's first mailbox or, when it has none, its first alias. Local parts
 * that others might read as a route ("user%host", "host!user", "user@host" in quotes), or that
 * would make an odd name of a folder (with a slash, a control, a dot in front), are nobody's unless
 * a mailbox or an alias has just that name. */
#pragma once

#include "base/arena.h"
#include "mail/address.h"
#include "policy/directory.h"

struct recipients;

enum { ALIAS_DEPTH_LIMIT = 10, EXPANSION_LIMIT = 1000 }; /* loops end here, and bombs */

enum mailboxes { MAILBOXES_LISTED, MAILBOXES_ANY, MAILBOXES_DIRECTORY };

/* Building, from a configuration. Domains and local parts are compared without ASCII case. */
struct recipients *recipients_new(uint64_t seed);
void recipients_free(struct recipients *recipients);
/* False: the domain is there already. */
MUST_CHECK bool recipients_add_domain(struct recipients *recipients, struct bytes domain,
                                      enum mailboxes mailboxes);
/* The rest needs the domain added before. delimiter is 0 (none) or a byte such as '+': what
 * follows it in a local part is a detail, not part of the mailbox's name. */
void recipients_set_delimiter(struct recipients *recipients, struct bytes domain,
                              uint8_t delimiter);
void recipients_add_mailbox(struct recipients *recipients, struct bytes domain, struct bytes local);
/* Adds one target (local@domain, any domain) to the alias; an alias may have many. Its own name
 * among them means the mailbox of that name, which makes a copy for others. A target that is no
 * address is passed over. */
void recipients_add_alias(struct recipients *recipients, struct bytes domain, struct bytes local,
                          struct bytes target);
/* Unknown local parts go to this address. */
void recipients_set_catch_all(struct recipients *recipients, struct bytes domain,
                              struct bytes target);

/* Mail for these domains is taken from anybody and passed on, as by a backup MX: a pattern of
 * policy/pattern.h but "*", which would be an open relay. Local parts that others might read as a
 * route are refused there too, as the next server trusts this one. False: it is there already. */
MUST_CHECK bool recipients_add_relayed(struct recipients *recipients, struct bytes pattern);
/* Is just that pattern among them? */
bool recipients_has_relayed(const struct recipients *recipients, struct bytes pattern);
bool recipients_is_relayed_domain(const struct recipients *recipients, struct bytes domain);

/* Where the names of MAILBOXES_DIRECTORY are looked up; kept, and may be filled later. */
void recipients_set_directory(struct recipients *recipients, const struct directory *directory);
/* Has any domain its mailboxes in the directory? */
bool recipients_need_directory(const struct recipients *recipients);

struct recipient_query {
    const struct address *address; /* domain empty: <postmaster> of this host */
    struct bytes hostname;         /* stands for the missing domain of <postmaster>, when no
                                      local domain has one */
    bool may_relay;                /* from a trusted network, or authenticated */
    bool has_route;                /* the configuration says where the domain's mail goes; else the
                                      DNS is asked for it, later */
    struct bytes client;           /* for the refusal's text: "192.0.2.1" */
};

/* What to answer, and why. Texts are in the arena or constant. */
struct recipient_verdict {
    bool is_accepted;
    bool is_local;
    int code;            /* 250, 550, 452 … */
    struct bytes status; /* "2.1.5", "5.1.1", "5.7.1" … */
    struct bytes text;   /* for the reply: what, and what the sender can do */
    struct bytes rule; /* for the log: "relay", "relay-domain", "unknown-mailbox", "alias-loop" … */
};
/* Decides; changes nothing. */
struct recipient_verdict recipients_check(const struct recipients *recipients,
                                          const struct recipient_query *query, struct arena *arena);

/* The final addresses of an accepted recipient: itself, or its aliases' targets, each once, in
 * order; *out is in the arena. Targets that are unknown here are among them, so that they are
 * reported (an alias of which all are unknown is refused by the check: 5.1.1). False at
 * EXPANSION_LIMIT, ALIAS_DEPTH_LIMIT or the arena's ceiling (the check has refused such a
 * recipient: 5.4.6). */
MUST_CHECK bool recipients_expand(const struct recipients *recipients,
                                  const struct address *address, struct bytes hostname,
                                  struct arena *arena, struct bytes **out, size_t *count);

bool recipients_is_local_domain(const struct recipients *recipients, struct bytes domain);
/* Walks the local domains, as they were added: start with *place 0; false at the end. *domain is
 * lower case, borrowed. */
bool recipients_next_domain(const struct recipients *recipients, size_t *place,
                            struct bytes *domain);
/* The name of the mailbox that a final local address is kept in: lower case, without detail,
 * unquoted; false when the address is not a local mailbox. Views in the arena. */
MUST_CHECK bool recipients_mailbox(const struct recipients *recipients,
                                   const struct address *address, struct arena *arena,
                                   struct bytes *domain, struct bytes *local);
