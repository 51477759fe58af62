/* The resolver behind a table of facts: answers its open questions from the DNS, in parallel, off
 * the loop. libunbound behind it, seen nowhere else: it asks the configured servers, keeps a cache
 * of its own, and validates DNSSEC itself (RFC 4035) when it knows a trust anchor.
 *
 * A dead or hostile DNS costs bounded time and memory: an order is through within its time, what
 * libunbound says later is dropped; so many questions are in flight, more wait (net/turns.h says in
 * what order), and beyond that they are refused (ANSWER_SERVFAIL).
 *
 * Not here: retries of its own, search domains (each name is whole), and names in other systems
 * than the DNS and /etc/hosts. */
#pragma once

#include "net/loop.h"

struct facts; /* facts/facts.h */

enum { RESOLVER_SERVER_LIMIT = 8 };

struct resolver_settings {
    const char *const
        *servers; /* "127.0.0.1:5353", "[::1]:53"; without any: those of resolv_conf */
    size_t server_count;
    bool is_validating; /* by DNSSEC, if there is a trust anchor */
    const char
        *trust_anchor; /* a file of DS or DNSKEY records; NULL: the system's, if it has one */
    struct bytes anchor_records; /* of that file, a line each, where they have been read; else it is
                                    read here */
    /* For tests; NULL and 0 take the defaults. */
    const char *resolv_conf, *hosts; /* /etc/resolv.conf, /etc/hosts */
    int64_t timeout_ms;              /* for all questions of an order: 10 s */
    size_t running_limit;            /* questions in flight: 2,048 */
    size_t waiting_limit;            /* questions that wait for that: 10,000 */
};

struct resolver;
/* NULL and err: a server is no address with its port, or the trust anchor cannot be read. Copies
 * the settings. All files are read here, but for those of a trust anchor of the system's. */
struct resolver *resolver_new(struct loop *loop, const struct resolver_settings *settings,
                              struct error *err);
/* Cancels what is under way. */
void resolver_free(struct resolver *resolver);
/* Takes no more orders and goes when the last that is under way is through. */
void resolver_retire(struct resolver *resolver_owned);
/* Would resolver_new make the same of these settings now? */
bool resolver_is_like(const struct resolver *resolver, const struct resolver_settings *settings);

/* Its servers for people: "127.0.0.1:5353 [::1]:53". */
struct bytes resolver_servers(const struct resolver *resolver);
/* The file of its trust anchor; NULL: nothing is validated, no answer is secure. */
const char *resolver_anchor(const struct resolver *resolver);

/* Answers open questions of the table at once, as far as the hosts file and the answers of before
 * do: what is asked over and over need not go round by the loop. True: none is open any more. */
bool resolver_answer(struct resolver *resolver, struct facts *facts);

/* An order under way: all questions that a table had open. */
struct resolving;
typedef void resolver_done(void *context);
/* Has all open questions of the table answered, then calls done, once, never before it returns.
 * The table must stay, and be left alone, until then or until the order is cancelled. The handle is
 * dead when done is called. done may resolve again, and may free the resolver. */
struct resolving *resolver_resolve(struct resolver *resolver, struct facts *facts,
                                   resolver_done *done, void *context);
/* The table is not touched any more, done is not called; NULL is fine. */
void resolver_cancel(struct resolving *resolving_owned);
