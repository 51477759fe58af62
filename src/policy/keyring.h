/* The keys that mail is signed with (DKIM): for which domain, under which selector, in use or not.
 * Read and printed as text, a line a key; the private keys themselves are in other files, which the
 * keeper alone reads. Pure. */
#pragma once

#include "auth/dkim_sign.h"
#include "base/error.h"

enum keyring_state {
    KEYRING_NEW,     /* to be published; does not sign yet */
    KEYRING_ACTIVE,  /* signs */
    KEYRING_RETIRED, /* signs no more; its record still serves mail under way */
};

enum {
    KEYRING_LIMIT = 4096,         /* keys */
    KEYRING_TEXT_LIMIT = 1 << 20, /* bytes */
    KEYRING_FILE_LIMIT = 300,     /* of a file's name */
};

struct keyring_key {
    struct bytes domain, selector; /* lower case A-labels */
    enum key_algorithm algorithm;
    enum keyring_state state;
    int64_t since_s;   /* of that state; seconds since 1970 */
    struct bytes file; /* of the private key, in the folder of keys */
};

const char *keyring_state_name(enum keyring_state state);

struct keyring;
struct keyring *keyring_new(void);
void keyring_free(struct keyring *keyring);
/* NULL and err, which names the line: the text is no keyring. Empty lines and those that begin with
 * "#" are passed over. */
struct keyring *keyring_parse(struct bytes text, struct error *err);
/* Appends the text that keyring_parse() reads. */
void keyring_print(struct buf *out, const struct keyring *keyring);

size_t keyring_count(const struct keyring *keyring);
/* In the order of the text; borrowed. */
const struct keyring_key *keyring_view(const struct keyring *keyring, size_t place);
/* Copies it; false and err: it is not a good one, or domain and selector are there already. */
MUST_CHECK bool keyring_add(struct keyring *keyring, const struct keyring_key *key,
                            struct error *err);
void keyring_set_state(struct keyring *keyring, size_t place, enum keyring_state state,
                       int64_t now_s);
void keyring_remove(struct keyring *keyring, size_t place);

/* The active keys that sign for an author in that domain: those of the domain itself, or of the
 * nearest one above it that has any (which is aligned in DMARC's relaxed way). Gives how many. */
size_t keyring_find(const struct keyring *keyring, struct bytes domain,
                    const struct keyring_key *out[DKIM_SIGN_KEYS_MOST]);
