/* The keys that tokens are checked with; shared by jwt_keys.c, which reads them, and jwt.c, which
 * uses them. Private to them. */
#pragma once

#include <openssl/evp.h>

#include "auth/jwt.h"

enum jwt_algorithm { JWT_RS256, JWT_ES256, JWT_EDDSA };

struct jwt_key {
    EVP_PKEY *key; /* of the algorithm's kind */
    enum jwt_algorithm algorithm;
    struct bytes id; /* owned; empty: any */
};

struct jwt_keys {
    struct jwt_key list[JWT_KEYS_LIMIT];
    size_t count;
};

/* "RS256"; and back: exactly, as RFC 7515, 4.1.1 has it. */
const char *jwt_algorithm_name(enum jwt_algorithm algorithm);
MUST_CHECK bool jwt_algorithm_find(const char *name, enum jwt_algorithm *out);
