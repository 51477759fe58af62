/* The hashes of a message's body that its signatures ask for, computed while it streams: once for
 * each canonical form in use (auth/canonical.h), however many signatures there are, of DKIM and of
 * ARC. SHA-256 is the only hash that they have today (RFC 8301, 3.1). */
#pragma once

#include "auth/canonical.h"

enum {
    BODY_HASH_BYTES = 32,  /* of SHA-256 */
    BODY_HASH_LIMIT = 128, /* different hashes of a body */
};

struct body_hash;
struct body_hash *body_hash_new(void);
void body_hash_free(struct body_hash *hash);

#define BODY_WHOLE UINT64_MAX

/* Asks for the hash of the first `limit` bytes of the canonical body (RFC 6376, 3.5, l=), or of
 * BODY_WHOLE; before the body begins, and again at any time. Gives the place of the answer, the
 * same for the same question; -1: too many different ones. */
MUST_CHECK int body_hash_want(struct body_hash *hash, enum canonical_form form, uint64_t limit);

/* The body as it comes, without the blank line in front of it. */
void body_hash_add(struct body_hash *hash, struct bytes text);
/* The body is complete. */
void body_hash_end(struct body_hash *hash);
bool body_hash_has_ended(const struct body_hash *hash);

struct body_digest {
    uint8_t digest[BODY_HASH_BYTES];
    uint64_t body_bytes; /* of the whole canonical body */
    bool is_short;       /* the body is shorter than the limit: the hash is of all of it */
};
/* The answer, after body_hash_end(); valid as long as the object. */
const struct body_digest *body_hash_view(const struct body_hash *hash, int place);
