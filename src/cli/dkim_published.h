/* Does the DNS show a key's record? */
#pragma once

#include "facts/facts.h"
#include "policy/keyring.h"

enum published {
    PUBLISHED_ASKING, /* facts are needed */
    PUBLISHED_RIGHT,
    PUBLISHED_MISSING, /* there is no record at the name */
    PUBLISHED_OTHER,   /* there is one, with another key or none */
    PUBLISHED_UNKNOWN, /* the DNS did not answer */
};
/* The word for JSON: "published", "missing", "different", "unknown". */
const char *published_word(enum published published);

/* record: what should be at the key's name. */
enum published published_find(struct facts *facts, const struct keyring_key *key,
                              struct bytes record);
