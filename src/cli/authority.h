/* A certificate authority for development: it makes itself, signs one server's certificate, and its
 * key is gone when the call ends. So whoever trusts it trusts that server and nothing else, however
 * badly the folder is kept. For servers that the world talks to, a public authority is needed. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/* How long they are valid: what Apple's systems take at most of a server's certificate. */
enum { AUTHORITY_DAYS = 825 };

/* In PEM. */
struct authority_issued {
    struct buf ca;          /* the authority's own certificate */
    struct buf certificate; /* the server's */
    struct buf key;         /* its private key, ECDSA on P-256 */
};

/* A certificate for the host (ASCII, up to 253 bytes) and for this machine: localhost, 127.0.0.1
 * and
 * ::1 (RFC 5280; names as RFC 9525, 6.2 compares them). False and err: the library failed; nothing
 * is to be freed then. */
MUST_CHECK bool authority_issue(const char *hostname, struct authority_issued *out,
                                struct error *err);
/* Wipes the key, and frees. */
void authority_issued_done(struct authority_issued *issued);
