/* Passwords: what is kept of them, and whether one is right. yescrypt of libxcrypt for those that
 * people choose, and beside it the keys of SCRAM-SHA-256, derived when the password is set. Slow on
 * purpose; runs on any thread. All of a password comes in as precis_password() leaves it. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "smtp/scram.h"

enum {
    PASSWORD_LIMIT = 500,      /* bytes; crypt(3) takes 511 */
    PASSWORD_HASH_LIMIT = 384, /* CRYPT_OUTPUT_SIZE of libxcrypt */
    PASSWORD_DIGEST = 32,
    PASSWORD_SALT = 16,
    PASSWORD_ITERATIONS = 10000, /* of SCRAM; clients have to do them */
};

/* What is kept. Wiped with OPENSSL_cleanse by whoever held it. */
struct credentials {
    char hash[PASSWORD_HASH_LIMIT];
    uint8_t salt[PASSWORD_SALT];
    uint32_t iterations;
    struct scram_keys keys;
};

/* Derives all of it, under new salts. cost 1 to 11. False and err: the password is too long or
 * empty, or the system does not know yescrypt. */
MUST_CHECK bool password_derive(struct bytes password, unsigned cost, struct credentials *out,
                                struct error *err);
/* Is the hash that of the password? Takes as long for a hash that nobody has the password of, and
 * for a password that is none. */
bool password_is_right(struct bytes password, const char *hash);
/* Were both made with one cost? */
bool password_costs_the_same(const char *hash, const char *other);
/* A hash of nothing, to be checked in place of that of an account that is not there. */
MUST_CHECK bool password_decoy(unsigned cost, char out[PASSWORD_HASH_LIMIT], struct error *err);

/* Appends a new one of 120 random bits: xxxxx-xxxxx-xxxxx-xxxxx-xxxx, of letters and digits that
 * nobody mistakes for each other. */
void password_generate(struct buf *out);
/* What is kept of such a one, which needs no slow hash: nobody guesses it. Hyphens, spaces and case
 * do not count. */
void password_digest(struct bytes password, uint8_t out[PASSWORD_DIGEST]);
