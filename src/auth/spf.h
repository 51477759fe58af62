/* Sender Policy Framework (RFC 7208): may this client use that domain in MAIL FROM or HELO? Pure:
 * facts are handed in, time is a parameter.
 *
 * A domain's record is hostile: terms that ask the DNS are limited to ten in all, those of them
 * that find nothing to two, hosts of an MX and names of a client to ten (RFC 7208, 4.6.4), a record
 * to 8 KiB; includes are not recursion here. What the limits allow fits into one table of facts, so
 * that each identity wants a table of its own.
 *
 * Not here: what follows from a result (policy), and the names that senders give their hosts. */
#pragma once

#include "base/arena.h"
#include "base/ip.h"

struct facts; /* facts/facts.h */

enum {
    SPF_TERM_LIMIT = 10,     /* that ask the DNS; RFC 7208, 4.6.4 */
    SPF_VOID_LIMIT = 2,      /* of those, that find nothing */
    SPF_HOST_LIMIT = 10,     /* of one mx */
    SPF_RECORD_LIMIT = 8192, /* bytes; 512 is what a record should stay within (RFC 7208, 3.4), and
                                each round of questions reads all of them anew */
    SPF_EXPLANATION_TEXT_LIMIT = 400, /* bytes; a reply has room for 512 */
    SPF_ARENA = 8192,                 /* enough for one verdict */
};

enum spf_result {
    SPF_NEEDS_FACTS,
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR, /* the DNS does not tell, now */
    SPF_PERMERROR, /* what the domain publishes is no good */
};
/* In the words of RFC 8601, 2.7.2; "" of SPF_NEEDS_FACTS. */
const char *spf_result_name(enum spf_result result);

enum spf_identity { SPF_MAIL_FROM, SPF_HELO };

struct spf_query {
    enum spf_identity identity;
    struct ip ip;           /* the client's address */
    struct bytes helo;      /* as it was given in EHLO or HELO */
    struct bytes mail_from; /* the reverse-path, without < and >; when it is empty, that is
                               postmaster at the HELO name (RFC 7208, 2.4) */
    struct bytes receiver;  /* our own name, for explanations; may be empty */
    int64_t now_ms;         /* for explanations */
};

/* Views are of the arena. */
struct spf_verdict {
    enum spf_result result;
    struct bytes domain;        /* of the identity: A-labels, lower case; empty: it is none */
    struct bytes mechanism;     /* the term that decided, as it is written; empty: no term did */
    struct bytes record_domain; /* whose record the term is in: not `domain` behind a redirect, or
                                   when an included record is bad */
    struct bytes record;        /* its text (the first 2 KiB); empty: there is none */
    struct bytes explanation;   /* of SPF_FAIL: what the domain says to it, in printable ASCII; a
                                   third party's words, may be empty */
    struct bytes problem;       /* for people: why SPF_NONE, SPF_TEMPERROR, SPF_PERMERROR */
    unsigned terms, voids;      /* how many asked the DNS, and found nothing */
};

/* Can this name be checked as SPF_HELO: is it a domain of several labels, not an address literal
 * (RFC 7208, 2.3)? spf_check() says SPF_NONE to others, without a question. */
bool spf_helo_is_domain(struct bytes helo);

/* The verdict in *out and its result, or SPF_NEEDS_FACTS: then the table has open questions, and
 * *out is not written. Rounds end, whatever is answered. An arena without room costs the verdict's
 * texts only. */
MUST_CHECK enum spf_result spf_check(const struct spf_query *query, struct facts *facts,
                                     struct arena *arena, struct spf_verdict *out);
