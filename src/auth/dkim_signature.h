/* One signature's tags: of a DKIM-Signature (RFC 6376, 3.5), an ARC-Message-Signature (RFC 8617,
 * 4.1.2) or an ARC-Seal (4.1.3). Reads them and holds each to its rules; checks no signature. */
#pragma once

#include "auth/canonical.h"
#include "auth/public_key.h"
#include "base/arena.h"

enum signature_kind { SIGNATURE_DKIM, SIGNATURE_ARC_MESSAGE, SIGNATURE_ARC_SEAL };

enum {
    SIGNATURE_VALUE_LIMIT = 64 * 1024,        /* bytes of a field's value that are read */
    SIGNATURE_BYTES_MOST = RSA_BITS_MOST / 8, /* of b= */
    SIGNATURE_ARENA = 3 * SIGNATURE_VALUE_LIMIT + 16 * 1024, /* for one signature and its value */
};

struct dkim_signature {
    struct bytes algorithm; /* a= as it is written */
    enum key_algorithm key;
    struct bytes domain;   /* d= as the DNS has it: lower case, A-labels */
    struct bytes selector; /* s= as it is written; A-labels where it is not ASCII */
    struct bytes identity; /* i= without blanks in it, "@" and d= when it is not there; not of
                              ARC */
    bool is_subdomain;     /* the domain of i= is not d= itself */
    enum canonical_form header_form, body_form;
    struct bytes names;                /* h=; a view of the value */
    uint64_t body_limit;               /* l=, or BODY_WHOLE */
    int64_t signed_s, expires_s;       /* t=, x=; -1: not there */
    struct bytes signature, body_hash; /* b= and bh=, decoded */
    struct bytes start;                /* the first characters of b=, for header.b (RFC 6008) */
    unsigned instance;                 /* i= of ARC */
    struct bytes chain;                /* cv= of a seal: "none", "pass" or "fail" */
};

enum { SIGNATURE_INSTANCE_MOST = 50 }; /* RFC 8617, 4.2.1 */

/* value: of the field, folds kept; it must outlive *out, the rest of which is in the arena. False:
 * *reason says for people which rule is broken; *out then has algorithm, domain, selector and
 * start as far as they can be read, and nothing else. */
MUST_CHECK bool dkim_signature_parse(enum signature_kind kind, struct bytes value,
                                     struct arena *arena, struct dkim_signature *out,
                                     struct bytes *reason);
