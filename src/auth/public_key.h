/* The public keys that signatures of mail are checked with: RSA (RFC 6376, 3.3) and Ed25519 (RFC
 * 8463). Computes; knows nothing of records and headers. */
#pragma once

#include "base/bytes.h"

enum key_algorithm { KEY_RSA, KEY_ED25519 };

enum {
    DIGEST_BYTES = 32, /* of SHA-256, which both algorithms sign */
    /* Bits of an RSA key; larger ones cost more time than a signature of mail is worth. RFC 8301,
     * 3.2 wants 4096 to be good. */
    RSA_BITS_MOST = 8192,
};

/* "rsa", "ed25519": as k= has them. */
const char *key_algorithm_name(enum key_algorithm algorithm);

struct public_key;
/* Reads a key: of RSA its DER, as SubjectPublicKeyInfo or RSAPublicKey (RFC 6376, 3.6.1 and its
 * erratum); of Ed25519 its 32 bytes (RFC 8463, 4). NULL: there is none in it, or a larger one. */
struct public_key *public_key_new(enum key_algorithm algorithm, struct bytes data);
void public_key_free(struct public_key *key);
unsigned public_key_bits(const struct public_key *key);
/* Is it the signature of that SHA-256 digest: RSASSA-PKCS1-v1_5, or PureEdDSA over the digest (RFC
 * 8463, 3)? A key is for one thread at a time. */
bool public_key_verify(const struct public_key *key, const uint8_t digest[DIGEST_BYTES],
                       struct bytes signature);
