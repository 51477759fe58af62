#include "cli/bench_tls.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

enum { LIFE_S = 7 * 86400 };

struct tls_context *bench_tls_client(void)
{
    struct error err;
    struct tls_context *context =
        tls_client_context_new(&(struct tls_client_settings){.peers = TLS_PEERS_OLD}, &err);
    /* The system's trust store may be empty. */
    ASSERT(context);
    return context;
}

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = certificate ? X509_get_subject_name(certificate) : NULL;
    if (name && X509_set_version(certificate, X509_VERSION_3) &&
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), -60) &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), LIFE_S) &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"sink.invalid", -1,
                                   -1, 0) &&
        X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key) &&
        X509_sign(certificate, key, EVP_sha256()) > 0)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static struct bytes content(BIO *pem)
{
    char *at = NULL;
    long len = BIO_get_mem_data(pem, &at);
    return (struct bytes){(const uint8_t *)at, len > 0 ? (size_t)len : 0};
}

struct tls_context *bench_tls_server(struct error *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key ? make_certificate(key) : NULL;
    BIO *chain = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());
    struct tls_context *context = NULL;
    if (certificate && chain && secret && PEM_write_bio_X509(chain, certificate) &&
        PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL)) {
        struct tls_identity identity = {.chain_pem = content(chain), .key_pem = content(secret)};
        context = tls_server_context_new(
            &(struct tls_server_settings){.identities = &identity, .identity_count = 1}, err);
    } else {
        error_set(err, 0, "a certificate could not be made");
    }
    BIO_free(chain);
    BIO_free(secret);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}
