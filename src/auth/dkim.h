/* DKIM: does a domain vouch for this message (RFC 6376, with 8301, 8463 and 8616)?
 *
 * The header section first, then the body as it streams (auth/body_hash.h, shared with ARC), then
 * dkim_verify_finish() over facts, again until it needs no more of them. Pure: asks the facts for
 * keys, knows no clock. Judges no message: that is policy's. */
#pragma once

#include "auth/body_hash.h"
#include "auth/dkim_signature.h"

struct facts;     /* facts/facts.h */
struct key_cache; /* auth/key_cache.h */

/* In the words of RFC 8601, 2.7.1. */
enum dkim_result {
    DKIM_NONE,      /* no signature */
    DKIM_PASS,      /* a signature is good */
    DKIM_FAIL,      /* the signature or the body's hash does not fit */
    DKIM_POLICY,    /* good perhaps, but by a key that is too weak */
    DKIM_NEUTRAL,   /* not said by us: what cannot be processed is DKIM_PERMERROR */
    DKIM_TEMPERROR, /* the DNS did not tell the key just now */
    DKIM_PERMERROR, /* a broken, expired or outdated signature, or no usable key */
};
const char *dkim_result_name(enum dkim_result result);

enum {
    DKIM_SIGNATURES_MOST = 10,  /* of a message: each costs a lookup and a verification */
    DKIM_KEY_BITS_LEAST = 1024, /* RFC 8301, 3.2 */
    DKIM_RECORDS_MOST = 4,      /* of one selector that are tried (RFC 6376, 6.1.2) */
    DKIM_AHEAD_S = 36000,       /* how far t= may be in the future: clocks and time zones err */
};

struct dkim_limits {
    size_t signatures;      /* 0: DKIM_SIGNATURES_MOST, which is also the most */
    unsigned key_bits;      /* the least of an RSA key; 0: DKIM_KEY_BITS_LEAST */
    struct key_cache *keys; /* opened before; NULL: none are kept (auth/key_cache.h) */
};

struct dkim_verify;
/* Reads the signatures of a header section (without the blank line) and asks `body` for the
 * hashes that they need; body must not have begun. Copies what it keeps. limits may be NULL. */
struct dkim_verify *dkim_verify_new(struct bytes section, struct body_hash *body,
                                    const struct dkim_limits *limits);
void dkim_verify_free(struct dkim_verify *verify);

/* How many signatures it has to check. */
size_t dkim_verify_count(const struct dkim_verify *verify);

/* One signature, in the order of the header section. Texts belong to the verification. */
struct dkim_check {
    enum dkim_result result;
    struct bytes domain;    /* lower case A-labels; empty where it could not be read */
    struct bytes selector;  /* as it is written, or A-labels; empty like it */
    struct bytes algorithm; /* as a= has it: a known one, or empty */
    struct bytes identity;  /* i=, or "@" and d=; empty like them */
    struct bytes start;     /* of b=, for header.b (RFC 6008) */
    struct bytes reason;    /* for people; of a pass what to be wary of, may be empty */
    unsigned key_bits;      /* 0: no key was found */
    bool is_testing;        /* the key says t=y: to be taken as no signature (3.6.1) */
    bool is_partial;        /* a pass whose l= leaves out the end of the body (8.2) */
};

struct dkim_report {
    enum dkim_result result; /* of all: the best one, pass before all else */
    struct dkim_check checks[DKIM_SIGNATURES_MOST];
    size_t count;
    bool is_cut; /* there are more signatures, which were not looked at */
};

enum dkim_outcome { DKIM_NEEDS_FACTS, DKIM_DONE };

/* After body_hash_end(). now_s: seconds since 1970. Writes *out, valid as long as the verification,
 * unless facts are needed. The work of a signature is done once, however often this is called. */
MUST_CHECK enum dkim_outcome dkim_verify_finish(struct dkim_verify *verify, struct facts *facts,
                                                int64_t now_s, struct dkim_report *out);

/* What a key of that selector can do for a digest and a signature: shared with ARC. */
struct dkim_claim {
    struct bytes domain, selector;
    enum key_algorithm algorithm;
    unsigned key_bits_least;
    bool is_subdomain; /* i= is below d=, which t=s forbids */
    const uint8_t *digest;
    struct bytes signature;
    struct bytes unfit;     /* why it fails even by a good key; empty: that is to be seen */
    struct key_cache *keys; /* may be NULL */
};
struct dkim_verdict {
    enum dkim_result result; /* DKIM_PASS: the signature is good */
    struct bytes reason;     /* a constant text */
    unsigned key_bits;
    bool is_testing;
};
/* Asks for the key, and checks the signature by it. False: facts are needed. */
MUST_CHECK bool dkim_claim_check(const struct dkim_claim *claim, struct facts *facts,
                                 struct dkim_verdict *out);
