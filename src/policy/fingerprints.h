/* Certificates by their fingerprints: the SHA-256 of the whole certificate (DER), in hexadecimal
 * digits of either case, with or without colons, as openssl(1) and the log print it. Who has the
 * key of one that is listed is known, whoever issued it, or nobody. */
#pragma once

#include "base/bytes.h"

enum { FINGERPRINT_SIZE = 32 };

MUST_CHECK bool fingerprint_scan(struct bytes text, uint8_t out[FINGERPRINT_SIZE]);

/* A set of them. */
struct fingerprints;
struct fingerprints *fingerprints_new(void);
/* NULL is fine. */
void fingerprints_free(struct fingerprints *fingerprints);
/* False: the text is none, and nothing is added. */
MUST_CHECK bool fingerprints_add(struct fingerprints *fingerprints, struct bytes text);
bool fingerprints_have(const struct fingerprints *fingerprints,
                       const uint8_t fingerprint[FINGERPRINT_SIZE]);
size_t fingerprints_count(const struct fingerprints *fingerprints);
