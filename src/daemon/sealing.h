/* Seals a message that is passed on to elsewhere (ARC, RFC 8617, 5.1), so that those behind can
 * learn what was found of it here: by the RSA key of the domain that `verify.seal` names. */
#pragma once

#include "auth/arc_seal.h"
#include "daemon/worker.h"

struct sealing_message {
    uint64_t id;
    struct bytes section;   /* the header section as it came; copied */
    struct body_hash *body; /* complete, and asked for the hash that arc_seal_new() needs; outlives
                               the sealing */
    unsigned instance;      /* of the new set */
    enum arc_result chain;  /* ARC_NONE or ARC_PASS: what was found of the one before it */
    struct bytes results;   /* as an Authentication-Results field has them; copied */
};

struct sealing;
/* NULL: it cannot be sealed, the log says why. */
struct sealing *sealing_new(struct worker *worker, struct generation *generation,
                            const struct sealing_message *message);
/* Forgets it; answers of the keeper come to nothing. */
void sealing_free(struct sealing *sealing);

/* fields: the set, for the front of the header section; empty: no key could sign, the log says why.
 * May free the sealing. */
typedef void sealing_done(void *context, struct bytes fields);
/* Calls done once, perhaps before it returns. */
void sealing_finish(struct sealing *sealing, sealing_done *done, void *context);
