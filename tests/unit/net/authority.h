/* A throw-away certificate authority for tests. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/buf.h"

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
};

struct issued {
    X509 *certificate;
    EVP_PKEY *key;
    struct buf chain_pem, key_pem;
};

void authority_init(struct authority *authority);
void authority_done(struct authority *authority);
/* kind: "RSA", "EC", "ED25519"; names: "DNS:a.example,DNS:b.example"; lives from now + begin_s to
 * now + end_s. NULL authority: self-signed. */
void authority_issue(struct authority *authority, const char *kind, const char *names, long begin_s,
                     long end_s, struct issued *out);
void issued_done(struct issued *issued);
/* Appends its certificate in PEM. */
void authority_print(const struct authority *authority, struct buf *out);
