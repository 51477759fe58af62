/* What the parts of TLS share: tls_context.c (what many connections share), tls.c (one connection),
 * tls_facts.c (what a handshake led to), tls_sessions.c (a client's sessions), tls_tickets.c (keys
 * of a server's tickets), tls_words.c (failures in words), tls_remote.c (keys that are elsewhere),
 * tls_identity.c (certificates and keys). Private to them. */
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/map.h"
#include "net/tls.h"
#include "net/tls_link.h"
#include "net/tls_tickets.h"

/* Servers: certificates for the same names, at most one of each kind of key. */
struct tls_group {
    SSL_CTX *ssl;
    X509 *first; /* borrowed from it: its names stand for all */
};

struct tls_context {
    unsigned users; /* the owner and the connections */
    bool is_server;
    SSL_CTX *ssl; /* the first group's; a client's only one */
    struct tls_group *groups;
    size_t group_count;
    const struct tls_signer *signer;
    struct tls *current;   /* whose handshake is running now: who signs */
    OSSL_LIB_CTX *library; /* has the provider of remote keys; NULL: there are none */
    OSSL_PROVIDER *standard, *remote;
    struct map *sessions; /* of a client: SSL_SESSION */
    struct tls_tickets tickets;
};

struct tls {
    struct tls_context *context;
    SSL *ssl;
    tls_wake *wake;
    void *wake_context;
    struct tls_signing *signing; /* under way elsewhere */
    struct bytes session_key;    /* owned; of a client: empty when sessions are not kept */
    uint8_t (*pins)[TLS_HASH_SIZE];
    size_t pin_count;
    bool is_secured, is_broken;
    char failure[256];
};

/* --- tls_sessions.c: a client's sessions, by whom they are with ------------------------------- */

void tls_sessions_init(struct tls_context *context);
void tls_sessions_done(struct tls_context *context);
/* Offers the session that is kept for this connection's target, if any. */
void tls_sessions_offer(struct tls *tls);

/* --- tls_words.c ------------------------------------------------------------------------------ */

/* The oldest error in OpenSSL's queue in words for people; clears the queue. */
void tls_words(char *text, size_t size);
/* false and err, with those words behind the text. */
bool tls_error(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* --- tls_remote.c: private keys that sign by struct tls_signer ---------------------------------
 */

/* Makes context->library. */
MUST_CHECK bool tls_remote_open(struct tls_context *context, struct error *err);
void tls_remote_close(struct tls_context *context);
/* A key that the certificate's public key belongs to; the caller's to free. NULL and err. */
EVP_PKEY *tls_remote_key(struct tls_context *context, X509 *certificate, struct bytes name,
                         struct error *err);
/* Asks for the signature that a handshake rests for, once; true: it is there already. */
bool tls_remote_ask(struct tls *tls);
/* The connection is going away: what it waits for fails now. */
void tls_remote_abandon(struct tls *tls);

/* --- tls_identity.c --------------------------------------------------------------------------- */

struct tls_chain {
    X509 *certificate;
    STACK_OF(X509) * issuers;
};
MUST_CHECK bool tls_chain_read(OSSL_LIB_CTX *library, struct bytes pem, struct tls_chain *out,
                               struct error *err);
void tls_chain_done(struct tls_chain *chain);
/* Adds all certificates to those that are trusted. */
MUST_CHECK bool tls_trust_read(OSSL_LIB_CTX *library, struct bytes pem, X509_STORE *store,
                               struct error *err);
/* NULL and err. */
EVP_PKEY *tls_key_read(OSSL_LIB_CTX *library, struct bytes pem, struct error *err);
/* Are the certificates for the same names? */
bool tls_same_names(X509 *a, X509 *b);
/* Appends the names that the certificate is for, with commas between. */
void tls_print_names(X509 *certificate, struct buf *out);
