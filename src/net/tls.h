/* TLS 1.2 and 1.3 (OpenSSL 3) for streams: contexts, which many connections share, and the TLS of
 * one connection, which stream_start_tls() (net/stream.h) takes over. Seen only in net.
 *
 * Always forward secret: RSA keys sign, and are never a means of key exchange. So a private key
 * does nothing but sign, and may live in another process (struct tls_signer). Compression,
 * renegotiation and early data are off; ALPN is ignored. */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

struct tls_context;
struct tls;

enum tls_peers {
    TLS_PEERS_MODERN, /* TLS 1.2 and 1.3, authenticated encryption (AEAD) only */
    TLS_PEERS_OLD,    /* and TLS 1.0, 1.1, CBC, SHA-1 and short keys: better than clear text */
};

/* Signs with keys that are elsewhere. */
typedef void tls_signed(void *context, struct bytes signature); /* empty: it was not signed */
struct tls_signer {
    void *context;
    /* Begins to sign the data itself (not its hash) with the key of that name; scheme is the
     * SignatureScheme of TLS (RFC 8446, 4.2.3): 0x0804 is rsa_pss_rsae_sha256. key and data are
     * borrowed for the call. done is called once, on this thread, perhaps before sign() returns. */
    void (*sign)(void *context, struct bytes key, uint16_t scheme, struct bytes data,
                 tls_signed *done, void *done_context);
};

/* A certificate with its chain (PEM, the certificate first) and its private key: either as PEM, or
 * by the name under which the signer has it. */
struct tls_identity {
    struct bytes chain_pem;
    struct bytes key_pem;  /* empty: the signer's */
    struct bytes key_name; /* copied */
};

/* --- Servers -------------------------------------------------------------------------------- */

struct tls_server_settings {
    enum tls_peers peers;
    /* The first one's names are the default. One with the same names and another kind of key (RSA,
     * ECDSA) stands beside it, and the client's abilities choose; others are chosen by SNI. */
    const struct tls_identity *identities;
    size_t identity_count;
    const struct tls_signer *signer; /* kept; NULL when all keys are given */
    bool has_no_tickets;             /* no session tickets, so no resumption */
};
/* NULL and err, which names what is wrong in the identities. */
struct tls_context *tls_server_context_new(const struct tls_server_settings *settings,
                                           struct error *err);
/* The server's side of one connection. Is a client certificate asked for? It is never demanded, and
 * whatever certificate comes is taken: what it is worth is the caller's question. */
enum tls_client_certificate { TLS_CLIENT_CERTIFICATE_NONE, TLS_CLIENT_CERTIFICATE_ASKED };
struct tls *tls_server_new(struct tls_context *context, enum tls_client_certificate asked);

/* --- Clients -------------------------------------------------------------------------------- */

struct tls_client_settings {
    enum tls_peers peers;
    struct bytes ca_pem;                 /* whom to trust; empty: the system's trust store */
    const struct tls_identity *identity; /* client certificate; NULL: none */
    const struct tls_signer *signer;     /* kept; NULL when the key is given */
};
struct tls_context *tls_client_context_new(const struct tls_client_settings *settings,
                                           struct error *err);

enum { TLS_HASH_SIZE = 32 }; /* SHA-256 */

/* Whom a client wants to talk to; borrowed for the call. */
struct tls_target {
    struct bytes server_name; /* SNI (RFC 6066, 3); empty: none. An A-label form */
    /* Reference names, one of which the certificate must have as a DNS-ID (RFC 9525); without
     * names the chain alone counts. */
    const struct bytes *names;
    size_t name_count;
    /* Hashes of public keys (SubjectPublicKeyInfo, SHA-256). With any, a certificate that has one
     * of them is good, whatever else is in it, and no other is. */
    const uint8_t (*pins)[TLS_HASH_SIZE];
    size_t pin_count;
    /* Sessions are resumed among connections with the same words here and the same names; empty:
     * never. */
    struct bytes session_key;
};
/* The client's side of one connection. An untrusted server does not fail the handshake: look at
 * tls_facts before anything is sent. */
struct tls *tls_client_new(struct tls_context *context, const struct tls_target *target);

/* --- Both ----------------------------------------------------------------------------------- */

/* One more owner, who gives it up by itself. */
struct tls_context *tls_context_share(struct tls_context *context);
/* Gives the context up; connections that use it keep what they need. NULL is fine. */
void tls_context_free(struct tls_context *context);
/* Only for a struct tls that no stream has taken over. */
void tls_free(struct tls *tls);

/* What a handshake led to. */
struct tls_facts {
    char version[16];      /* "TLSv1.3" */
    char cipher[64];       /* "TLS_AES_256_GCM_SHA384" */
    int bits;              /* of the cipher's key */
    bool was_resumed;      /* by a ticket; no certificate was shown this time */
    char server_name[256]; /* SNI; "": none */
    bool has_peer_certificate;
    bool is_verified;       /* chain (and name, or the pin): see verification */
    char verification[160]; /* "verified", "pinned", "no certificate", or why not, in words */
    char peer_name[256];    /* the certificate's subject; "": none */
    uint8_t peer_certificate[TLS_HASH_SIZE]; /* SHA-256 of the certificate (DER) */
    uint8_t peer_public_key[TLS_HASH_SIZE];  /* SHA-256 of its SubjectPublicKeyInfo */
    /* Channel bindings: tls-exporter (RFC 9266) and tls-server-end-point (RFC 5929), the latter
     * not in resumed sessions. Lengths are 0 where there is none. */
    uint8_t exporter[TLS_HASH_SIZE], end_point[64];
    size_t exporter_len, end_point_len;
};

/* What is wrong with a certificate and its key as of now, for people, and what to do about it; the
 * key may be BYTES_NONE. False and err: it will not work. With true, *warning (may be NULL) is
 * perhaps not empty: it works, but something is about to go wrong. */
MUST_CHECK bool tls_identity_check(struct bytes chain_pem, struct bytes key_pem, int64_t now_ms,
                                   struct error *warning, struct error *err);
