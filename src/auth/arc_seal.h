/* Sealing a message that is passed on: one more set for its ARC chain (RFC 8617, 5.1), by one key.
 *
 * The private key is elsewhere, as with auth/dkim_sign.h. It signs twice, one after the other: the
 * message, then the chain with that signature in it. Does not look at the chain itself:
 * arc_verify() has, and nobody seals a chain that is closed. */
#pragma once

#include "auth/arc.h"

struct arc_seal_plan {
    struct bytes domain, selector; /* A-labels */
    enum key_algorithm algorithm;
    unsigned instance;     /* one more than the chain has, 1 to ARC_SETS_MOST */
    enum arc_result chain; /* what was found of the chain before it */
    struct bytes results;  /* what was found of the message, as an Authentication-Results field has
                              it; may be folded */
    struct bytes names;    /* h= of the message signature; empty: ARC_SEAL_NAMES */
    int64_t now_s;
};

/* What says who writes to whom about what, and how the body is to be read; and DKIM's signatures,
 * so that they can still be checked by whom the seal convinces. */
#define ARC_SEAL_NAMES                                                                             \
    "from:reply-to:subject:date:message-id:to:cc:in-reply-to:references:mime-version:"             \
    "content-type:content-transfer-encoding:dkim-signature"

struct arc_seal;
/* names has at most SIGNED_NAMES_LIMIT of them. section: the header section as it goes out, but for
 * the set; without the blank line. Asks `body` for the hash of CANONICAL_RELAXED and BODY_WHOLE;
 * body must not have begun, unless that was asked for before, and outlives the sealing. Copies what
 * it keeps. NULL: the section has more fields than auth/header_hash.h takes. */
struct arc_seal *arc_seal_new(const struct arc_seal_plan *plan, struct bytes section,
                              struct body_hash *body);
void arc_seal_free(struct arc_seal *seal);

/* After body_hash_end(): what the key is to sign first, and its signature. */
void arc_seal_message_digest(struct arc_seal *seal, uint8_t digest[DIGEST_BYTES]);
void arc_seal_add_message(struct arc_seal *seal, struct bytes signature);
/* Then what it is to sign second, and its signature. */
void arc_seal_chain_digest(struct arc_seal *seal, uint8_t digest[DIGEST_BYTES]);
void arc_seal_add_chain(struct arc_seal *seal, struct bytes signature);

/* Appends the three fields, for the front of the section. */
void arc_seal_print(const struct arc_seal *seal, struct buf *out);
