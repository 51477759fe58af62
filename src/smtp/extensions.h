/* What a server offers in its reply to EHLO or LHLO (RFC 5321, 4.1.1.1), as far as the client
 * makes use of it. */
#pragma once

#include "smtp/sasl.h"

enum {
    OFFERS_PIPELINING = 1,  /* RFC 2920 */
    OFFERS_SIZE = 2,        /* RFC 1870 */
    OFFERS_8BITMIME = 4,    /* RFC 6152 */
    OFFERS_BINARYMIME = 8,  /* RFC 3030 */
    OFFERS_CHUNKING = 16,   /* RFC 3030 */
    OFFERS_SMTPUTF8 = 32,   /* RFC 6531 */
    OFFERS_DSN = 64,        /* RFC 3461 */
    OFFERS_DELIVERBY = 128, /* RFC 2852 */
    OFFERS_STARTTLS = 256,  /* RFC 3207 */
};

struct extensions {
    unsigned offers;     /* OFFERS_… */
    uint64_t size_limit; /* bytes; 0: not told (RFC 1870, 4) */
    size_t mail_max;     /* RFC 9422, 4; SIZE_MAX: not told */
    size_t rcpt_max;
    unsigned logins;   /* mechanisms of AUTH that we know, as bits 1 << SASL_… (RFC 4954, 3) */
    uint64_t by_min_s; /* the least time for mode R; 0: not told (RFC 2852, 2) */
};

void extensions_init(struct extensions *extensions);
/* Reads one line of the reply behind its first: a keyword and its parameters. Unknown ones and
 * parameters out of their syntax count as absent. */
void extensions_add(struct extensions *extensions, struct bytes line);
