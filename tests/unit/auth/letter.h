/* Messages and key records for the tests of signatures. */
#pragma once

#include "auth/body_hash.h"
#include "base/buf.h"
#include "facts/facts.h"

#include <openssl/evp.h>

/* A message, its lines ended by CRLF: where the text has no CRLF at all, its LFs are taken for
 * ends of lines. Both views are into `text`. */
struct letter {
    struct buf text;
    struct bytes section, body;
};
void letter_init(struct letter *letter, struct bytes text);
void letter_done(struct letter *letter);

/* A whole file; the test fails when it cannot be read. */
struct buf file_read(const char *path);

/* Answers a question for a TXT record. */
void facts_add_txt(struct facts *facts, struct bytes name, struct bytes record);
/* Answers all open questions with that status. */
void facts_answer_open(struct facts *facts, enum answer_status status);

/* The key pair of RFC 8032, 7.1, test 1, which RFC 8463 signs with; the caller frees. */
EVP_PKEY *ed25519_new(void);
#define ED25519_RECORD "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
/* Signs a digest: Ed25519, or PKCS #1 v1.5 with an RSA key. Gives the length; room for 512. */
size_t sign_digest(EVP_PKEY *pkey, const uint8_t *digest, uint8_t *out);

/* Appends a field "DKIM-Signature: TAGS; bh=…; b=…" that is right for the letter, whatever else its
 * tags say: they may break rules that dkim_sign would not. */
void sign_loosely(struct buf *out, const char *tags, const struct letter *letter, EVP_PKEY *pkey);
