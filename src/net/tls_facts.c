#include "net/tls_state.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_link.h"

/* RFC 9266, 2: in TLS 1.2 only with the extended master secret. */
static void fill_exporter(SSL *ssl, struct tls_facts *out)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
        return;
    if (SSL_export_keying_material(ssl, out->exporter, sizeof out->exporter, label,
                                   sizeof label - 1, NULL, 0, 0) == 1)
        out->exporter_len = sizeof out->exporter;
}

/* RFC 5929, 4.1: by the hash of the certificate's signature, but no weaker than SHA-256. */
static void fill_end_point(const X509 *server, struct tls_facts *out)
{
    int hash;
    unsigned len = 0;
    if (!server ||
        X509_get_signature_info((X509 *)(uintptr_t)server, &hash, NULL, NULL, NULL) != 1 ||
        hash == NID_undef)
        return;
    const EVP_MD *digest = hash == NID_md5 || hash == NID_sha1 || hash == NID_md5_sha1
                               ? EVP_sha256()
                               : EVP_get_digestbynid(hash);
    if (digest && X509_digest(server, digest, out->end_point, &len) == 1)
        out->end_point_len = len;
}

static void fill_public_key(X509 *certificate, uint8_t out[TLS_HASH_SIZE])
{
    uint8_t *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (len > 0)
        (void)EVP_Digest(der, (size_t)len, out, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
}

static void fill_peer(const struct tls *tls, X509 *peer, struct tls_facts *out)
{
    out->has_peer_certificate = true;
    (void)X509_digest(peer, EVP_sha256(), out->peer_certificate, NULL);
    fill_public_key(peer, out->peer_public_key);
    BIO *text = BIO_new(BIO_s_mem());
    if (text && X509_NAME_print_ex(text, X509_get_subject_name(peer), 0,
                                   XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        int len = BIO_read(text, out->peer_name, sizeof out->peer_name - 1);
        out->peer_name[len > 0 ? len : 0] = 0;
    }
    BIO_free(text);
}

static void print_mismatch(X509 *peer, struct tls_facts *out)
{
    struct buf names;
    buf_init(&names, 100);
    tls_print_names(peer, &names);
    snprintf(out->verification, sizeof out->verification,
             "the certificate is for other names: %.*s", BYTES_ARGS(buf_view(&names)));
    buf_done(&names);
}

static const char *verify_words(long result)
{
    switch (result) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return "the certificate is self-signed";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "nobody whom we trust vouches for the certificate (or its chain is incomplete)";
    case X509_V_ERR_CERT_HAS_EXPIRED: return "the certificate, or one of its chain, has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID: return "the certificate is not valid yet";
    case X509_V_ERR_CERT_REVOKED: return "the certificate is revoked";
    case X509_V_ERR_INVALID_PURPOSE: return "the certificate is not for this purpose";
    default: return X509_verify_cert_error_string(result);
    }
}

static bool is_pinned(const struct tls *tls, const struct tls_facts *facts)
{
    for (size_t i = 0; i < tls->pin_count; i++)
        if (memcmp(tls->pins[i], facts->peer_public_key, TLS_HASH_SIZE) == 0)
            return true;
    return false;
}

static void fill_verification(const struct tls *tls, X509 *peer, struct tls_facts *out)
{
    long result = SSL_get_verify_result(tls->ssl);
    const char *words = verify_words(result);
    if (!peer) {
        words = "no certificate";
    } else if (tls->pin_count) {
        out->is_verified = is_pinned(tls, out);
        words = out->is_verified ? "pinned" : "the certificate's key is none of the pinned ones";
    } else if (result == X509_V_OK) {
        out->is_verified = true;
        words = "verified";
    } else if (result == X509_V_ERR_HOSTNAME_MISMATCH) {
        print_mismatch(peer, out);
        return;
    }
    snprintf(out->verification, sizeof out->verification, "%s", words);
}

bool tls_facts_of(const struct tls *tls, struct tls_facts *out)
{
    if (!tls->is_secured)
        return false;
    *out = (struct tls_facts){.was_resumed = SSL_session_reused(tls->ssl) == 1};
    snprintf(out->version, sizeof out->version, "%s", SSL_get_version(tls->ssl));
    snprintf(out->cipher, sizeof out->cipher, "%s", SSL_get_cipher_name(tls->ssl));
    out->bits = SSL_get_cipher_bits(tls->ssl, NULL);
    const char *name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(out->server_name, sizeof out->server_name, "%s", name ? name : "");
    X509 *peer = SSL_get0_peer_certificate(tls->ssl);
    if (peer)
        fill_peer(tls, peer, out);
    fill_verification(tls, peer, out);
    fill_exporter(tls->ssl, out);
    if (!out->was_resumed)
        fill_end_point(tls->context->is_server ? SSL_get_certificate(tls->ssl) : peer, out);
    return true;
}
