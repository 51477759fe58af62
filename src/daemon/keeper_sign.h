/* What the keeper does with a private key: signatures, as libcrypto makes them. Runs on any
 * thread. */
#pragma once

#include <openssl/evp.h>

#include "base/error.h"
#include "daemon/keeper_request.h"

/* Appends the signature of bytes. False and err: the key is of another kind than the scheme, or
 * the bytes have a length that it does not take. */
MUST_CHECK bool keeper_sign(EVP_PKEY *key, const struct keeper_request *request, struct buf *out,
                            struct error *err);
/* Appends the key's public half, a SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7). */
MUST_CHECK bool keeper_public_key(EVP_PKEY *key, struct buf *out, struct error *err);
