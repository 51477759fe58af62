#include "authority.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ec.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static EVP_PKEY *make_key(const char *kind)
{
    EVP_PKEY *key = strcmp(kind, "RSA") == 0  ? EVP_RSA_gen(2048)
                    : strcmp(kind, "EC") == 0 ? EVP_EC_gen("P-256")
                                              : EVP_PKEY_Q_keygen(NULL, NULL, kind);
    ASSERT(key);
    return key;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ASSERT(extension && X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static X509 *make_certificate(EVP_PKEY *key, const char *subject, const struct authority *issuer,
                              long begin_s, long end_s)
{
    static long serial = 1;
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), begin_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), end_s);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)subject, -1, -1, 0);
    X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer->certificate) : name);
    return certificate;
}

static void sign(X509 *certificate, EVP_PKEY *key)
{
    const EVP_MD *hash = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
    ASSERT(X509_sign(certificate, key, hash) > 0);
}

void authority_init(struct authority *authority)
{
    authority->key = make_key("EC");
    authority->certificate =
        make_certificate(authority->key, "authority of a test", NULL, -3600, 86400);
    add_extension(authority->certificate, NID_basic_constraints, "critical,CA:TRUE");
    sign(authority->certificate, authority->key);
}

void authority_done(struct authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
}

static void print(BIO *from, struct buf *out)
{
    char *at;
    long len = BIO_get_mem_data(from, &at);
    buf_init(out, 1 << 20);
    buf_add(out, (struct bytes){(const uint8_t *)at, (size_t)len});
    BIO_free(from);
}

void authority_issue(struct authority *authority, const char *kind, const char *names, long begin_s,
                     long end_s, struct issued *out)
{
    out->key = make_key(kind);
    out->certificate = make_certificate(out->key, "of a test", authority, begin_s, end_s);
    add_extension(out->certificate, NID_subject_alt_name, names);
    sign(out->certificate, authority ? authority->key : out->key);
    BIO *chain = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
    ASSERT(PEM_write_bio_X509(chain, out->certificate));
    ASSERT(PEM_write_bio_PrivateKey(key, out->key, NULL, NULL, 0, NULL, NULL));
    print(chain, &out->chain_pem);
    print(key, &out->key_pem);
}

void issued_done(struct issued *issued)
{
    X509_free(issued->certificate);
    EVP_PKEY_free(issued->key);
    buf_done(&issued->chain_pem);
    buf_done(&issued->key_pem);
}

void authority_print(const struct authority *authority, struct buf *out)
{
    BIO *to = BIO_new(BIO_s_mem());
    char *at;
    ASSERT(PEM_write_bio_X509(to, authority->certificate));
    long len = BIO_get_mem_data(to, &at);
    buf_add(out, (struct bytes){(const uint8_t *)at, (size_t)len});
    BIO_free(to);
}
