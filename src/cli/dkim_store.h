/* The folder of keys, as `postrider dkim` keeps it: the keyring (policy/keyring.h) and a file for
 * each private key. One command at a time has it. */
#pragma once

#include "daemon/config.h"
#include "policy/keyring.h"

struct dkim_store {
    const struct config *config;
    struct keyring *keyring;
    int folder_fd;
};

/* False and err: the folder cannot be made or read, or its keyring is none. */
MUST_CHECK bool dkim_store_open(struct dkim_store *store, const struct config *config,
                                struct error *err);
void dkim_store_close(struct dkim_store *store);

/* Makes a key pair, writes its file, and adds it to the keyring, which is not saved yet. RSA has
 * 2048 bits. *place is the key's in the keyring. */
MUST_CHECK bool dkim_store_make(struct dkim_store *store, const struct keyring_key *key,
                                size_t *place, struct error *err);
/* Makes a key of each kind for the domain, with selectors that say the day ("20261125r") and are
 * not taken. */
MUST_CHECK bool dkim_store_make_pair(struct dkim_store *store, struct bytes domain,
                                     enum keyring_state state, int64_t now_s, struct error *err);
/* The same as dkim_store_make() with a key that is there: reads it from a file in PEM, and keeps a
 * copy. Finds out its algorithm. RSA wants 1024 bits at least (RFC 8301, 3.2). */
MUST_CHECK bool dkim_store_import(struct dkim_store *store, const struct keyring_key *key,
                                  const char *path, size_t *place, struct error *err);
/* Writes the keyring durably. */
MUST_CHECK bool dkim_store_save(struct dkim_store *store, struct error *err);
/* Removes the file of a key that is no longer in the keyring. */
MUST_CHECK bool dkim_store_remove_file(struct dkim_store *store, struct bytes file,
                                       struct error *err);

/* Appends the record that the DNS should have for the key. */
MUST_CHECK bool dkim_store_record(struct dkim_store *store, const struct keyring_key *key,
                                  struct buf *out, struct error *err);
/* Appends the name that the record belongs to: "s1._domainkey.example.org". */
void dkim_store_name(struct buf *out, const struct keyring_key *key);
/* Appends a TXT record's data as zone files have it: strings of at most 255 bytes, in quotes. */
void dkim_store_strings(struct buf *out, struct bytes record);
