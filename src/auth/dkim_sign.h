/* Signing a message for a domain (RFC 6376, 5), by several keys at once: RSA for all, Ed25519 for
 * those who know it (RFC 8463). Canonical forms are relaxed/relaxed.
 *
 * The private keys are elsewhere: this yields the digests that they are to sign, and makes fields
 * of what comes back. The bytes that are signed are the bytes that go out: sign what is final. */
#pragma once

#include "auth/body_hash.h"
#include "auth/public_key.h"

enum { DKIM_SIGN_KEYS_MOST = 4 };

struct dkim_sign_key {
    struct bytes selector; /* A-labels */
    enum key_algorithm algorithm;
};

struct dkim_sign_plan {
    struct bytes domain;   /* d=, A-labels */
    struct bytes identity; /* i=, as it is to stand there; empty: none */
    const struct dkim_sign_key *keys;
    size_t key_count;   /* 1 to DKIM_SIGN_KEYS_MOST */
    int64_t now_s;      /* t= */
    int64_t lifetime_s; /* x= is that much later; 0: no x= */
};

struct dkim_sign;
/* section: the header section as it goes out, without the blank line and without the fields that
 * are made here, which belong in front of it. Asks `body` for the hash; body must not have begun,
 * and outlives the signing. Copies what it keeps. NULL: more fields than auth/header_hash.h takes.
 */
struct dkim_sign *dkim_sign_new(const struct dkim_sign_plan *plan, struct bytes section,
                                struct body_hash *body);
void dkim_sign_free(struct dkim_sign *sign);

/* After body_hash_end(): what the key at that place is to sign. RSA: RSASSA-PKCS1-v1_5 over this
 * SHA-256 digest. Ed25519: the digest is the message (RFC 8463, 3). */
void dkim_sign_digest(struct dkim_sign *sign, size_t key, uint8_t digest[DIGEST_BYTES]);
/* The signature of that digest; copied. */
void dkim_sign_add(struct dkim_sign *sign, size_t key, struct bytes signature);
/* Appends a DKIM-Signature field for each key that has signed. */
void dkim_sign_print(const struct dkim_sign *sign, struct buf *out);
