/* JSON Web Tokens as OAuth's bearer tokens (RFC 7519, 7515), checked offline against keys that are
 * at hand: RS256, ES256, EdDSA (RFC 7518, 8037). Nobody is asked, so a token that its issuer took
 * back is good until it expires.
 *
 * The algorithm is the key's, never the token's choice: "none", symmetric ones, and a public key
 * taken for a shared secret have no place to come in (RFC 8725, 3.1). */
#pragma once

#include "base/buf.h"
#include "base/error.h"

struct jwt_keys;

enum {
    JWT_TOKEN_LIMIT = 16 * 1024,    /* bytes of a token */
    JWT_KEYS_LIMIT = 64,            /* of one set */
    JWT_KEY_SET_LIMIT = 256 * 1024, /* bytes of a JWKS or PEM file */
    JWT_RSA_BITS_LEAST = 2048,      /* RFC 7518, 3.3 */
    JWT_TEXT_LIMIT = 1024,          /* bytes of an issuer, audience, key id, account */
};

struct jwt_keys *jwt_keys_new(void);
void jwt_keys_free(struct jwt_keys *keys);
/* Adds the keys of a set (JWKS; RFC 7517, 5) that a token may be signed with; the others in it (for
 * encryption, symmetric, of kinds not known here) are left out. False and err: it is no set, or
 * has no such key, or there are too many. */
MUST_CHECK bool jwt_keys_add_set(struct jwt_keys *keys, struct bytes json, struct error *err);
/* Adds a public key in PEM ("PUBLIC KEY"), for tokens with any key id. */
MUST_CHECK bool jwt_keys_add_pem(struct jwt_keys *keys, struct bytes pem, struct error *err);
size_t jwt_keys_count(const struct jwt_keys *keys);

/* What a token must say. */
struct jwt_terms {
    const struct jwt_keys *keys;
    struct bytes issuer;   /* iss, exactly */
    struct bytes audience; /* one of aud */
    struct bytes claim;    /* the name of the claim that names the account: "email", "sub" */
    int64_t now_ms;        /* the wall clock */
    int64_t leeway_ms;     /* for clocks that differ */
};

enum jwt_verdict {
    JWT_GOOD,
    JWT_MALFORMED,
    JWT_ALGORITHM,   /* not one of the three, or a header that must be understood and is not */
    JWT_UNKNOWN_KEY, /* no key with that id and for that algorithm */
    JWT_SIGNATURE,
    JWT_EXPIRED, /* or without exp */
    JWT_NOT_YET,
    JWT_ISSUER,
    JWT_AUDIENCE,
    JWT_NOBODY, /* the claim is not there, no text, or not verified (email_verified is false) */
};

/* The signature comes first: what the token says of itself is nothing before. With JWT_GOOD the
 * account is appended. */
enum jwt_verdict jwt_check(struct bytes token, const struct jwt_terms *terms, struct buf *account);
/* In words, for the log. */
const char *jwt_verdict_text(enum jwt_verdict verdict);
