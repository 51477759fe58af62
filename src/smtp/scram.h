/* The arithmetic of SCRAM-SHA-256 (RFC 5802, 3; RFC 7677): keys from a password, proofs from keys.
 * Both sides of the exchange stand on it (smtp/sasl.h, smtp/sasl_client.h), and so does whoever
 * keeps accounts. The messages are elsewhere. */
#pragma once

#include "base/bytes.h"

enum {
    SCRAM_HASH = 32, /* bytes of SHA-256 */
    /* RFC 7677, 4 asks for 4096 at least. A server that asks a client for more than the most
     * wants it to be busy, not safe. */
    SCRAM_ITERATIONS_LEAST = 4096,
    SCRAM_ITERATIONS_MOST = 200 * 1000,
    SCRAM_SALT_LIMIT = 128, /* bytes */
};

/* What a server keeps of a password: enough to check a proof, not to make one. */
struct scram_keys {
    uint8_t stored[SCRAM_HASH], server[SCRAM_HASH];
};

/* From a password as precis_password() leaves it. Takes as long as its iterations are many.
 * False: the library has no memory. */
MUST_CHECK bool scram_derive(struct bytes password, struct bytes salt, unsigned iterations,
                             struct scram_keys *out);

/* Does the proof show that its maker knows the password? Then the signature is what shows him that
 * these are the account's keys. Takes the same time either way. */
MUST_CHECK bool scram_check(const struct scram_keys *keys, struct bytes auth_message,
                            struct bytes proof, uint8_t signature[SCRAM_HASH]);

/* The client's side: the proof, and the signature to expect. Wiped are all things between. */
MUST_CHECK bool scram_prove(struct bytes password, struct bytes salt, unsigned iterations,
                            struct bytes auth_message, uint8_t proof[SCRAM_HASH],
                            uint8_t signature[SCRAM_HASH]);
