/* The terms of an SPF record (RFC 7208, 4.6.1 and 12), read one after the other. Views point into
 * the record. */
#pragma once

#include "auth/spf.h"
#include "base/ip.h"

enum spf_kind {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP4,
    SPF_IP6,
    SPF_EXISTS,
    SPF_REDIRECT,
    SPF_EXP,
    SPF_UNKNOWN_MODIFIER,
};

struct spf_term {
    enum spf_kind kind;
    enum spf_result qualifier; /* what a mechanism gives when it matches */
    struct bytes text;         /* the whole term */
    struct bytes spec;         /* its domain-spec; empty: it has none */
    struct ip ip;              /* of ip4 and ip6 */
    unsigned bits4, bits6;     /* of a, mx, ip4, ip6: how many are compared, of 32 and 128 */
};

/* Is it a record of SPF, by its version (RFC 7208, 4.5)? *terms is what stands behind that. */
bool spf_record_begins(struct bytes text, struct bytes *terms);

enum spf_term_status { SPF_TERM_FOUND, SPF_TERM_END, SPF_TERM_BAD };
/* Takes the next term. SPF_TERM_BAD: out->text is the term, *why says what is wrong with it. */
enum spf_term_status spf_term_next(struct bytes *terms, struct spf_term *out, const char **why);

/* What has to be known of a record before its first term is evaluated. */
struct spf_outline {
    bool has_all;
    struct bytes redirect, exp; /* their domain-specs; empty: there is none */
    struct bytes bad;           /* the term with a syntax error */
    const char *why;            /* what is wrong with it */
};
/* Reads all terms; false: a syntax error somewhere (RFC 7208, 4.6), out->bad and out->why. */
bool spf_record_outline(struct bytes terms, struct spf_outline *out);
