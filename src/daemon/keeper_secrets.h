/* The files that only the keeper reads: private keys, and passwords for other servers. Each has its
 * path as its name. Some come opened from the supervisor; others lie in a folder and are read when
 * they are first asked for. */
#pragma once

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/error.h"

struct secrets;

enum { SECRET_SIZE_LIMIT = 64 * 1024 };

/* folder: where files are read from that nobody handed over; kept. */
struct secrets *secrets_new(const char *folder, uint64_t seed);
/* Wipes all of them. */
void secrets_free(struct secrets *secrets);
/* Reads a file that was opened (fd -1: os says why not), and closes it. What is wrong with it is
 * logged, and it stays unknown. */
void secrets_give(struct secrets *secrets, struct bytes name, int fd_owned, int os);

/* The folder's name is now here (that of a new configuration); it is the same one. */
void secrets_move(struct secrets *secrets, const char *folder);

/* A private key from a file in PEM; borrowed. NULL and err: there is none of that name, or the file
 * is none. */
EVP_PKEY *secrets_key(struct secrets *secrets, struct bytes name, struct error *err);
/* A file's content, not of a private key; borrowed. False and err as above. */
MUST_CHECK bool secrets_file(struct secrets *secrets, struct bytes name, struct bytes *out,
                             struct error *err);
/* The same up to the end of its first line. */
MUST_CHECK bool secrets_text(struct secrets *secrets, struct bytes name, struct bytes *out,
                             struct error *err);
