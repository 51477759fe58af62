/* Signs a message on its way to the spool (DKIM): finds the keys for its author's domain, hashes
 * the text as it comes, and has the keeper sign. */
#pragma once

#include "auth/public_key.h"
#include "daemon/worker.h"

struct keyring_key; /* policy/keyring.h */

struct signing;

/* section: the header section as it will go out, but for the fields in front of it; without the
 * blank line. NULL: there is no key for its author's domain, and nothing is to be signed. */
struct signing *signing_new(struct worker *worker, struct generation *generation,
                            struct bytes section);
/* False: the section has more fields than can be signed (FIELD_INDEX_LIMIT); no key could ever. */
bool signing_is_possible(const struct signing *signing);
/* Forgets it; answers of the keeper come to nothing. */
void signing_free(struct signing *signing);
/* The body as it comes, without the blank line in front of it. */
void signing_add(struct signing *signing, struct bytes text);

/* fields: to be put in front of the header section; empty: no key could sign, the log says why. May
 * free the signing. */
typedef void signing_done(void *context, struct bytes fields);
/* The body is complete. Calls done once, perhaps before it returns. id: for the log. */
void signing_finish(struct signing *signing, uint64_t id, signing_done *done, void *context);

/* Asks the keeper for the key's signature of a digest; as keeper_ask(). */
struct keeper_call *signing_ask(struct worker *worker, const struct config *config,
                                const struct keyring_key *key, const uint8_t digest[DIGEST_BYTES],
                                keeper_done *done, void *context);
