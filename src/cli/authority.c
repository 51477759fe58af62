#include "cli/authority.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum {
    PEM_LIMIT = 8192,
    NAME_LIMIT = 64,       /* of a common name; RFC 5280, ub-common-name */
    SERIAL_BYTES = 16,     /* RFC 5280, 4.1.2.2: 20 at most */
    EARLY_SECONDS = -3600, /* for clients whose clocks are late */
    LAST_SECONDS = AUTHORITY_DAYS * 86400 + EARLY_SECONDS,
};

struct extension {
    int nid;
    const char *value;
};

/* Under a name that no other one has, so that a trust store may hold several. */
static const struct extension of_authority[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
};
static const struct extension of_server[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid"},
};

static bool add_extension(X509 *certificate, X509 *issuer, const struct extension *extension)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *made = X509V3_EXT_conf_nid(NULL, &context, extension->nid, extension->value);
    bool is_added = made && X509_add_ext(certificate, made, -1);
    X509_EXTENSION_free(made);
    return is_added;
}

static bool set_serial(X509 *certificate)
{
    uint8_t bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool is_set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return is_set;
}

static bool set_name(X509 *certificate, const char *common_name)
{
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                      (const uint8_t *)common_name, -1, -1, 0) == 1;
}

/* All but the signature; issuer NULL: itself. */
static X509 *make_certificate(EVP_PKEY *key, X509 *issuer, const char *common_name,
                              const struct extension *extensions, size_t count)
{
    X509 *made = X509_new();
    bool is_good = made && X509_set_version(made, X509_VERSION_3) && set_serial(made) &&
                   X509_gmtime_adj(X509_getm_notBefore(made), EARLY_SECONDS) &&
                   X509_gmtime_adj(X509_getm_notAfter(made), LAST_SECONDS) &&
                   X509_set_pubkey(made, key) && set_name(made, common_name) &&
                   X509_set_issuer_name(made, X509_get_subject_name(issuer ? issuer : made));
    for (size_t i = 0; is_good && i < count; i++)
        is_good = add_extension(made, issuer ? issuer : made, &extensions[i]);
    if (is_good)
        return made;
    X509_free(made);
    return NULL;
}

static X509 *make_authority(EVP_PKEY *key)
{
    char name[NAME_LIMIT + 1];
    uint8_t mark[4];
    if (RAND_bytes(mark, sizeof mark) != 1)
        return NULL;
    snprintf(name, sizeof name, "Postrider for development %02x%02x%02x%02x", mark[0], mark[1],
             mark[2], mark[3]);
    X509 *made = make_certificate(key, NULL, name, of_authority, COUNT(of_authority));
    if (made && X509_sign(made, key, EVP_sha256()) > 0)
        return made;
    X509_free(made);
    return NULL;
}

static X509 *make_server(EVP_PKEY *key, const char *hostname, X509 *issuer, EVP_PKEY *issuer_key)
{
    char names[512];
    const struct extension own_names = {NID_subject_alt_name, names};
    snprintf(names, sizeof names, "DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", hostname);
    /* Clients look at the alternative names alone (RFC 9525, 2), people at this one. */
    const char *shown = strlen(hostname) > NAME_LIMIT ? "localhost" : hostname;
    X509 *made = make_certificate(key, issuer, shown, of_server, COUNT(of_server));
    if (made && add_extension(made, issuer, &own_names) &&
        X509_sign(made, issuer_key, EVP_sha256()) > 0)
        return made;
    X509_free(made);
    return NULL;
}

static void take_pem(BIO *from, struct buf *out)
{
    char *at;
    long len = BIO_get_mem_data(from, &at);
    buf_init(out, PEM_LIMIT);
    /* At once as large as it may become: a key must not stay behind where it grew from. */
    (void)buf_reserve(out, PEM_LIMIT);
    buf_add(out, (struct bytes){(const uint8_t *)at, (size_t)len});
}

static bool print(X509 *authority, X509 *server, EVP_PKEY *key, struct authority_issued *out)
{
    BIO *ca = BIO_new(BIO_s_mem()), *certificate = BIO_new(BIO_s_mem());
    BIO *secret = BIO_new(BIO_s_secmem());
    bool is_good = ca && certificate && secret && PEM_write_bio_X509(ca, authority) &&
                   PEM_write_bio_X509(certificate, server) &&
                   PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL);
    if (is_good) {
        take_pem(ca, &out->ca);
        take_pem(certificate, &out->certificate);
        take_pem(secret, &out->key);
    }
    BIO_free(ca);
    BIO_free(certificate);
    BIO_free(secret);
    return is_good;
}

bool authority_issue(const char *hostname, struct authority_issued *out, struct error *err)
{
    EVP_PKEY *authority_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *authority = authority_key && key ? make_authority(authority_key) : NULL;
    X509 *server = authority ? make_server(key, hostname, authority, authority_key) : NULL;
    bool is_good = server && print(authority, server, key, out);
    if (!is_good) {
        char reason[160];
        ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
        error_set(err, 0, "a certificate for %.60s could not be made: %s", hostname, reason);
    }
    ERR_clear_error();
    X509_free(server);
    X509_free(authority);
    EVP_PKEY_free(authority_key);
    EVP_PKEY_free(key);
    return is_good;
}

void authority_issued_done(struct authority_issued *issued)
{
    if (issued->key.at)
        OPENSSL_cleanse(issued->key.at, issued->key.cap);
    buf_done(&issued->ca);
    buf_done(&issued->certificate);
    buf_done(&issued->key);
}
